create or replace function gnatter.rpc_devices(user_id bigint, device_id bigint, params jsonb) returns jsonb
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select jsonb_build_object('devices', coalesce(jsonb_agg(jsonb_build_object('device', d.name,
               'created', floor(extract(epoch from d.created_at) * 1000)::bigint,
               'last_seen', floor(extract(epoch from d.last_seen_at) * 1000)::bigint,
               'live', d.is_live, 'current', d.device_id = rpc_devices.device_id) order by d.device_id), '[]'))
      from gnatter.device d
     where d.user_id = rpc_devices.user_id and d.removed_at is null
$$;
comment on function gnatter.rpc_devices(bigint, bigint, jsonb) is
    'devices: one''s own; times in Unix milliseconds; current is the one that asks';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('devices', 'rpc_devices', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
