create or replace function gnatter.presence_state(watcher_user_ids bigint[], names text[])
returns table (ord int, visible boolean, user_id bigint, last_seen_s bigint)
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
           u.user_id is not null and (u.user_id = w.watcher_id or exists (
               -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
               select from (select a.conversation_id from gnatter.member a
                             where a.user_id = w.watcher_id and a.left_seq is null offset 0) a
                cross join lateral (select from gnatter.member b
                                     where b.conversation_id = a.conversation_id and b.user_id = u.user_id
                                       and b.left_seq is null offset 0) b)),
           u.user_id,
           (select floor(extract(epoch from max(d.last_seen_at)))::bigint
              from gnatter.device d where d.user_id = u.user_id and d.removed_at is null)
      from unnest(watcher_user_ids, names) with ordinality as w (watcher_id, name, ord)
      left join lateral (
          select u.user_id from gnatter.user_account u where u.name = w.name and u.removed_at is null offset 0) u on true
     order by w.ord;
end
$$;
comment on function gnatter.presence_state(bigint[], text[]) is
    'may this watcher see this user (they share a conversation), who it is, and when a device of hers was last seen '
    '(Unix seconds; null: never)';
