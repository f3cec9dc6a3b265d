create or replace function gnatter.timer_expire(timer gnatter.conversation_timer, items_max int) returns int
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    now_ms bigint := gnatter.now_ms();
    timer_ms bigint := timer.timer_s * 1000::bigint;
    ended_seq bigint := coalesce(timer.to_seq, 9223372036854775807);
    upto bigint;
    gone bigint[];
    next_ms bigint;
    deleted_at timestamptz := (select c.deleted_at from gnatter.conversation c
                                where c.conversation_id = timer.conversation_id);
begin
    -- times never go back, so what has disappeared is a start of the stretch
    select max(i.seq), array_agg(i.seq) filter (where i.event_type is null) into upto, gone
      from (select m.seq, m.event_type from gnatter.message m
             where m.conversation_id = timer.conversation_id and m.seq > timer.gone_seq and m.seq < ended_seq
               and m.time_ms <= now_ms - timer_ms
             order by m.seq limit items_max) i;
    if gone is not null then
        perform gnatter.messages_erase(timer.conversation_id, gone);
        if deleted_at is null then -- a deleted group's log has ended; its devices have been told the timer
            perform gnatter.event_append(timer.conversation_id, null, 'messages-expired',
                format('{"from":%s,"to":%s}', timer.gone_seq + 1, upto), false);
        end if;
    end if;
    select m.time_ms into next_ms from gnatter.message m
     where m.conversation_id = timer.conversation_id and m.seq > coalesce(upto, timer.gone_seq) and m.seq < ended_seq
     order by m.seq limit 1;
    if next_ms is null and (timer.to_seq is not null or deleted_at is not null) then
        delete from gnatter.conversation_timer t
         where t.conversation_id = timer.conversation_id and t.from_seq = timer.from_seq;
    else
        -- What comes later than now disappears later than that. A busy conversation gathers for a while, as each time costs
        -- an event.
        update gnatter.conversation_timer t
           set gone_seq = coalesce(upto, t.gone_seq),
               due_ms = case when next_ms + timer_ms <= now_ms then now_ms -- there were too many for one call
                             else coalesce(next_ms, now_ms) + gnatter.timer_wait_ms(timer.timer_s) end
         where t.conversation_id = timer.conversation_id and t.from_seq = timer.from_seq;
    end if;
    return coalesce(cardinality(gone), 0);
end
$$;
comment on function gnatter.timer_expire(gnatter.conversation_timer, int) is
    'erases what has disappeared in a stretch of a log, as far as so many items reach, and tells it by one event; how many '
    'messages. The caller holds the conversation''s lock. Internal';
