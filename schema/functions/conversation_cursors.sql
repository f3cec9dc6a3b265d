create or replace function gnatter.conversation_cursors(ids bigint[])
returns table (conversation_id bigint, user_id bigint, device_id bigint, acked_seq bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select c.conversation_id, d.user_id, c.device_id, c.acked_seq
      from gnatter.cursor c
      join gnatter.device d on d.device_id = c.device_id and d.removed_at is null
     where c.conversation_id = any (ids)
     order by c.conversation_id, c.device_id;
end
$$;
comment on function gnatter.conversation_cursors(bigint[]) is
    'the cursors of registered devices in these conversations; a device without a row has acknowledged nothing';
