create or replace function gnatter.request_accept(conversation_id bigint, user_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    delete from gnatter.request r
     where r.conversation_id = request_accept.conversation_id and r.user_id = request_accept.user_id;
    if not found then
        return null;
    end if;
    perform gnatter.marks_changed(conversation_id);
    -- they are contacts from now on
    perform pg_notify('gnatter', 'p ' || u.name)
       from gnatter.member m join gnatter.user_account u on u.user_id = m.user_id
      where m.conversation_id = request_accept.conversation_id;
    return gnatter.event_append(conversation_id, user_id, 'request-accepted', '{}', true);
end
$$;
comment on function gnatter.request_accept(bigint, bigint) is
    'the user takes what a stranger wrote: the seq of the event that says so, null when nothing waits for her. The caller '
    'holds the conversation''s lock. Internal';
