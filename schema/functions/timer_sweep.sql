create or replace function gnatter.timer_sweep(timers_max int, items_max int, out gone int, out is_more boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    due record;
    timer gnatter.conversation_timer;
    was_any boolean := false;
begin
    gone := 0;
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
        was_any := true;
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
        was_any := true;
    end loop;
    -- where others hold all that is due, asking again at once would only be in their way
    is_more := was_any and (
        exists (select from gnatter.conversation_timer t where t.due_ms <= gnatter.now_ms())
        or exists (select from gnatter.message_timer t where t.due_ms <= gnatter.now_ms()));
end
$$;
comment on function gnatter.timer_sweep(int, int) is
    'disappearing messages: erases those whose time has come, in at most so many stretches of logs and items; how many '
    'messages, and whether there is more to do at once. What is left is due with the next call';
