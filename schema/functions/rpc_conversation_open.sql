create or replace function gnatter.rpc_conversation_open(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    reference text := gnatter.param_text(params, 'conversation');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, reference);
begin
    if seen.conversation_id is not null then
        perform gnatter.group_caller(seen.conversation_id, user_id, '{owner,admin,member}');
    end if;
    return jsonb_build_object('conversation', reference);
end
$$;
comment on function gnatter.rpc_conversation_open(bigint, bigint, jsonb) is
    'conversation.open and conversation.close, for members: the service notes it, in memory, for the typing of large groups';
insert into gnatter.rpc_method (name, function_name, is_mutating)
values ('conversation.open', 'rpc_conversation_open', false), ('conversation.close', 'rpc_conversation_open', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
