create or replace function gnatter.rpc_group_add(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    joined_name text := gnatter.param_text(params, 'user');
    group_name text := gnatter.param_text(params, 'group');
    joined_id bigint := gnatter.user_lock(joined_name); -- users before groups
    conversation gnatter.conversation := gnatter.group_lock(group_name);
begin
    perform gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin}');
    return jsonb_build_object('seq', gnatter.group_add(group_name, joined_name, 'member', user_id));
end
$$;
comment on function gnatter.rpc_group_add(bigint, bigint, jsonb) is 'group.add, for owners and admins';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.add', 'rpc_group_add', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
