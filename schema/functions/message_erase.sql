create or replace function gnatter.message_erase(conversation_id bigint, seq bigint, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    event text := format('{"seq":%s}', seq);
    item gnatter.message;
    event_seq bigint;
begin
    select m.* into item from gnatter.message m
     where m.conversation_id = message_erase.conversation_id and m.seq = message_erase.seq;
    if not found then
        raise exception 'there is no message %', seq using errcode = 'GN006';
    elsif item.message_id is null or item.event_type = 'messages-expired' then
        raise exception 'an event cannot be deleted, nor what has disappeared' using errcode = 'GN006';
    elsif item.event_type is not null then -- deleted before: the event that said so
        select m.seq into event_seq from gnatter.message m
         where m.conversation_id = message_erase.conversation_id and m.seq > message_erase.seq
           and m.event_type is not null and m.event_type = 'message-deleted' and m.message_id is null
           and m.payload = convert_to(event, 'UTF8');
        return event_seq;
    end if;
    event_seq := gnatter.event_append(conversation_id, actor_id, 'message-deleted', event, false);
    update gnatter.message m
       set event_type = 'message-deleted', payload = convert_to(event, 'UTF8'), sender_user_id = actor_id
     where m.conversation_id = message_erase.conversation_id and m.seq = message_erase.seq;
    perform gnatter.content_forget(conversation_id, array[seq]);
    return event_seq;
end
$$;
comment on function gnatter.message_erase(bigint, bigint, bigint) is
    'erases a message: its place becomes a message-deleted event, and a new one with its own seq, which is returned, '
    'tells everybody; done before: that one''s seq. Its edits and reactions go, too. The caller holds the conversation''s lock. GN006. Internal';
