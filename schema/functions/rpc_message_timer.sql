create or replace function gnatter.rpc_message_timer(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    seconds bigint := gnatter.param_number(params, 'seconds');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    item gnatter.message;
    due_ms bigint;
begin
    perform gnatter.timer_event(seconds); -- its limits
    perform from gnatter.conversation c where c.conversation_id = seen.conversation_id for no key update;
    item := gnatter.message_of(seen.conversation_id, user_id, asked);
    perform gnatter.group_caller(seen.conversation_id, user_id, '{owner,admin,member}');
    if item.sender_user_id <> user_id then
        raise exception 'only its sender lets a message disappear' using errcode = 'GN005';
    end if;
    due_ms := case when seconds > 0 then item.time_ms + seconds * 1000 end;
    if gnatter.block_hides(seen.conversation_id, user_id) then
        -- nothing of hers may disappear who is not told
        return jsonb_build_object('time', due_ms);
    end if;
    if due_ms is null then
        delete from gnatter.message_timer t where t.conversation_id = seen.conversation_id and t.seq = asked;
    else
        insert into gnatter.message_timer as t (conversation_id, seq, due_ms)
        values (seen.conversation_id, asked, due_ms)
        on conflict on constraint message_timer_pk do update set due_ms = excluded.due_ms;
    end if;
    return jsonb_build_object('time', due_ms);
end
$$;
comment on function gnatter.rpc_message_timer(bigint, bigint, jsonb) is
    'message.timer, for the sender as long as she is a member: when that message disappears, null: not by itself. Withheld, '
    'it has no effect. GN005';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('message.timer', 'rpc_message_timer', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
