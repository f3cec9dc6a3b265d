create or replace function gnatter.timer_sweep(timers_max int, items_max int) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    due record;
    timer gnatter.conversation_timer;
    gone int := 0;
begin
    for due in
        select t.conversation_id, t.from_seq from gnatter.conversation_timer t
         where t.due_ms <= gnatter.now_ms() order by t.due_ms limit timers_max
    loop
        exit when gone >= items_max;
        -- who holds it appends, or is another service that does the same: the next turn sees
        perform from gnatter.conversation c
          where c.conversation_id = due.conversation_id for no key update skip locked;
        continue when not found;
        select t.* into timer from gnatter.conversation_timer t
         where t.conversation_id = due.conversation_id and t.from_seq = due.from_seq and t.due_ms <= gnatter.now_ms();
        continue when not found;
        gone := gone + gnatter.timer_expire(timer, items_max - gone);
    end loop;
    for due in
        select t.conversation_id, array_agg(t.seq) as seqs
          from (select * from gnatter.message_timer t
                 where t.due_ms <= gnatter.now_ms() order by t.due_ms limit greatest(items_max - gone, 0)) t
         group by t.conversation_id
    loop
        perform from gnatter.conversation c
          where c.conversation_id = due.conversation_id for no key update skip locked;
        continue when not found;
        gone := gone + gnatter.message_timer_expire(due.conversation_id, due.seqs);
    end loop;
    return gone;
end
$$;
comment on function gnatter.timer_sweep(int, int) is
    'disappearing messages: erases those whose time has come, in at most so many stretches of logs and items; how many '
    'messages. What is left is due with the next call';
