create or replace view gnatter.messages as
select c.name::text as conversation, m.seq, m.time_ms as time,
       case when m.event_type is null then 'chat' else 'event' end as kind,
       u.name::text as sender_user, case when m.event_type is null then d.name::text end as sender_device,
       case when m.event_type is null then m.message_id::text end as message_id,
       octet_length(m.payload) as payload_bytes,
       m.event_type::text as event_type,
       case when m.event_type is not null
            then convert_from(m.payload, 'UTF8')::jsonb - 'payload' - 'payload_base64' - 'reaction' end as event
  from gnatter.message m
  join gnatter.conversation c on c.conversation_id = m.conversation_id
  left join gnatter.user_account u on u.user_id = m.sender_user_id
  left join gnatter.device d on d.device_id = m.sender_device_id;
comment on view gnatter.messages is 'the log of all conversations, without what was written';
comment on column gnatter.messages.conversation is 'g/<group> or d/<user>/<user>';
comment on column gnatter.messages.seq is '1, 2, 3, ... per conversation';
comment on column gnatter.messages.time is 'Unix milliseconds when it was persisted';
comment on column gnatter.messages.kind is 'chat or event';
comment on column gnatter.messages.sender_user is 'who sent it or did it; null: an administrator';
comment on column gnatter.messages.sender_device is 'the sending device; null for an event';
comment on column gnatter.messages.message_id is 'the sender''s id; null for an event';
comment on column gnatter.messages.payload_bytes is 'how long the payload is';
comment on column gnatter.messages.event_type is 'what happened; null for a message';
comment on column gnatter.messages.event is
    'the event''s JSON, without an edit''s payload and without the reaction; null for a message';
create or replace trigger refuse instead of insert or update or delete on gnatter.messages
    for each row execute function gnatter.refuse_write('gnatter.delete_message or purge');
comment on trigger refuse on gnatter.messages is 'says which functions to call';
