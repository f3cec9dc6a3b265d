create or replace function gnatter.history_items(user_id bigint, conversation text, before bigint, after bigint,
    lim int)
returns table (seq bigint, time_ms bigint, kind text, sender_user_id bigint, sender_device_id bigint, sender_user text,
               sender_device text, message_id text, event_type text, payload bytea, more boolean)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
-- the log is read in its order, as far as is asked for, and not all that may be seen of it first
set enable_bitmapscan = off
set enable_sort = off
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    seen gnatter.conversation := gnatter.conversation_seen(history_items.user_id, conversation);
    items int := least(coalesce(lim, 50), 200);
    has_blocked boolean := exists (select from gnatter.block b where b.conversation_id = seen.conversation_id
                                      and b.user_id = history_items.user_id);
    has_left boolean := exists (select from gnatter.member m where m.conversation_id = seen.conversation_id
                                   and m.user_id = history_items.user_id and m.left_seq is not null);
    direction int := case when after is null then -1 else 1 end; -- to the past, or from a seq on
begin
    if items < 1 then
        raise exception 'the limit is from 1 to 200' using errcode = 'GN006';
    end if;
    return query
    with visible as (
        select greatest(m.joined_seq, seen.first_seq, after + 1) as from_seq,
               least(coalesce(m.left_seq, seen.last_seq), before - 1) as to_seq
          from gnatter.member m
         where m.conversation_id = seen.conversation_id and m.user_id = history_items.user_id
    ), candidate as (
        -- one more than asked for, to know whether there is more; each interval by its own stretch of the index
        select i.* from visible v cross join lateral (
            (select m.* from gnatter.message m
              where direction < 0 and m.conversation_id = seen.conversation_id and m.seq between v.from_seq and v.to_seq
              order by m.seq desc limit items + 1)
            union all
            (select m.* from gnatter.message m
              where direction > 0 and m.conversation_id = seen.conversation_id and m.seq between v.from_seq and v.to_seq
              order by m.seq limit items + 1)) i
    ), shown as (
        -- what was withheld is an empty event in its place
        select c.seq, c.time_ms, w.is_withheld,
               case when w.is_withheld then null else c.sender_user_id end as sender_user_id, c.sender_device_id, c.message_id,
               case when w.is_withheld then 'withheld' else c.event_type::text end as event_type,
               case when w.is_withheld then '{}'::bytea else c.payload end as payload
          from candidate c
         cross join lateral (
             select has_blocked and coalesce(c.sender_user_id <> history_items.user_id, false)
                    and gnatter.block_covers(c.conversation_id, history_items.user_id, c.seq)
                    -- what it says was written while she was not there
                    or has_left and exists (
                        select from gnatter.message_edit e
                         where e.conversation_id = c.conversation_id and e.seq = c.seq and not exists (
                             select from gnatter.member m
                              where m.conversation_id = e.conversation_id and m.user_id = history_items.user_id
                                and e.edit_seq between m.joined_seq and coalesce(m.left_seq, e.edit_seq)))
                    as is_withheld) w
    ), counted as (
        select c.*, row_number() over nearest as n, sum(octet_length(c.payload)) over nearest as bytes_so_far,
               count(*) over () as candidates
          from shown c window nearest as (order by c.seq * direction)
    ), kept as (
        select c.*, count(*) over () < c.candidates as more
          from counted c where c.n <= items and (c.n = 1 or c.bytes_so_far <= 1048576)
    )
    select k.seq, k.time_ms, case when k.event_type is null then 'chat' else 'event' end, k.sender_user_id,
           case when k.event_type is null then k.sender_device_id end, coalesce(u.name::text, '-'),
           case when k.event_type is null then d.name::text end,
           case when k.event_type is null then k.message_id::text end, k.event_type, k.payload, k.more
      from kept k
      left join gnatter.user_account u on u.user_id = k.sender_user_id
      left join gnatter.device d on d.device_id = k.sender_device_id
     order by k.seq;
end
$$;
comment on function gnatter.history_items(bigint, text, bigint, bigint, int) is
    'items of a conversation that the user may see, ascending: those next above after (and below before, if given), '
    'else the newest (below before). lim 50 when null, cut at 200 and at 1 MiB of payload, never below one item; '
    'more: there are others in that direction. GN001, GN002, GN003, GN006';
