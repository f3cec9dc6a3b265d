create or replace function gnatter.marks_flush(cursor_device_ids bigint[], cursor_conversation_ids bigint[],
    cursor_acked bigint[], member_user_ids bigint[], member_conversation_ids bigint[], delivered bigint[],
    read bigint[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    if cardinality(cursor_device_ids) > 0 then
        insert into gnatter.cursor as k (conversation_id, device_id, acked_seq)
        select i.conversation_id, i.device_id, least(i.acked, c.last_seq)
          from (select i.conversation_id, i.device_id, max(i.acked) as acked
                  from unnest(cursor_device_ids, cursor_conversation_ids, cursor_acked)
                       as i (device_id, conversation_id, acked)
                 group by i.conversation_id, i.device_id order by i.conversation_id, i.device_id offset 0) i
          -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
          cross join lateral (
              select c.last_seq from gnatter.conversation c where c.conversation_id = i.conversation_id offset 0) c
        on conflict (conversation_id, device_id) do update
           set acked_seq = excluded.acked_seq where k.acked_seq < excluded.acked_seq;
    end if;
    if cardinality(member_user_ids) > 0 then
        insert into gnatter.mark as k (conversation_id, user_id, delivered_seq, read_seq, changed_at)
        select i.conversation_id, i.user_id, least(greatest(i.delivered, i.read), c.last_seq),
               least(i.read, c.last_seq), clock_timestamp()
          from (select i.conversation_id, i.user_id, max(i.delivered) as delivered, max(i.read) as read
                  from unnest(member_user_ids, member_conversation_ids, delivered, read)
                       as i (user_id, conversation_id, delivered, read)
                 group by i.conversation_id, i.user_id order by i.conversation_id, i.user_id offset 0) i
          cross join lateral (
              select c.last_seq from gnatter.conversation c where c.conversation_id = i.conversation_id offset 0) c
        on conflict (conversation_id, user_id) do update
           set delivered_seq = greatest(k.delivered_seq, excluded.delivered_seq),
               read_seq = greatest(k.read_seq, excluded.read_seq), changed_at = excluded.changed_at
         where k.delivered_seq < excluded.delivered_seq or k.read_seq < excluded.read_seq;
    end if;
end
$$;
comment on function gnatter.marks_flush(bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]) is
    'raises cursors of devices and marks of members, never above the last seq, never down; the arrays need no order';
