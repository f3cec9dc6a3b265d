create or replace view gnatter.full_inboxes as
select u.name::text as user_name, f.since, f.counted_at, coalesce(sum(w.items), 0)::bigint as items,
       coalesce(sum(w.bytes), 0)::bigint as bytes
  from gnatter.inbox_full f
  join gnatter.user_account u on u.user_id = f.user_id
  left join gnatter.inbox_waiting w on w.user_id = f.user_id
 group by u.name, f.since, f.counted_at;
comment on view gnatter.full_inboxes is 'users for whom no more direct messages are taken, as too much waits for them';
comment on column gnatter.full_inboxes.user_name is 'who';
comment on column gnatter.full_inboxes.since is 'since when';
comment on column gnatter.full_inboxes.counted_at is 'when it was counted last';
comment on column gnatter.full_inboxes.items is 'how many messages wait';
comment on column gnatter.full_inboxes.bytes is 'their payloads together';
