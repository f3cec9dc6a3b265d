create or replace function gnatter.rpc_conversation_mute(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    muted boolean := gnatter.push_flag(params, 'muted', true);
    until_ms bigint := gnatter.param_number(params, 'until', false);
    conversation gnatter.conversation := gnatter.conversation_said(user_id, params);
begin
    if until_ms > 253402300799000 then
        raise exception '"until" is beyond the year 9999' using errcode = 'GN006';
    end if;
    if not muted or until_ms <= gnatter.now_ms() then
        delete from gnatter.conversation_mute m
         where m.conversation_id = conversation.conversation_id and m.user_id = rpc_conversation_mute.user_id;
        perform gnatter.flags_set(conversation.conversation_id, user_id, device_id);
        return jsonb_build_object('muted', false);
    end if;
    insert into gnatter.conversation_mute as m (conversation_id, user_id, muted_until)
    values (conversation.conversation_id, rpc_conversation_mute.user_id,
            coalesce(to_timestamp(until_ms / 1000.0), 'infinity'))
    on conflict on constraint conversation_mute_pk do update set muted_until = excluded.muted_until;
    perform gnatter.flags_set(conversation.conversation_id, user_id, device_id);
    return jsonb_strip_nulls(jsonb_build_object('muted', true, 'until', until_ms));
end
$$;
comment on function gnatter.rpc_conversation_mute(bigint, bigint, jsonb) is
    'conversation.mute: this conversation wakes none of the user''s devices, until a time (Unix milliseconds) or until '
    '{"muted": false}. Unread counts stay true';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('conversation.mute', 'rpc_conversation_mute', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
