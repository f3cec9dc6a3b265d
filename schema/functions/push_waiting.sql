create or replace function gnatter.push_waiting(device_ids bigint[], conversation_ids bigint[], before_ms bigint)
returns table (device_id bigint, conversation_id bigint, seq bigint, absent_since timestamptz)
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select i.device_id, i.conversation_id, n.seq, d.last_seen_at
      from unnest(device_ids, conversation_ids) as i (device_id, conversation_id)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select d.user_id, d.is_live, d.removed_at, d.last_seen_at from gnatter.device d
           where d.device_id = i.device_id offset 0) d
      join gnatter.conversation c on c.conversation_id = i.conversation_id and c.deleted_at is null
      left join gnatter.cursor k on k.conversation_id = i.conversation_id and k.device_id = i.device_id
      left join gnatter.mark a on a.conversation_id = i.conversation_id and a.user_id = d.user_id
      left join gnatter.conversation_mute q on q.conversation_id = i.conversation_id and q.user_id = d.user_id
      cross join lateral (
          select gnatter.push_newest(i.conversation_id, d.user_id,
              -- delivered: some device of hers holds it; read implies that
              greatest(coalesce(k.acked_seq, 0), coalesce(a.delivered_seq, 0)), push_waiting.before_ms) as seq
          offset 0) n -- asked once, though it is named twice
     where d.removed_at is null and not d.is_live
       and c.last_seq > greatest(coalesce(k.acked_seq, 0), coalesce(a.delivered_seq, 0))
       and (q.muted_until is null or q.muted_until <= now())
       and n.seq is not null;
end
$$;
comment on function gnatter.push_waiting(bigint[], bigint[], bigint) is
    'which of these devices have something to be woken for in these conversations (pairs): not live, and a message of '
    'somebody else that neither it nor another device of its user has acknowledged, in a conversation that is not muted. Internal';
