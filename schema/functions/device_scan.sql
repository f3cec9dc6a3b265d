create or replace function gnatter.device_scan(device_ids bigint[], shard int, shards int)
returns table (device_id bigint, conversation_name text, acked_seq bigint, user_name text, delivered_seq bigint,
               read_seq bigint, counts_seq bigint, delivered_count bigint, read_count bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
-- what is looked up is one row nearly always, and another one each time
set enable_seqscan = off
set enable_bitmapscan = off
set enable_memoize = off
set jit = off
as $$
#variable_conflict use_column
declare
    behind_device_ids bigint[];
    behind_names text[];
    behind_seqs bigint[];
    marked_device_ids bigint[];
    marked_conversation_ids bigint[];
begin
    select array_agg(s.device_id) filter (where s.is_behind), array_agg(s.name) filter (where s.is_behind),
           array_agg(s.acked_seq) filter (where s.is_behind),
           array_agg(s.device_id) filter (where s.is_marked),
           array_agg(s.conversation_id) filter (where s.is_marked)
      into behind_device_ids, behind_names, behind_seqs, marked_device_ids, marked_conversation_ids
      from (
          select d.device_id, c.conversation_id, c.name::text as name, coalesce(k.acked_seq, 0) as acked_seq,
                 coalesce(v.visible_to, c.last_seq) > coalesce(k.acked_seq, 0) as is_behind,
                 v.visible_to is null and y.may_be_told as is_marked
            from unnest(device_ids) as i (device_id)
            -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
            cross join lateral (
                select d.device_id, d.user_id, gnatter.device_until(d.live_until) as live_until from gnatter.device d
                 where d.device_id = i.device_id and d.removed_at is null offset 0) d
            cross join lateral (
                select m.conversation_id,
                       -- how far the user may see: to the end of the last interval, or to the end of the log
                       case when bool_or(m.left_seq is null) then null else max(m.left_seq) end as visible_to
                  from gnatter.member m where m.user_id = d.user_id group by m.conversation_id
                offset 0) v
            cross join lateral (
                select c.conversation_id, c.name, c.last_seq from gnatter.conversation c
                 where c.conversation_id = v.conversation_id and c.route % shards = shard offset 0) c
            left join lateral (
                select k.acked_seq from gnatter.cursor k
                 where k.conversation_id = c.conversation_id and k.device_id = d.device_id offset 0) k on true
            cross join lateral (
                select count(*) > 32 as are_many,
                       coalesce(bool_or(m.changed_at > d.live_until and (m.user_id <> d.user_id or m.read_seq > 0)), false)
                       as have_changed
                  from (select m.user_id, m.changed_at, m.read_seq from gnatter.mark m
                         where m.conversation_id = c.conversation_id limit 33) m
                offset 0) x
            cross join lateral (
                -- many marks are not looked at for who is told of none but her own
                select case when not x.are_many then x.have_changed
                            else exists (select from gnatter.mark m
                                          where m.conversation_id = c.conversation_id and m.user_id = d.user_id
                                            and m.changed_at > d.live_until and m.read_seq > 0)
                              or exists (select from
                                     (select o.device_id from gnatter.device o
                                       where o.user_id = d.user_id and o.removed_at is null
                                       union all
                                      select o.device_id from gnatter.device o
                                       where o.user_id = d.user_id and o.removed_at is not null
                                      offset 0) o
                                     cross join lateral (
                                         select from gnatter.message m
                                          where m.conversation_id = c.conversation_id
                                            and m.sender_device_id = o.device_id
                                          limit 1) own) end as may_be_told
                offset 0) y) s;
    return query
    select unnest(behind_device_ids), unnest(behind_names), unnest(behind_seqs), null::text, null::bigint, null::bigint,
           null::bigint, null::bigint, null::bigint;
    if marked_device_ids is not null then
        return query
        select m.device_id, m.conversation_name, null::bigint, m.user_name, m.delivered_seq, m.read_seq, m.counts_seq,
               m.delivered_count, m.read_count
          from gnatter.device_scan_marks(marked_device_ids, marked_conversation_ids) m;
    end if;
end
$$;
comment on function gnatter.device_scan(bigint[], int, int) is
    'what devices that come back have to be told of a shard: the conversations in which they have not acknowledged '
    'everything their user may see (acked_seq), and then the marks that changed meanwhile (see device_scan_marks; '
    'acked_seq null)';
