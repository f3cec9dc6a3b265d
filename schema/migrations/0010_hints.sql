-- Whoever is connected to the database can notify and take advisory locks: what a notification says is looked up, and what
-- keeps a service or a migration out is locked where only our functions and the owner can.
create table gnatter.claim ();
comment on table gnatter.claim is 'never has a row; locked while a service asks whether there is another one';

alter table gnatter.push_provider add column resumed_at timestamptz;
comment on column gnatter.push_provider.resumed_at is
    'when an operator last said that it is to go on, and services are to read their keys again; null: never';
-- It comes back with another column: since when providers are to go on.
drop function if exists gnatter.push_count();

-- What to look for when a message is edited again or goes, without reading all events of the conversation.
create table gnatter.message_edit_withheld (
    conversation_id bigint not null,
    seq bigint not null,
    edit_seq bigint not null,
    constraint message_edit_withheld_pk primary key (conversation_id, seq),
    constraint message_edit_withheld_comes_later check (edit_seq > seq)
);
comment on table gnatter.message_edit_withheld is
    'messages whose last edit was withheld, and left the message''s own place as it was';
comment on column gnatter.message_edit_withheld.conversation_id is 'a direct conversation';
comment on column gnatter.message_edit_withheld.seq is 'which message';
comment on column gnatter.message_edit_withheld.edit_seq is 'the message-edited event about it that still has its payload';
with withheld as (
    select m.conversation_id, m.seq as edit_seq, (m.said ->> 'seq')::bigint as seq
      -- "offset 0": by the index of events, conversation by conversation
      from (select distinct b.conversation_id from gnatter.block b) b
      cross join lateral (
          select m.conversation_id, m.seq, convert_from(m.payload, 'UTF8')::jsonb as said from gnatter.message m
           where m.conversation_id = b.conversation_id and m.event_type is not null and m.event_type = 'message-edited'
          offset 0) m
     where m.said ?| '{payload,payload_base64}'
       and not exists (select from gnatter.message_edit e
                        where e.conversation_id = m.conversation_id and e.edit_seq = m.seq)
), kept as (
    insert into gnatter.message_edit_withheld (conversation_id, seq, edit_seq)
    select w.conversation_id, w.seq, max(w.edit_seq) from withheld w group by w.conversation_id, w.seq
    returning conversation_id, seq, edit_seq
)
update gnatter.message m set payload = convert_to(format('{"seq":%s}', w.seq), 'UTF8')
  from withheld w join kept k on k.conversation_id = w.conversation_id and k.seq = w.seq and k.edit_seq > w.edit_seq
 where m.conversation_id = w.conversation_id and m.seq = w.edit_seq;
