create or replace function gnatter.rpc_request_decline(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    sender_name text := gnatter.param_text(params, 'user');
begin
    perform gnatter.request_of(user_id, sender_name);
    perform gnatter.block_begin(user_id, sender_name);
    return '{}';
end
$$;
comment on function gnatter.rpc_request_decline(bigint, bigint, jsonb) is
    'request.decline: the stranger is blocked, and not told; unblocked, he waits again';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('request.decline', 'rpc_request_decline', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
