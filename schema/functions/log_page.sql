create or replace function gnatter.log_page(ids bigint[], after_seqs bigint[], items_max int[], bytes_max int[])
returns table (ord int, seq bigint, time_ms bigint, kind text, sender_user_id bigint, sender_device_id bigint,
               sender_user text, sender_device text, message_id text, event_type text, payload bytea, is_last boolean)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
-- a nested loop over the caller's order
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select r.ord::int, p.seq, p.time_ms, case when p.event_type is null then 'chat' else 'event' end,
           p.sender_user_id, case when p.event_type is null then p.sender_device_id end,
           coalesce(u.name::text, '-'), case when p.event_type is null then d.name::text end,
           case when p.event_type is null then p.message_id::text end, p.event_type::text, p.payload,
           p.seq = c.last_seq
      from unnest(ids, after_seqs, items_max, bytes_max) with ordinality as r (id, after_seq, items, bytes, ord)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (select c.last_seq from gnatter.conversation c where c.conversation_id = r.id offset 0) c
      cross join lateral (
          select m.*, sum(octet_length(m.payload)) over (order by m.seq rows unbounded preceding) as bytes_so_far
            from (select * from gnatter.message m
                   where m.conversation_id = r.id and m.seq > r.after_seq
                   order by m.seq limit r.items) m) p
      left join lateral (
          select u.name from gnatter.user_account u where u.user_id = p.sender_user_id offset 0) u on true
      left join lateral (
          select d.name from gnatter.device d where d.device_id = p.sender_device_id offset 0) d on true
     -- no "order by": loops within loops keep the order, and sorting whole rows would cost as much as finding them; who
     -- reads them checks
     where p.bytes_so_far <= r.bytes or p.bytes_so_far = octet_length(p.payload);
end
$$;
comment on function gnatter.log_page(bigint[], bigint[], int[], int[]) is
    'what comes after these seqs, ascending, each request cut at its items and payload bytes but never below one '
    'item. is_last: nothing follows it now; no rows: nothing follows. When retention has purged what was asked for, '
    'the first row is the first kept item: its seq is more than one above the seq asked.';
