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
    with conversation as (
        select d.device_id, d.user_id, d.live_until, c.conversation_id, c.name,
               (select count(*) from gnatter.member m
                 where m.conversation_id = c.conversation_id and m.left_seq is null) > 32 as is_large,
               exists (select from gnatter.device o
                         join gnatter.message m on m.conversation_id = c.conversation_id
                                               and m.sender_device_id = o.device_id
                        where o.user_id = d.user_id) as has_own
          from unnest(device_ids) as i (device_id)
          join gnatter.device d on d.device_id = i.device_id and d.removed_at is null
          join gnatter.member v on v.user_id = d.user_id and v.left_seq is null
          join gnatter.conversation c on c.conversation_id = v.conversation_id
         where c.route % shards = shard
           and exists (select from gnatter.mark k
                        where k.conversation_id = c.conversation_id and k.changed_at > d.live_until)
    ), large as (
        -- the newest message of the user, if it is not too far back to count for
        select c.*, (select m.seq from gnatter.message m
                      where m.conversation_id = c.conversation_id and m.sender_user_id = c.user_id
                        and m.event_type is null and m.seq > l.last_seq - 1000
                      order by m.seq desc limit 1) as own_seq
          from conversation c
          join gnatter.conversation l on l.conversation_id = c.conversation_id
         where c.is_large and c.has_own
    )
    select c.device_id, c.name::text, u.name::text,
           case when k.user_id = c.user_id then 0 else k.delivered_seq end, k.read_seq,
           false, null::bigint, null::bigint, null::bigint
      from conversation c
      join gnatter.mark k on k.conversation_id = c.conversation_id and k.changed_at > c.live_until
      join gnatter.user_account u on u.user_id = k.user_id
     where (k.user_id = c.user_id and k.read_seq > 0)
        or (k.user_id <> c.user_id and not c.is_large and c.has_own)
    union all
    select c.device_id, c.name::text, null, null, null, true, c.own_seq, n.delivered, n.read
      from large c
      cross join lateral (
          select count(*) filter (where k.delivered_seq >= c.own_seq) as delivered,
                 count(*) filter (where k.read_seq >= c.own_seq) as read
            from gnatter.mark k
           where k.conversation_id = c.conversation_id and k.user_id <> c.user_id) n
     where c.own_seq is not null
     order by 1, 2;
end
$$;
comment on function gnatter.device_scan_marks(bigint[], int, int) is
    'the marks that changed since these devices were live, in conversations of a shard that their user has messages '
    'in, and the user''s own read mark (delivered_seq 0); in groups above 32 members one row of counts for the '
    'user''s newest message';
