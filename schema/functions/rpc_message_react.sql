create or replace function gnatter.rpc_message_react(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    fresh text := nullif(gnatter.param_text(params, 'reaction', false), '');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    before gnatter.message_reaction;
    event_seq bigint;
begin
    if octet_length(fresh) > 32 then
        raise exception 'a reaction has at most 32 bytes' using errcode = 'GN007';
    elsif fresh ~ e'[\x01-\x1f\x7f]' then
        raise exception 'a reaction has no control characters' using errcode = 'GN006';
    end if;
    perform from gnatter.conversation c where c.conversation_id = seen.conversation_id for no key update;
    perform gnatter.message_of(seen.conversation_id, user_id, asked);
    perform gnatter.group_caller(seen.conversation_id, user_id, '{owner,admin,member}');
    select r.* into before from gnatter.message_reaction r
     where r.conversation_id = seen.conversation_id and r.seq = asked and r.user_id = rpc_message_react.user_id;
    if before.reaction is not distinct from fresh then
        return jsonb_build_object('seq', before.event_seq); -- so it is already
    end if;
    event_seq := gnatter.event_append(seen.conversation_id, user_id, 'message-reacted',
        format('{"seq":%s,"reaction":%s}', asked, coalesce(to_json(fresh)::text, 'null')), false);
    perform gnatter.block_follow(seen.conversation_id, user_id, asked, event_seq);
    if fresh is null then
        delete from gnatter.message_reaction r
         where r.conversation_id = seen.conversation_id and r.seq = asked and r.user_id = rpc_message_react.user_id;
    else
        insert into gnatter.message_reaction (conversation_id, seq, user_id, reaction, event_seq)
        values (seen.conversation_id, asked, rpc_message_react.user_id, fresh, event_seq)
        on conflict on constraint message_reaction_pk do update
           set reaction = excluded.reaction, event_seq = excluded.event_seq;
    end if;
    return jsonb_build_object('seq', event_seq);
end
$$;
comment on function gnatter.rpc_message_react(bigint, bigint, jsonb) is
    'message.react, for members: sets the user''s one reaction to a message, replaces it, or (null) takes it back; says '
    'which event told it, and makes none where nothing changes';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('message.react', 'rpc_message_react', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
