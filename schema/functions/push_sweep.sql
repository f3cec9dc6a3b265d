create or replace function gnatter.push_sweep(after_device_id bigint, devices_max int) returns bigint[]
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return coalesce((
        select array_agg(r.device_id)
          from (select r.device_id from gnatter.push_registration r
                 where r.device_id > after_device_id and r.refused_at is null
                 order by r.device_id limit devices_max) r), '{}');
end
$$;
comment on function gnatter.push_sweep(bigint, int) is
    'the registered devices, some at a time: for a service that has seen nothing of what went before';
