create or replace function gnatter.push_unregister(user_name text, device_name text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.push_forget(gnatter.push_device(user_name, device_name));
end
$$;
comment on function gnatter.push_unregister(text, text) is 'unregisters a device from push; whether it was registered. GN002, GN006';
