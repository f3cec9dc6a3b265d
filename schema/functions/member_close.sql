create or replace function gnatter.member_close(conversation_id bigint, user_id bigint, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    event_seq bigint := gnatter.member_leave(conversation_id, user_id, actor_id);
begin
    update gnatter.member m set left_seq = event_seq
     where m.conversation_id = member_close.conversation_id and m.user_id = member_close.user_id and m.left_seq is null;
    perform gnatter.ownership_pass(conversation_id, actor_id);
    return event_seq;
end
$$;
comment on function gnatter.member_close(bigint, bigint, bigint) is
    'ends a membership: its event, the interval, and a new owner where there is none left; the caller has checked and '
    'holds the group''s lock. Internal';
