create or replace function gnatter.rpc_push_register(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.push_registration_put(device_id, params);
    return jsonb_build_object('provider', params ->> 'provider', 'active', exists (
        select from gnatter.push_provider p where p.provider = params ->> 'provider' and not p.is_stopped));
end
$$;
comment on function gnatter.rpc_push_register(bigint, bigint, jsonb) is
    'push.register: how this device is to be woken, in place of what it had; active: this node sends with that provider now';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('push.register', 'rpc_push_register', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
