create or replace function gnatter.device_live(device_ids bigint[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    update gnatter.device d
       set is_live = true, last_seen_at = clock_timestamp()
     where d.device_id = any (device_ids) and not d.is_live;
end
$$;
comment on function gnatter.device_live(bigint[]) is
    'these devices are connected and subscribed; live_until stays, so that a scan may follow';
