create or replace function gnatter.message_timer_expire(conversation_id bigint, seqs bigint[]) returns int
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    deleted_at timestamptz := (select c.deleted_at from gnatter.conversation c
                                where c.conversation_id = message_timer_expire.conversation_id);
    gone bigint[];
    gone_seq bigint;
begin
    delete from gnatter.message_timer t
     where t.conversation_id = message_timer_expire.conversation_id and t.seq = any (seqs);
    -- deleted, purged, or gone with all of the conversation's: nothing is left to do
    select array_agg(m.seq order by m.seq) into gone from gnatter.message m
     where m.conversation_id = message_timer_expire.conversation_id and m.seq = any (seqs) and m.event_type is null;
    if gone is null then
        return 0;
    end if;
    perform gnatter.messages_erase(conversation_id, gone);
    if deleted_at is null then -- a deleted group's log has ended
        foreach gone_seq in array gone loop
            perform gnatter.event_append(conversation_id, null, 'messages-expired',
                format('{"from":%s,"to":%s}', gone_seq, gone_seq), false);
        end loop;
    end if;
    return cardinality(gone);
end
$$;
comment on function gnatter.message_timer_expire(bigint, bigint[]) is
    'erases single messages whose time has come, each told by an event; how many. The caller holds the conversation''s '
    'lock. Internal';
