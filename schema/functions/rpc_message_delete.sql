create or replace function gnatter.rpc_message_delete(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    is_sender boolean;
begin
    perform from gnatter.conversation c where c.conversation_id = seen.conversation_id for no key update;
    -- by the device, which stays when the message has been deleted before
    select d.user_id = rpc_message_delete.user_id into is_sender
      from gnatter.message m join gnatter.device d on d.device_id = m.sender_device_id
     where m.conversation_id = seen.conversation_id and m.seq = asked;
    if not found then
        raise exception 'there is no message %', asked using errcode = 'GN006';
    elsif seen.kind = 'direct' and not is_sender then
        raise exception 'only its sender deletes a direct message' using errcode = 'GN005';
    end if;
    perform gnatter.group_caller(seen.conversation_id, user_id,
                                 case when is_sender then '{owner,admin,member}'::text[] else '{owner,admin}' end);
    return jsonb_build_object('seq', gnatter.message_erase(seen.conversation_id, asked, user_id));
end
$$;
comment on function gnatter.rpc_message_delete(bigint, bigint, jsonb) is
    'message.delete, for the sender and in groups for owners and admins, as long as they are members';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('message.delete', 'rpc_message_delete', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
