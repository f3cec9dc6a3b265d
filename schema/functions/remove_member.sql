create or replace function gnatter.remove_member(group_name text, user_name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation := gnatter.group_lock(group_name);
begin
    return gnatter.member_close(conversation.conversation_id,
                                gnatter.member_named(conversation.conversation_id, user_name), null);
end
$$;
comment on function gnatter.remove_member(text, text) is
    'puts a member out of a group; returns the seq of member-removed. GN001 no member, GN002, GN003';
