create or replace function gnatter.presence_state(watcher_user_ids bigint[], names text[], is_reciprocal boolean)
returns table (ord int, online_is_shown boolean, last_seen_is_shown boolean, user_id bigint, last_seen_s bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select w.ord::int,
           coalesce(w.watcher_id = u.user_id or (not b.is_blocked
               and (u.shows_online = 'everyone' or (u.shows_online = 'contacts' and c.is_contact))
               and not (is_reciprocal and s.shows_online = 'nobody')), false),
           coalesce(w.watcher_id = u.user_id or (not b.is_blocked
               and (u.shows_last_seen = 'everyone' or (u.shows_last_seen = 'contacts' and c.is_contact))
               and not (is_reciprocal and s.shows_last_seen = 'nobody')), false),
           u.user_id,
           -- no finer than a minute
           (select floor(extract(epoch from max(d.last_seen_at)) / 60)::bigint * 60
              from gnatter.device d where d.user_id = u.user_id and d.removed_at is null)
      from unnest(watcher_user_ids, names) with ordinality as w (watcher_id, name, ord)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select s.name, s.shows_online, s.shows_last_seen from gnatter.user_account s where s.user_id = w.watcher_id offset 0) s
      left join lateral (
          select u.* from gnatter.user_account u where u.name = w.name and u.removed_at is null offset 0) u on true
      left join lateral (
          select exists (
              select from (select d.conversation_id from gnatter.conversation d
                            where d.name = 'd/' || least(s.name::text collate "C", w.name collate "C") || '/'
                                                || greatest(s.name::text collate "C", w.name collate "C") offset 0) d
               cross join lateral (select b.to_seq from gnatter.block b
                                    where b.conversation_id = d.conversation_id offset 0) b
               -- outside, or all of the index of blocks that hold might be read: one of these begins with the user
               where b.to_seq is null) as is_blocked
          offset 0) b on true
      left join lateral (
          select gnatter.is_contact(u.user_id, w.watcher_id) as is_contact
           where 'contacts' in (u.shows_online, u.shows_last_seen) and u.user_id <> w.watcher_id offset 0) c on true
     order by w.ord;
end
$$;
comment on function gnatter.presence_state(bigint[], text[], boolean) is
    'what these watchers see of these users: whether that they are online, and when they were last seen (a device of '
    'theirs; Unix seconds, to the minute; null: never). Nothing where one blocks the other; reciprocal: nor what a watcher '
    'shows nobody of herself';
