create or replace function gnatter.create_group(name text, owner text, members text[] default '{}',
    title text default null)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.group_make(name, title, gnatter.user_lock(owner), members, null);
end
$$;
comment on function gnatter.create_group(text, text, text[], text) is
    'makes a group (name null: an unguessable one) and returns its name. Repeated members and the owner among them '
    'are ignored. GN002, GN004 when the name is or was taken, GN006, GN007';
