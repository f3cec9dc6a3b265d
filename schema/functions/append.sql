create or replace function gnatter.append(conversation_ids bigint[], versions bigint[], counts int[], user_ids bigint[],
    device_ids bigint[], message_ids text[], payloads bytea[], out base_seqs bigint[], out times_ms bigint[])
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
-- a nested loop over the caller's order: rows are locked in that order
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    now_ms bigint := gnatter.now_ms();
    moved_ids bigint[];
    item_ids bigint[] := conversation_ids;
    item_seqs bigint[];
    item_times bigint[];
begin
    if cardinality(message_ids) = 1 then
        -- a message that travels alone: without arrays it takes half the time
        update gnatter.conversation c
           set last_seq = c.last_seq + 1, last_time_ms = greatest(c.last_time_ms, now_ms)
         where c.conversation_id = conversation_ids[1] and c.membership_version = versions[1] and c.deleted_at is null
        returning array[c.last_seq], array[c.last_time_ms] into base_seqs, times_ms;
        if found then
            insert into gnatter.message (conversation_id, seq, time_ms, sender_user_id, sender_device_id, message_id,
                                         payload)
            values (conversation_ids[1], base_seqs[1], times_ms[1], user_ids[1], device_ids[1], message_ids[1],
                    payloads[1]);
        else
            base_seqs := array[null::bigint];
            times_ms := array[null::bigint];
        end if;
        return;
    end if;

    with moved as (
        update gnatter.conversation c
           set last_seq = c.last_seq + g.len, last_time_ms = greatest(c.last_time_ms, now_ms)
          from (select unnest(conversation_ids) as id, unnest(versions) as version, unnest(counts) as len) g
         where c.conversation_id = g.id and c.membership_version = g.version and c.deleted_at is null
        returning c.conversation_id, c.last_seq - g.len + 1 as base_seq, c.last_time_ms
    )
    select array_agg(m.conversation_id), array_agg(m.base_seq), array_agg(m.last_time_ms)
      into moved_ids, base_seqs, times_ms from moved m;

    if moved_ids is distinct from conversation_ids then
        -- some did not match, which is rare: nulls in their places
        select array_agg(m.base_seq order by g.ord), array_agg(m.time_ms order by g.ord)
          into base_seqs, times_ms
          from unnest(conversation_ids) with ordinality as g (id, ord)
          left join unnest(moved_ids, base_seqs, times_ms) as m (id, base_seq, time_ms) on m.id = g.id;
        end if;

    item_seqs := base_seqs;
    item_times := times_ms;
    if cardinality(conversation_ids) < cardinality(message_ids) then
        select array_agg(g.id), array_agg(g.base_seq + n), array_agg(g.time_ms)
          into item_ids, item_seqs, item_times
          from (select unnest(conversation_ids) as id, unnest(counts) as len, unnest(base_seqs) as base_seq,
                       unnest(times_ms) as time_ms) g
          cross join lateral generate_series(0, g.len - 1) as n;
    end if;
    -- unnest as columns streams, unnest as a table is stored first: a tenth of the whole cost
    insert into gnatter.message (conversation_id, seq, time_ms, sender_user_id, sender_device_id, message_id, payload)
    select i.*
      from (select unnest(item_ids), unnest(item_seqs) as seq, unnest(item_times), unnest(user_ids), unnest(device_ids),
                   unnest(message_ids), unnest(payloads)) i
     where i.seq is not null;
end
$$;
comment on function gnatter.append(bigint[], bigint[], int[], bigint[], bigint[], text[], bytea[]) is
    'appends groups of messages, one group per conversation, sorted by conversation_id; items in the order of the '
    'groups. base_seqs, times_ms: one per group, null where the membership version is another or the conversation is '
    'deleted: then nothing of that group was appended. A message id that is there already: 23505, and nothing was '
    'appended.';
