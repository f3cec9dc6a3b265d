create or replace function gnatter.device_scan_marks(device_ids bigint[], conversation_ids bigint[])
returns table (device_id bigint, conversation_name text, user_name text, delivered_seq bigint, read_seq bigint,
               counts_seq bigint, delivered_count bigint, read_count bigint)
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
    with conversation as materialized (
        select d.device_id, d.user_id, d.live_until, c.conversation_id, c.name, c.last_seq, c.is_direct, x.is_large, x.has_own
          from unnest(device_ids, conversation_ids) as i (device_id, conversation_id)
          -- remembered from pair to pair, as a device's follow each other
          cross join lateral (
              select d.device_id, d.user_id, gnatter.device_until(d.live_until) as live_until,
                     -- two halves, as each index of a user's devices has only one of them
                     array(select o.device_id from gnatter.device o where o.user_id = d.user_id and o.removed_at is null
                            union all
                           select o.device_id from gnatter.device o where o.user_id = d.user_id and o.removed_at is not null)
                     as own_ids
                from gnatter.device d
               where d.device_id = i.device_id offset 0) d
          cross join lateral (
              select c.conversation_id, c.name, c.last_seq, c.kind = 'direct' as is_direct from gnatter.conversation c
               where c.conversation_id = i.conversation_id offset 0) c
          cross join lateral (
              select not c.is_direct and (select count(*) from (select from gnatter.member m
                       where m.conversation_id = c.conversation_id and m.left_seq is null limit 33) counted) > 32
                     as is_large,
                     exists (select from unnest(d.own_ids) as o (device_id)
                         cross join lateral (
                             select from gnatter.message m
                              where m.conversation_id = c.conversation_id and m.sender_device_id = o.device_id
                              limit 1) sent) as has_own
              offset 0) x
    ), large as (
        -- the newest message of the user, and the newest that others have read, if not too far back to count for
        select c.*, own.seq as own_seq
          from conversation c
          cross join lateral (
              -- of whom does not share it only that something has changed
              select max(case when exists (select from gnatter.user_account u
                                            where u.user_id = k.user_id and not u.shares_reads)
                              then 0 else k.read_seq end) as read_seq
                from gnatter.mark k
               where k.conversation_id = c.conversation_id and k.user_id <> c.user_id
                 and k.changed_at > c.live_until) moved
          cross join lateral (
              select newest.seq
                from (values (c.last_seq), (moved.read_seq)) as reach (seq)
                cross join lateral (
                    select m.seq from gnatter.message m
                     where m.conversation_id = c.conversation_id and m.sender_user_id = c.user_id
                       and m.event_type is null and m.seq > c.last_seq - 1000 and m.seq <= reach.seq
                     order by m.seq desc limit 1) newest
               group by newest.seq) own
         where c.is_large and c.has_own and moved.read_seq is not null
        offset 0
    )
    select c.device_id, c.name::text, u.name::text, s.delivered_seq, s.read_seq,
           null::bigint, null::bigint, null::bigint
      from conversation c
      cross join lateral (
          select k.user_id, k.delivered_seq, k.read_seq from gnatter.mark k
           where k.conversation_id = c.conversation_id and k.user_id = c.user_id
             and k.changed_at > c.live_until and k.read_seq > 0
           union all
          select k.user_id, k.delivered_seq, k.read_seq from gnatter.mark k
           where c.has_own and not c.is_large
             and k.conversation_id = c.conversation_id and k.user_id <> c.user_id and k.changed_at > c.live_until
          offset 0) k
      cross join lateral (
          select u.name, u.shares_reads from gnatter.user_account u where u.user_id = k.user_id offset 0) u
      -- what others are told of a mark
      cross join lateral (
          select exists (select from gnatter.block b where b.conversation_id = c.conversation_id) as has_blocks,
                 c.is_direct and exists (select from gnatter.request r where r.conversation_id = c.conversation_id)
                 as is_asked
          offset 0) w
      cross join lateral (
          select case when k.user_id = c.user_id then 0
                      when w.has_blocks then gnatter.mark_shown(c.conversation_id, k.user_id, k.delivered_seq)
                      else k.delivered_seq end as delivered_seq,
                 case when k.user_id = c.user_id then k.read_seq
                      when not u.shares_reads then 0
                      when c.is_direct and not (select v.shares_reads from gnatter.user_account v where v.user_id = c.user_id)
                      then 0
                      when w.has_blocks then gnatter.mark_shown(c.conversation_id, k.user_id, k.read_seq)
                      else k.read_seq end as read_seq) s
     where k.user_id = c.user_id or not c.is_direct
        or not w.is_asked and not (w.has_blocks and gnatter.conversation_is_quiet(c.conversation_id))
    union all
    select c.device_id, c.name::text, null, null, null, c.own_seq, n.delivered, n.read
      from large c
      cross join lateral (
          select count(*) filter (where k.delivered_seq >= c.own_seq) as delivered,
                 count(*) filter (where k.read_seq >= c.own_seq and not exists (
                     select from gnatter.user_account u where u.user_id = k.user_id and not u.shares_reads)) as read
            from gnatter.mark k
           where k.conversation_id = c.conversation_id and k.user_id <> c.user_id) n;
end
$$;
comment on function gnatter.device_scan_marks(bigint[], bigint[]) is
    'for pairs of a device and a conversation its user is in: the marks that changed since the device was live, where '
    'the user has written, and the user''s own read mark (delivered_seq 0); in groups above 32 members rows of '
    'counts for the user''s newest message and for the newest that others have read. Nothing that others do not share: see mark_shown, conversation_is_quiet, '
    'shares_reads. Internal';
