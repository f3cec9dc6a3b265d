create or replace function gnatter.rpc_privacy_get(user_id bigint, device_id bigint, params jsonb) returns jsonb
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$ select gnatter.privacy_of(rpc_privacy_get.user_id) $$;
comment on function gnatter.rpc_privacy_get(bigint, bigint, jsonb) is 'privacy.get: what the user shows to whom';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('privacy.get', 'rpc_privacy_get', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
