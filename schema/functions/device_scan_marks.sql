create or replace function gnatter.device_scan_marks(device_ids bigint[], shard int, shards int)
returns table (device_id bigint, conversation_name text, user_name text, delivered_seq bigint, read_seq bigint,
               is_group_counts boolean, counts_seq bigint, delivered_count bigint, read_count bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
    with conversation as materialized (
        select d.device_id, d.user_id, d.live_until, c.conversation_id, c.name, c.last_seq,
               -- the user's own mark alone, by far the most frequent, needs neither of these
               x.by_others and (select count(*) from (select from gnatter.member m
                 where m.conversation_id = c.conversation_id and m.left_seq is null limit 33) counted) > 32 as is_large,
               x.by_others and exists (select from
                         -- two halves, as each index of a user's devices has only one of them
                         (select o.device_id from gnatter.device o where o.user_id = d.user_id and o.removed_at is null
                           union all
                          select o.device_id from gnatter.device o where o.user_id = d.user_id and o.removed_at is not null
                          offset 0) o
                         cross join lateral (
                             select from gnatter.message m
                              where m.conversation_id = c.conversation_id and m.sender_device_id = o.device_id
                              limit 1) sent) as has_own
          from unnest(device_ids) as i (device_id)
          cross join lateral (
              select d.device_id, d.user_id, d.live_until from gnatter.device d
               where d.device_id = i.device_id and d.removed_at is null offset 0) d
          cross join lateral (
              -- asked with left_seq, all of the index of open memberships might be read: it begins with the conversation
              select v.conversation_id, v.left_seq from gnatter.member v where v.user_id = d.user_id offset 0) v
          cross join lateral (
              select c.conversation_id, c.name, c.last_seq from gnatter.conversation c
               where c.conversation_id = v.conversation_id and c.route % shards = shard offset 0) c
          cross join lateral (
              select exists (select from gnatter.mark k
                              where k.conversation_id = c.conversation_id and k.user_id <> d.user_id
                                and k.changed_at > d.live_until) as by_others,
                     exists (select from gnatter.mark k
                              where k.conversation_id = c.conversation_id and k.user_id = d.user_id
                                and k.changed_at > d.live_until and k.read_seq > 0) as by_user
              offset 0) x
         where v.left_seq is null and (x.by_others or x.by_user)
    ), large as (
        -- the newest message of the user, if it is not too far back to count for
        select c.*, (select m.seq from gnatter.message m
                      where m.conversation_id = c.conversation_id and m.sender_user_id = c.user_id
                        and m.event_type is null and m.seq > c.last_seq - 1000
                      order by m.seq desc limit 1) as own_seq
          from conversation c
         where c.is_large and c.has_own
    )
    select c.device_id, c.name::text, u.name::text,
           s.delivered_seq, s.read_seq,
           false, null::bigint, null::bigint, null::bigint
      from conversation c
      cross join lateral (
          select k.user_id, k.delivered_seq, k.read_seq from gnatter.mark k
           where k.conversation_id = c.conversation_id and k.changed_at > c.live_until
             -- of a large group only the user's own
             and (k.user_id = c.user_id or not c.is_large) offset 0) k
      cross join lateral (
          select u.name, u.shares_reads from gnatter.user_account u where u.user_id = k.user_id offset 0) u
      -- what others are told of a mark
      cross join lateral (
          select c.name like 'd/%' as is_direct,
                 exists (select from gnatter.block b where b.conversation_id = c.conversation_id) as has_blocks) w
      cross join lateral (
          select case when k.user_id = c.user_id then 0
                      when w.has_blocks then gnatter.mark_shown(c.conversation_id, k.user_id, k.delivered_seq)
                      else k.delivered_seq end as delivered_seq,
                 case when k.user_id = c.user_id then k.read_seq
                      when not u.shares_reads then 0
                      when w.is_direct and not (select v.shares_reads from gnatter.user_account v where v.user_id = c.user_id)
                      then 0
                      when w.has_blocks then gnatter.mark_shown(c.conversation_id, k.user_id, k.read_seq)
                      else k.read_seq end as read_seq) s
     where (k.user_id = c.user_id or not w.is_direct or not gnatter.conversation_is_quiet(c.conversation_id))
       and ( (k.user_id = c.user_id and k.read_seq > 0)
        or (k.user_id <> c.user_id and not c.is_large and c.has_own))
    union all
    select c.device_id, c.name::text, null, null, null, true, c.own_seq, n.delivered, n.read
      from large c
      cross join lateral (
          select count(*) filter (where k.delivered_seq >= c.own_seq) as delivered,
                 count(*) filter (where k.read_seq >= c.own_seq and not exists (
                     select from gnatter.user_account u where u.user_id = k.user_id and not u.shares_reads)) as read
            from gnatter.mark k
           where k.conversation_id = c.conversation_id and k.user_id <> c.user_id) n
     where c.own_seq is not null
     order by 1, 2;
end
$$;
comment on function gnatter.device_scan_marks(bigint[], int, int) is
    'the marks that changed since these devices were live, in conversations of a shard that their user has messages '
    'in, and the user''s own read mark (delivered_seq 0); in groups above 32 members one row of counts for the '
    'user''s newest message. Nothing that others do not share: see mark_shown, conversation_is_quiet, shares_reads';
