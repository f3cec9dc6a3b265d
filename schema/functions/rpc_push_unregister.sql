create or replace function gnatter.rpc_push_unregister(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.push_forget(device_id);
    return '{}';
end
$$;
comment on function gnatter.rpc_push_unregister(bigint, bigint, jsonb) is 'push.unregister: this device is not woken any more';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('push.unregister', 'rpc_push_unregister', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
