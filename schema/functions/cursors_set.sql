create or replace function gnatter.cursors_set(device_ids bigint[], conversation_ids bigint[], acked bigint[])
    returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    insert into gnatter.cursor (conversation_id, device_id, acked_seq)
    select i.conversation_id, i.device_id, least(greatest(i.acked, 0), c.last_seq)
      from (select i.conversation_id, i.device_id, min(i.acked) as acked
              from unnest(device_ids, conversation_ids, acked) as i (device_id, conversation_id, acked)
             group by i.conversation_id, i.device_id order by i.conversation_id, i.device_id offset 0) i
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select c.last_seq from gnatter.conversation c where c.conversation_id = i.conversation_id offset 0) c
      cross join lateral (
          select d.user_id from gnatter.device d where d.device_id = i.device_id and d.removed_at is null offset 0) d
      cross join lateral (
          select from gnatter.member m
           where m.conversation_id = i.conversation_id and m.user_id = d.user_id limit 1) m
    on conflict (conversation_id, device_id) do update set acked_seq = excluded.acked_seq;
end
$$;
comment on function gnatter.cursors_set(bigint[], bigint[], bigint[]) is
    'sets cursors of devices, down as well: what sync asks for. Nothing happens where a device''s user never was a '
    'member';
