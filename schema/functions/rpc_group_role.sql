create or replace function gnatter.rpc_group_role(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    changed_name text := gnatter.param_text(params, 'user');
    new_role text := gnatter.param_text(params, 'role');
    conversation gnatter.conversation := gnatter.group_lock(gnatter.param_text(params, 'group'));
    caller_role text := gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin}');
    changed_id bigint := gnatter.member_named(conversation.conversation_id, changed_name);
begin
    if caller_role = 'admin' and (new_role = 'owner'
        or gnatter.group_caller(conversation.conversation_id, changed_id, '{owner,admin,member}') = 'owner') then
        raise exception 'only an owner makes or unmakes an owner' using errcode = 'GN005';
    end if;
    return jsonb_build_object('seq', gnatter.group_role(conversation.conversation_id, changed_id, new_role, user_id));
end
$$;
comment on function gnatter.rpc_group_role(bigint, bigint, jsonb) is
    'group.role, for owners; for admins between admin and member';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.role', 'rpc_group_role', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
