create or replace function gnatter.device_gone(device_ids bigint[], at_ms bigint[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
begin
    update gnatter.device d
       -- neither a service's clock that is ahead of ours, nor ours that was, may put off what is told when it comes back
       set is_live = false,
           last_seen_at = greatest(case when d.last_seen_at <= clock_timestamp() then d.last_seen_at end, g.at),
           -- marks that moved just before may not have reached it: tell them again
           live_until = greatest(case when d.live_until <= clock_timestamp() then d.live_until end, g.at - interval '10 s')
      from (select i.device_id, least(to_timestamp(max(i.at_ms) / 1000.0), clock_timestamp()) as at
              from unnest(device_ids, at_ms) as i (device_id, at_ms)
             group by i.device_id order by i.device_id offset 0) g -- locked in that order
     where d.device_id = g.device_id;
end
$$;
comment on function gnatter.device_gone(bigint[], bigint[]) is
    'these devices are no longer connected, since these Unix milliseconds';
