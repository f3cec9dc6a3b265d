create or replace function gnatter.rpc_group_remove(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    removed_name text := gnatter.param_text(params, 'user');
    conversation gnatter.conversation := gnatter.group_lock(gnatter.param_text(params, 'group'));
    caller_role text := gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin}');
    removed_id bigint := gnatter.member_named(conversation.conversation_id, removed_name);
begin
    if caller_role = 'admin' then
        -- as with roles: an admin does not put an owner out
        if gnatter.group_caller(conversation.conversation_id, removed_id, '{owner,admin,member}') = 'owner' then
            raise exception 'only an owner removes an owner' using errcode = 'GN005';
        end if;
    end if;
    return jsonb_build_object('seq', gnatter.member_close(conversation.conversation_id, removed_id, user_id));
end
$$;
comment on function gnatter.rpc_group_remove(bigint, bigint, jsonb) is
    'group.remove, for owners and admins; removing oneself is leaving';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.remove', 'rpc_group_remove', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
