create or replace function gnatter.member_role(conversation_id bigint, user_id bigint, role text, actor_id bigint)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    event_seq bigint := gnatter.role_event(conversation_id, user_id, role, actor_id);
begin
    update gnatter.member m set role = member_role.role, role_seq = event_seq
     where m.conversation_id = member_role.conversation_id and m.user_id = member_role.user_id and m.left_seq is null;
    return event_seq;
end
$$;
comment on function gnatter.member_role(bigint, bigint, text, bigint) is
    'gives a member a role, with its event; the caller has checked and holds the group''s lock. Internal';
