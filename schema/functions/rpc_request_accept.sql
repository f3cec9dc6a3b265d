create or replace function gnatter.rpc_request_accept(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation := gnatter.request_of(user_id, gnatter.param_text(params, 'user'));
begin
    return jsonb_build_object('seq', gnatter.request_accept(conversation.conversation_id, user_id));
end
$$;
comment on function gnatter.rpc_request_accept(bigint, bigint, jsonb) is
    'request.accept: what a stranger wrote becomes a conversation as any; the seq of the event that says so';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('request.accept', 'rpc_request_accept', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
