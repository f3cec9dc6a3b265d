create or replace function gnatter.rpc_push_info(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return jsonb_build_object(
        'providers', (
            select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('provider', p.provider, 'key', p.public_key,
                                                                           'active', not p.is_stopped))
                                      order by p.provider), '[]')
              from gnatter.push_provider p),
        'registered', (
            select jsonb_build_object('provider', r.provider, 'since', floor(extract(epoch from r.registered_at) * 1000)::bigint,
                                      'refused', r.refused_reason)
              from gnatter.push_registration r where r.device_id = rpc_push_info.device_id));
end
$$;
comment on function gnatter.rpc_push_info(bigint, bigint, jsonb) is
    'push.info: what this node can send with (key: the applicationServerKey of Web Push), and what this device has registered';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('push.info', 'rpc_push_info', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
