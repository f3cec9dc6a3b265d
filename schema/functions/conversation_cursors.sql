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
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select d.user_id from gnatter.device d where d.device_id = c.device_id and d.removed_at is null offset 0) d
     where c.conversation_id = any (ids)
     order by c.conversation_id, c.device_id;
end
$$;
comment on function gnatter.conversation_cursors(bigint[]) is
    'the cursors of registered devices in these conversations; a device without a row has acknowledged nothing';
