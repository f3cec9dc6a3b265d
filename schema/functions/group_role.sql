create or replace function gnatter.group_role(conversation_id bigint, user_id bigint, role text, actor_id bigint)
    returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    has_seq bigint;
begin
    perform gnatter.role_check(conversation_id, user_id, role);
    select m.role_seq into has_seq from gnatter.member m
     where m.conversation_id = group_role.conversation_id and m.user_id = group_role.user_id and m.left_seq is null
       and m.role = group_role.role;
    if found then
        return has_seq;
    end if;
    return gnatter.member_role(conversation_id, user_id, role, actor_id);
end
$$;
comment on function gnatter.group_role(bigint, bigint, text, bigint) is
    'set_role in the name of an actor, who has been checked; the caller holds the group''s lock. Internal';
