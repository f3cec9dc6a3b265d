create or replace function gnatter.rpc_conversation_archive(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    archived boolean := gnatter.push_flag(params, 'archived', true);
    conversation gnatter.conversation := gnatter.conversation_said(user_id, params);
begin
    perform gnatter.flags_set(conversation.conversation_id, user_id, device_id, archived => archived);
    return jsonb_build_object('archived', archived);
end
$$;
comment on function gnatter.rpc_conversation_archive(bigint, bigint, jsonb) is
    'conversation.archive: a flag of the user''s own that all her devices are told';
insert into gnatter.rpc_method (name, function_name, is_mutating)
values ('conversation.archive', 'rpc_conversation_archive', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
