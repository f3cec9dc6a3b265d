create or replace function gnatter.device_scan(device_ids bigint[], shard int, shards int)
returns table (device_id bigint, conversation_name text, acked_seq bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select d.device_id, c.name::text, coalesce(k.acked_seq, 0)
      from unnest(device_ids) as i (device_id)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select d.device_id, d.user_id from gnatter.device d
           where d.device_id = i.device_id and d.removed_at is null offset 0) d
      cross join lateral (
          select m.conversation_id,
                 -- how far the user may see: to the end of the last interval, or to the end of the log
                 case when bool_or(m.left_seq is null) then null else max(m.left_seq) end as visible_to
            from gnatter.member m where m.user_id = d.user_id group by m.conversation_id
          offset 0) v
      cross join lateral (
          select c.name, c.last_seq from gnatter.conversation c
           where c.conversation_id = v.conversation_id and c.route % shards = shard offset 0) c
      left join lateral (
          select k.acked_seq from gnatter.cursor k
           where k.conversation_id = v.conversation_id and k.device_id = d.device_id offset 0) k on true
     where coalesce(v.visible_to, c.last_seq) > coalesce(k.acked_seq, 0)
     order by d.device_id;
end
$$;
comment on function gnatter.device_scan(bigint[], int, int) is
    'the conversations of a shard in which these devices have not acknowledged everything their user may see';
