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
    select c.conversation_id, d.device_id, least(greatest(min(i.acked), 0), c.last_seq)
      from unnest(device_ids, conversation_ids, acked) as i (device_id, conversation_id, acked)
      join gnatter.conversation c on c.conversation_id = i.conversation_id
      join gnatter.device d on d.device_id = i.device_id and d.removed_at is null
     where exists (select from gnatter.member m
                    where m.conversation_id = c.conversation_id and m.user_id = d.user_id)
     group by c.conversation_id, d.device_id, c.last_seq
     order by c.conversation_id, d.device_id
    on conflict (conversation_id, device_id) do update set acked_seq = excluded.acked_seq;
end
$$;
comment on function gnatter.cursors_set(bigint[], bigint[], bigint[]) is
    'sets cursors of devices, down as well: what sync asks for. Nothing happens where a device''s user never was a '
    'member';
