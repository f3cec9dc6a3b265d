create or replace function gnatter.event_append(conversation_id bigint, actor_id bigint, event_type text, payload text,
    is_membership boolean) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation;
begin
    -- Until this transaction ends everybody waits who writes to the conversation, and with them a whole shard: whoever
    -- forgets to end it is disconnected.
    if current_setting('idle_in_transaction_session_timeout') = '0' then
        perform set_config('idle_in_transaction_session_timeout', '30s', true);
    end if;
    update gnatter.conversation c
       set last_seq = c.last_seq + 1, last_time_ms = greatest(c.last_time_ms, gnatter.now_ms()),
           membership_version = c.membership_version + is_membership::int
     where c.conversation_id = event_append.conversation_id and c.deleted_at is null
    returning c.* into conversation;
    if not found then
        raise exception 'no such conversation: %', conversation_id using errcode = 'GN003';
    end if;
    insert into gnatter.message (conversation_id, seq, time_ms, sender_user_id, event_type, payload)
    values (conversation.conversation_id, conversation.last_seq, conversation.last_time_ms, actor_id, event_type,
            convert_to(payload, 'UTF8'));
    perform pg_notify('gnatter', 'c ' || conversation.name);
    return conversation.last_seq;
end
$$;
comment on function gnatter.event_append(bigint, bigint, text, text, boolean) is
    'writes an event into the log and tells the service when the transaction commits; returns its seq. actor_id null: '
    'an administrator. Internal';
