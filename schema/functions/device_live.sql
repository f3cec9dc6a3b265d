create or replace function gnatter.device_live(device_ids bigint[]) returns setof text
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
    return query
    select gnatter.flags_told(f.conversation_id, d.user_id, d.name)
      from unnest(device_ids) as i (device_id)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select d.user_id, d.name, gnatter.device_until(d.live_until) as live_until from gnatter.device d
           where d.device_id = i.device_id and d.removed_at is null offset 0) d
      cross join lateral (
          select f.conversation_id from gnatter.conversation_flag f
           where f.user_id = d.user_id and f.changed_at > d.live_until
           order by f.changed_at desc limit 1000) f;
end
$$;
comment on function gnatter.device_live(bigint[]) is
    'these devices are connected and subscribed; live_until stays, so that a scan may follow. Returns what of their '
    'user''s flags changed since they were live, the newest 1,000 for each: <client id> <conversation> <JSON>';
