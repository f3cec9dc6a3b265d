create or replace function gnatter.revoke_device(user_name text, device_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    owner_id bigint := gnatter.user_lock(user_name);
    found_id bigint;
begin
    select d.device_id into found_id from gnatter.device d
     where d.user_id = owner_id and d.name = device_name and d.removed_at is null;
    if not found then
        raise exception 'no such device: %:%', user_name, coalesce(left(device_name, 80), 'null')
            using errcode = 'GN006';
    end if;
    perform gnatter.device_remove(found_id);
end
$$;
comment on function gnatter.revoke_device(text, text) is
    'unregisters a device: its connection ends, its tokens are void for ever. GN002, GN006 when there is no such '
    'device';
