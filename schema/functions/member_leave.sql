create or replace function gnatter.member_leave(conversation_id bigint, user_id bigint, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.event_append(conversation_id, actor_id,
        case when actor_id = user_id then 'member-left' else 'member-removed' end,
        (select format('{"user":"%s"}', u.name)
           from gnatter.user_account u where u.user_id = member_leave.user_id), true);
end
$$;
comment on function gnatter.member_leave(bigint, bigint, bigint) is
    'the event of somebody leaving: member-left when the actor is the one who goes; the caller, who holds the '
    'group''s lock, closes the interval with its seq. Internal';
