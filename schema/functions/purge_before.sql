create or replace function gnatter.purge_before(oldest_ms bigint, delivered_to_all boolean, conversation text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    item record;
    keep_from bigint;
    purged bigint := 0;
    removed bigint;
begin
    -- whoever forgets to end the transaction is disconnected: see event_append
    if current_setting('idle_in_transaction_session_timeout') = '0' then
        perform set_config('idle_in_transaction_session_timeout', '30s', true);
    end if;
    for item in select c.conversation_id, c.name, c.first_seq, c.last_seq from gnatter.conversation c
                 where c.last_seq >= c.first_seq and (purge_before.conversation is null or c.name = purge_before.conversation)
                 order by c.conversation_id
    loop
        keep_from := item.last_seq + 1;
        if oldest_ms is not null then
            -- times never go back, so the first young enough is where to stop
            select coalesce(min(m.seq), keep_from) into keep_from from gnatter.message m
             where m.conversation_id = item.conversation_id and m.seq >= item.first_seq and m.time_ms >= oldest_ms;
        end if;
        if delivered_to_all then
            keep_from := least(keep_from, gnatter.undelivered_seq(item.conversation_id));
        end if;
        continue when keep_from <= item.first_seq;
        -- before its items, as everybody else does who changes these: nobody then waits in a circle
        perform from gnatter.conversation c where c.conversation_id = item.conversation_id for no key update;
        -- A message stays as long as its last edit: without the one, nothing would take away what the other says.
        select least(keep_from, min(e.seq)) into keep_from from gnatter.edit_places(item.conversation_id) e
         where e.seq < keep_from and e.edit_seq >= keep_from;
        continue when keep_from <= item.first_seq;
        -- An edit that is to go, and is behind a message that stays, says no more what: or, each message edited behind the
        -- next, nothing would ever go.
        update gnatter.message m set payload = convert_to(format('{"seq":%s}', e.seq), 'UTF8')
          from gnatter.edit_places(item.conversation_id) e
         where m.conversation_id = item.conversation_id and m.seq = e.edit_seq
           and e.seq < keep_from and e.edit_seq >= keep_from;
        delete from gnatter.message m where m.conversation_id = item.conversation_id and m.seq < keep_from;
        get diagnostics removed = row_count;
        delete from gnatter.message_edit e where e.conversation_id = item.conversation_id and e.seq < keep_from;
        delete from gnatter.message_edit_withheld e where e.conversation_id = item.conversation_id and e.seq < keep_from;
        delete from gnatter.message_reaction r where r.conversation_id = item.conversation_id and r.seq < keep_from;
        delete from gnatter.conversation_timer t where t.conversation_id = item.conversation_id and t.to_seq < keep_from;
        purged := purged + removed;
        update gnatter.conversation c set first_seq = greatest(c.first_seq, keep_from)
         where c.conversation_id = item.conversation_id;
        perform pg_notify('gnatter', 'c ' || item.name);
    end loop;
    return purged;
end
$$;
comment on function gnatter.purge_before(bigint, boolean, text) is
    'what purge does, with the time from which items stay, in Unix milliseconds (null: whatever their time); internal';
