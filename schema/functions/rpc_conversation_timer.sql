create or replace function gnatter.rpc_conversation_timer(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    seconds bigint := gnatter.param_number(params, 'seconds');
    seen gnatter.conversation := gnatter.conversation_said(user_id, params);
begin
    perform from gnatter.conversation c where c.conversation_id = seen.conversation_id for no key update;
    perform gnatter.group_caller(seen.conversation_id, user_id,
        case seen.kind when 'direct' then '{owner,admin,member}'::text[] else '{owner,admin}' end);
    if gnatter.block_hides(seen.conversation_id, user_id) then
        -- nothing of hers may disappear who is not told
        return jsonb_build_object('seq', gnatter.event_append(seen.conversation_id, user_id, 'timer-changed',
                                                              gnatter.timer_event(seconds), false));
    end if;
    return jsonb_build_object('seq', gnatter.timer_set(seen.conversation_id, seconds, user_id));
end
$$;
comment on function gnatter.rpc_conversation_timer(bigint, bigint, jsonb) is
    'conversation.timer, for the two of a direct conversation and for owners and admins of a group; '
    'withheld, it has no effect';
insert into gnatter.rpc_method (name, function_name, is_mutating)
values ('conversation.timer', 'rpc_conversation_timer', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
