create or replace function gnatter.log_page(ids bigint[], after_seqs bigint[], items_max int[], bytes_max int[],
    known_device_ids bigint[] default '{}')
returns table (ord int, seq bigint, time_ms bigint, sender_user_id bigint, sender_device_id bigint, sender text,
               message_id text, event_type text, payload bytea, edit_seq bigint)
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
    -- Nearly no page is cut at its bytes. A running sum in the page itself would cost half as much as all the rest.
    if exists (
        select from unnest(ids, after_seqs, items_max, bytes_max) as r (id, after_seq, items, bytes)
          cross join lateral (
              select sum(octet_length(m.payload)) as bytes
                from (select m.payload from gnatter.message m
                       where m.conversation_id = r.id and m.seq > r.after_seq order by m.seq limit r.items) m) p
         where p.bytes > r.bytes) then
        select array_agg(greatest(p.items, 1) order by r.ord) into items_max
          from unnest(ids, after_seqs, items_max, bytes_max) with ordinality as r (id, after_seq, items, bytes, ord)
          cross join lateral (
              select count(*)::int as items
                from (select sum(octet_length(m.payload)) over (order by m.seq rows unbounded preceding) as bytes_so_far
                        from (select m.seq, m.payload from gnatter.message m
                               where m.conversation_id = r.id and m.seq > r.after_seq order by m.seq limit r.items) m) m
               where m.bytes_so_far <= r.bytes) p;
    end if;
    return query
    select r.ord::int, m.seq, m.time_ms, m.sender_user_id,
           case when m.event_type is null then m.sender_device_id end,
           case when m.event_type is not null then
                    (select u.name::text from gnatter.user_account u where u.user_id = m.sender_user_id)
                -- the caller knows most of them: to look it up costs as much as the item
                when m.sender_device_id = any (known_device_ids) then null
                else (select u.name || ':' || d.name
                        from (select d.user_id, d.name from gnatter.device d
                               where d.device_id = m.sender_device_id offset 0) d
                        cross join lateral (
                            select u.name from gnatter.user_account u where u.user_id = d.user_id offset 0) u) end,
           case when m.event_type is null then m.message_id::text end, m.event_type::text, m.payload,
           case when e.has_any and m.event_type is null then
                    (select e.edit_seq from gnatter.message_edit e where e.conversation_id = r.id and e.seq = m.seq) end
      from unnest(ids, after_seqs, items_max) with ordinality as r (id, after_seq, items, ord)
      -- asked once for a page: nearly none has any
      cross join lateral (
          select exists (select from gnatter.message_edit e
                          where e.conversation_id = r.id and e.seq > r.after_seq) as has_any offset 0) e
      cross join lateral (
          select * from gnatter.message m
           where m.conversation_id = r.id and m.seq > r.after_seq
           order by m.seq limit r.items) m;
     -- no "order by": loops within loops keep the order, and sorting whole rows would cost as much as finding them; who
     -- reads them checks
end
$$;
comment on function gnatter.log_page(bigint[], bigint[], int[], int[], bigint[]) is
    'what comes after these seqs, ascending, each request cut at its items and payload bytes but never below one '
    'item; no rows: nothing follows. sender: user:device of a message, null where the device is among the known ones; of '
    'an event the user who did it, null for an administrator. edit_seq: the event that gave a message its payload, null where '
    'it was not edited. When retention has purged what was asked for, '
    'the first row is the first kept item: its seq is more than one above the seq asked.';
