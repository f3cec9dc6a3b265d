create or replace function gnatter.set_role(group_name text, user_name text, role text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation := gnatter.group_lock(group_name);
    member_id bigint := gnatter.member_named(conversation.conversation_id, user_name);
begin
    return gnatter.group_role(conversation.conversation_id, member_id, role, null);
end
$$;
comment on function gnatter.set_role(text, text, text) is
    'gives a member a role; returns the seq of role-changed. GN001, GN002, GN003, GN005 for the last owner, GN006. A '
    'role she has already: nothing happens, and the seq is that of the event which gave it';
