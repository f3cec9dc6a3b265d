create or replace function gnatter.cursor_set(device_id bigint, conversation_name text, acked bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
#variable_conflict use_column
begin
    insert into gnatter.cursor (conversation_id, device_id, acked_seq)
    select c.conversation_id, d.device_id, least(greatest(acked, 0), c.last_seq)
      from gnatter.conversation c
      join gnatter.device d on d.device_id = cursor_set.device_id and d.removed_at is null
     where c.name = cursor_set.conversation_name
       and exists (select from gnatter.member m
                    where m.conversation_id = c.conversation_id and m.user_id = d.user_id)
    on conflict (conversation_id, device_id) do update set acked_seq = excluded.acked_seq;
end
$$;
comment on function gnatter.cursor_set(bigint, text, bigint) is
    'sets a device''s cursor, down as well: what sync asks for. Nothing happens where its user never was a member';
