create or replace function gnatter.rpc_group_leave(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation := gnatter.group_lock(gnatter.param_text(params, 'group'));
begin
    perform gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin,member}');
    return jsonb_build_object('seq', gnatter.member_close(conversation.conversation_id, user_id, user_id));
end
$$;
comment on function gnatter.rpc_group_leave(bigint, bigint, jsonb) is 'group.leave, for members; see ownership_pass';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.leave', 'rpc_group_leave', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
