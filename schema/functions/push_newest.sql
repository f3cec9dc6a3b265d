create or replace function gnatter.push_newest(conversation_id bigint, user_id bigint, after_seq bigint, before_ms bigint)
returns bigint
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
set enable_bitmapscan = off
set enable_sort = off
as $$
    select n.seq
      -- "offset 0", and no sorting: where she may look is known first, and then the log is read from its end, mostly one
      -- message of it, whatever the planner believes
      from (select greatest(push_newest.after_seq + 1, v.joined_seq) as from_seq from gnatter.member v
             where v.conversation_id = push_newest.conversation_id and v.user_id = push_newest.user_id
               and v.left_seq is null
               and not exists (select from gnatter.request r where r.conversation_id = push_newest.conversation_id)
            offset 0) v
     cross join lateral (
           select m.seq from gnatter.message m
            where m.conversation_id = push_newest.conversation_id and m.seq >= v.from_seq
              and m.event_type is null and m.sender_user_id <> push_newest.user_id
              -- after the clock was set back the log's times are ahead of it for as long: that is no young message
              and (m.time_ms <= push_newest.before_ms or m.time_ms > gnatter.now_ms())
              and not exists (select from gnatter.block b
                               where b.conversation_id = m.conversation_id and b.user_id = push_newest.user_id
                                 and m.seq between b.from_seq and coalesce(b.to_seq, m.seq))
            order by m.seq desc limit 1) n
$$;
comment on function gnatter.push_newest(bigint, bigint, bigint, bigint) is
    'the newest message of somebody else above a seq that a present member may be woken for; null: none. Internal';
