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
      join gnatter.device d on d.device_id = i.device_id and d.removed_at is null
      cross join lateral (
          select m.conversation_id,
                 -- how far the user may see: to the end of the last interval, or to the end of the log
                 case when bool_or(m.left_seq is null) then null else max(m.left_seq) end as visible_to
            from gnatter.member m where m.user_id = d.user_id group by m.conversation_id) v
      join gnatter.conversation c on c.conversation_id = v.conversation_id
      left join gnatter.cursor k on k.conversation_id = v.conversation_id and k.device_id = d.device_id
     where c.route % shards = shard
       and coalesce(v.visible_to, c.last_seq) > coalesce(k.acked_seq, 0)
     order by d.device_id;
end
$$;
comment on function gnatter.device_scan(bigint[], int, int) is
    'the conversations of a shard in which these devices have not acknowledged everything their user may see';
