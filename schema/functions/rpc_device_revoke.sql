create or replace function gnatter.rpc_device_revoke(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    device_name text := gnatter.param_text(params, 'device');
    found_id bigint;
begin
    perform from gnatter.user_account u where u.user_id = rpc_device_revoke.user_id for share;
    select d.device_id into found_id from gnatter.device d
     where d.user_id = rpc_device_revoke.user_id and d.name = device_name and d.removed_at is null;
    if not found then
        raise exception 'no such device: %', left(device_name, 80) using errcode = 'GN006';
    end if;
    perform gnatter.device_remove(found_id);
    return '{}';
end
$$;
comment on function gnatter.rpc_device_revoke(bigint, bigint, jsonb) is
    'device.revoke: one of one''s own devices, also the one that asks';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('device.revoke', 'rpc_device_revoke', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
