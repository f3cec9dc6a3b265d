create or replace function gnatter.rpc_message_edit(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    fresh record := gnatter.message_payload(params);
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    within_s bigint := gnatter.edit_within_s();
    item gnatter.message;
    is_withheld boolean;
    event_seq bigint;
begin
    perform from gnatter.conversation c where c.conversation_id = seen.conversation_id for no key update;
    item := gnatter.message_of(seen.conversation_id, user_id, asked);
    perform gnatter.group_caller(seen.conversation_id, user_id, '{owner,admin,member}');
    if item.sender_user_id <> user_id then
        raise exception 'only its sender edits a message' using errcode = 'GN005';
    elsif item.time_ms <= gnatter.now_ms() - within_s * 1000 then
        raise exception 'a message can be edited for % seconds', within_s using errcode = 'GN005';
    end if;
    is_withheld := gnatter.block_hides(seen.conversation_id, user_id);
    if is_withheld then
        perform gnatter.edit_scrub_withheld(seen.conversation_id, array[asked]);
    else
        perform gnatter.edit_scrub(seen.conversation_id, array[asked]);
    end if;
    event_seq := gnatter.event_append(seen.conversation_id, user_id, 'message-edited',
        format('{"seq":%s,%s}', asked, fresh.member), false);
    perform gnatter.block_follow(seen.conversation_id, user_id, asked, event_seq);
    if is_withheld then
        -- who blocks her does not get it, so the place that he sees stays as it was
        insert into gnatter.message_edit_withheld (conversation_id, seq, edit_seq)
        values (seen.conversation_id, asked, event_seq);
        return jsonb_build_object('seq', event_seq);
    end if;
    update gnatter.message m set payload = fresh.bytes
     where m.conversation_id = seen.conversation_id and m.seq = asked;
    insert into gnatter.message_edit as e (conversation_id, seq, edit_seq)
    values (seen.conversation_id, asked, event_seq)
    on conflict on constraint message_edit_pk do update set edit_seq = excluded.edit_seq;
    return jsonb_build_object('seq', event_seq);
end
$$;
comment on function gnatter.rpc_message_edit(bigint, bigint, jsonb) is
    'message.edit, for the sender as long as she is a member and the message is young enough: the new payload takes the '
    'place of the old one, and a message-edited event brings it to those who have the old one. Withheld, it '
    'changes nothing for whom it is withheld from. GN005';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('message.edit', 'rpc_message_edit', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
