create or replace function gnatter.add_member(group_name text, user_name text, role text default 'member')
    returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.group_add(group_name, user_name, role, null);
end
$$;
comment on function gnatter.add_member(text, text, text) is
    'takes a user into a group, the first one into an empty group as its owner; returns the seq of member-added. GN002, GN003, GN004 a member already, GN006, GN007 a '
    'full group';
