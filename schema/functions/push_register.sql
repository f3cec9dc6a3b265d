create or replace function gnatter.push_register(user_name text, device_name text, params jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.push_registration_put(gnatter.push_device(user_name, device_name), params);
end
$$;
comment on function gnatter.push_register(text, text, jsonb) is
    'registers a device for push, with the parameters of the method push.register. GN002, GN006';
