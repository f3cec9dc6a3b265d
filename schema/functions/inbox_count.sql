create or replace function gnatter.inbox_count(conversation_ids bigint[], user_ids bigint[], items_max bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    with pair as (
        select i.conversation_id, i.user_id, c.last_seq,
               -- what retention has purged waits no more
               greatest(coalesce(k.delivered_seq, 0), c.first_seq - 1) as after_seq
          from unnest(conversation_ids, user_ids) as i (conversation_id, user_id)
          -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
          cross join lateral (
              select c.last_seq, c.first_seq from gnatter.conversation c
               where c.conversation_id = i.conversation_id offset 0) c
          left join lateral (
              select k.delivered_seq from gnatter.mark k
               where k.conversation_id = i.conversation_id and k.user_id = i.user_id offset 0) k on true
    ), gone as (
        delete from gnatter.inbox_waiting w using pair p
         where w.conversation_id = p.conversation_id and w.user_id = p.user_id and p.last_seq <= p.after_seq
    ), known as (
        select p.conversation_id, p.user_id, p.after_seq, w.items, w.bytes, coalesce(w.to_seq, p.after_seq) as to_seq,
               -- asked first, so that who blocks nobody pays nothing for it
               exists (select from gnatter.block b
                        where b.conversation_id = p.conversation_id and b.user_id = p.user_id offset 0) as has_blocked
          from pair p
          left join lateral (
              -- where she got some of it all is counted again
              select w.to_seq, w.items, w.bytes from gnatter.inbox_waiting w
               where w.conversation_id = p.conversation_id and w.user_id = p.user_id and w.after_seq = p.after_seq
              offset 0) w on true
         where p.last_seq > p.after_seq and p.last_seq > coalesce(w.to_seq, p.after_seq)
    )
    insert into gnatter.inbox_waiting as w (conversation_id, user_id, after_seq, to_seq, items, bytes)
    select k.conversation_id, k.user_id, k.after_seq, coalesce(n.to_seq, k.to_seq), coalesce(k.items, 0) + n.items,
           coalesce(k.bytes, 0) + n.bytes
      from known k
      cross join lateral (
          select max(m.seq) as to_seq, count(*) filter (where m.is_hers) as items,
                 coalesce(sum(m.bytes) filter (where m.is_hers), 0) as bytes
            from (select m.seq, octet_length(m.payload) as bytes,
                         m.event_type is null and m.sender_user_id <> k.user_id
                         and not (k.has_blocked and gnatter.block_covers(k.conversation_id, k.user_id, m.seq)) as is_hers
                    from gnatter.message m
                   where m.conversation_id = k.conversation_id and m.seq > k.to_seq
                   order by m.seq limit least(items_max + 1, 10000)) m) n
     order by k.conversation_id, k.user_id
    on conflict on constraint inbox_waiting_pk do update
       set after_seq = excluded.after_seq, to_seq = excluded.to_seq, items = excluded.items, bytes = excluded.bytes;
end
$$;
comment on function gnatter.inbox_count(bigint[], bigint[], bigint) is
    'counts on what waits for these users in these direct conversations (pairs, each once), from where it ended the last '
    'time or where she has got to, and not much more than so many items in each; what is withheld from them does not wait. '
    'Internal';
