create or replace function gnatter.rpc_group_rename(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    title text := gnatter.param_text(params, 'title');
    conversation gnatter.conversation := gnatter.group_lock(gnatter.param_text(params, 'group'));
begin
    perform gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin}');
    return jsonb_build_object('seq', gnatter.group_rename(conversation.conversation_id, title, user_id));
end
$$;
comment on function gnatter.rpc_group_rename(bigint, bigint, jsonb) is 'group.rename, for owners and admins';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.rename', 'rpc_group_rename', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
