create or replace function gnatter.append(conversation_ids bigint[], versions bigint[], counts int[], user_ids bigint[],
    device_ids bigint[], message_ids text[], payloads bytea[], out base_seqs bigint[], out times_ms bigint[])
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
-- a nested loop over the caller's order: rows are locked in that order
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    now_ms bigint := gnatter.now_ms();
begin
    with moved as (
        update gnatter.conversation c
           set last_seq = c.last_seq + g.len, last_time_ms = greatest(c.last_time_ms, now_ms)
          from unnest(conversation_ids, versions, counts) with ordinality as g (id, version, len, ord)
         where c.conversation_id = g.id and c.membership_version = g.version and c.deleted_at is null
        returning g.ord, c.last_seq - g.len + 1 as base_seq, c.last_time_ms
    )
    select array_agg(m.base_seq order by g.ord), array_agg(m.last_time_ms order by g.ord)
      into base_seqs, times_ms
      from generate_subscripts(conversation_ids, 1) as g (ord)
      left join moved m on m.ord = g.ord;

    insert into gnatter.message
        (conversation_id, seq, time_ms, sender_user_id, sender_device_id, message_id, payload)
    select i.conversation_id, i.seq, i.time_ms, i.user_id, i.device_id, i.message_id, i.payload
      from (select array_agg(g.id order by g.ord, n) as ids, array_agg(g.base_seq + n order by g.ord, n) as seqs,
                   array_agg(g.time_ms order by g.ord, n) as times
              from unnest(conversation_ids, counts, base_seqs, times_ms)
                   with ordinality as g (id, len, base_seq, time_ms, ord)
              cross join lateral generate_series(0, g.len - 1) as n) e,
           unnest(e.ids, e.seqs, e.times, user_ids, device_ids, message_ids, payloads)
               as i (conversation_id, seq, time_ms, user_id, device_id, message_id, payload)
     where i.seq is not null;
end
$$;
comment on function gnatter.append(bigint[], bigint[], int[], bigint[], bigint[], text[], bytea[]) is
    'appends groups of messages, one group per conversation, sorted by conversation_id; items in the order of the groups. '
    'base_seqs, times_ms: one per group, null where the membership version is another or the conversation is deleted: then '
    'nothing of that group was appended. A message id that is there already: 23505, and nothing was appended.';
