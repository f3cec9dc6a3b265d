create or replace function gnatter.timer_set(conversation_id bigint, seconds bigint, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    event text := gnatter.timer_event(seconds);
    running gnatter.conversation_timer;
    event_seq bigint;
begin
    select t.* into running from gnatter.conversation_timer t
     where t.conversation_id = timer_set.conversation_id and t.to_seq is null;
    if coalesce(running.timer_s, 0) = seconds then
        return running.from_seq; -- so it is already
    end if;
    event_seq := gnatter.event_append(timer_set.conversation_id, actor_id, 'timer-changed', event, false);
    -- what was said under the earlier one keeps its time
    update gnatter.conversation_timer t set to_seq = event_seq
     where t.conversation_id = timer_set.conversation_id and t.to_seq is null;
    if seconds > 0 then
        insert into gnatter.conversation_timer (conversation_id, from_seq, timer_s, gone_seq, due_ms)
        values (timer_set.conversation_id, event_seq, seconds, event_seq,
                gnatter.now_ms() + gnatter.timer_wait_ms(seconds));
    end if;
    return event_seq;
end
$$;
comment on function gnatter.timer_set(bigint, bigint, bigint) is
    'the timer of a conversation from here on, 0: none; returns the seq of the event that said so, null for none ever. The '
    'caller holds the conversation''s lock. GN006. Internal';
