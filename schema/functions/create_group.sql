create or replace function gnatter.create_group(name text, owner text, members text[] default '{}',
    title text default null)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    -- not locked before the members: all are, in one order
    owner_id bigint := (select u.user_id from gnatter.user_account u where u.name = owner and u.removed_at is null);
begin
    if owner_id is null then
        raise exception 'no such user: %', coalesce(left(owner, 80), 'null') using errcode = 'GN002';
    end if;
    return gnatter.group_make(name, title, owner_id, members, null);
end
$$;
comment on function gnatter.create_group(text, text, text[], text) is
    'makes a group (name null: an unguessable one) and returns its name. Repeated members and the owner among them '
    'are ignored. GN002, GN004 when the name is or was taken, GN006, GN007';
