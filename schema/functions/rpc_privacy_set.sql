create or replace function gnatter.rpc_privacy_set(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.privacy_change(user_id, params);
end
$$;
comment on function gnatter.rpc_privacy_set(bigint, bigint, jsonb) is 'privacy.set: changes what is given of the settings';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('privacy.set', 'rpc_privacy_set', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
