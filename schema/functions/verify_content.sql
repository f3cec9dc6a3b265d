create or replace function gnatter.verify_content() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select c.name, format('message %s was edited by %s, which is not its sender''s edit with its payload', e.seq, e.edit_seq)
      from gnatter.message_edit e
      left join gnatter.conversation c on c.conversation_id = e.conversation_id
      left join gnatter.message m on m.conversation_id = e.conversation_id and m.seq = e.seq
      left join gnatter.message i on i.conversation_id = e.conversation_id and i.seq = e.edit_seq
     where m.seq is null or m.event_type is not null or i.event_type is distinct from 'message-edited'
        or i.sender_user_id is distinct from m.sender_user_id
        or (convert_from(i.payload, 'UTF8')::jsonb ->> 'seq')::bigint is distinct from e.seq
        or coalesce(convert_to(convert_from(i.payload, 'UTF8')::jsonb ->> 'payload', 'UTF8'),
                    decode(convert_from(i.payload, 'UTF8')::jsonb ->> 'payload_base64', 'base64'))
           is distinct from m.payload
    union all
    select c.name, format('edit %s has a payload, and is not the last one', i.seq)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
     where i.event_type = 'message-edited'
       and convert_from(i.payload, 'UTF8')::jsonb ?| '{payload,payload_base64}'
       and (convert_from(i.payload, 'UTF8')::jsonb ->> 'seq')::bigint >= c.first_seq
       and not exists (select from gnatter.message_edit e
                        where e.conversation_id = i.conversation_id and e.edit_seq = i.seq)
       and not exists (select from gnatter.message_edit_withheld e
                        where e.conversation_id = i.conversation_id and e.edit_seq = i.seq)
    union all
    select c.name, format('the edit %s of message %s was not withheld from anybody', e.edit_seq, e.seq)
      from gnatter.message_edit_withheld e
      left join gnatter.conversation c on c.conversation_id = e.conversation_id
      left join gnatter.message i on i.conversation_id = e.conversation_id and i.seq = e.edit_seq
     where i.event_type is distinct from 'message-edited'
        or (convert_from(i.payload, 'UTF8')::jsonb ->> 'seq')::bigint is distinct from e.seq
        or not exists (select from gnatter.block b
                        where b.conversation_id = i.conversation_id and b.user_id <> i.sender_user_id
                          and i.seq between b.from_seq and coalesce(b.to_seq, i.seq))
    union all
    select c.name, format('%s reacted to %s, and event %s does not say so', u.name, r.seq, r.event_seq)
      from gnatter.message_reaction r
      left join gnatter.conversation c on c.conversation_id = r.conversation_id
      left join gnatter.user_account u on u.user_id = r.user_id
      left join gnatter.message m on m.conversation_id = r.conversation_id and m.seq = r.seq
      left join gnatter.message i on i.conversation_id = r.conversation_id and i.seq = r.event_seq
     where m.seq is null or m.event_type is not null or i.event_type is distinct from 'message-reacted'
        or i.sender_user_id is distinct from r.user_id
        or convert_from(i.payload, 'UTF8')::jsonb is distinct from
           jsonb_build_object('seq', r.seq, 'reaction', r.reaction)
    union all
    select c.name, format('the timer from %s to %s is not what the events say', t.from_seq, t.to_seq)
      from gnatter.conversation_timer t
      join gnatter.conversation c on c.conversation_id = t.conversation_id
      left join gnatter.message i on i.conversation_id = t.conversation_id and i.seq = t.from_seq
     where t.gone_seq > c.last_seq
        or (t.from_seq >= c.first_seq
            and (i.event_type is distinct from 'timer-changed'
                 or convert_from(i.payload, 'UTF8')::jsonb is distinct from jsonb_build_object('seconds', t.timer_s)))
        or exists (select from gnatter.message n
                    where n.conversation_id = t.conversation_id and n.seq > t.from_seq and n.event_type = 'timer-changed'
                      and (t.to_seq is null or n.seq < t.to_seq)
                      and not exists (select from gnatter.block b
                                       where b.conversation_id = n.conversation_id and b.user_id <> n.sender_user_id
                                         and n.seq between b.from_seq and coalesce(b.to_seq, n.seq)))
    union all
    select c.name, format('message %s has a timer, and is not in the log', t.seq)
      from gnatter.message_timer t
      join gnatter.conversation c on c.conversation_id = t.conversation_id
     where t.seq > c.last_seq
    union all
    select c.name, format('message %s should have disappeared', m.seq)
      from gnatter.conversation_timer t
      join gnatter.conversation c on c.conversation_id = t.conversation_id
      join gnatter.message m on m.conversation_id = t.conversation_id and m.seq > t.from_seq and m.seq <= t.gone_seq
     where m.event_type is null
    union all
    select c.name, format('%s has flags and never was a member', u.name)
      from gnatter.conversation_flag f
      left join gnatter.conversation c on c.conversation_id = f.conversation_id
      left join gnatter.user_account u on u.user_id = f.user_id
     where not exists (select from gnatter.member m
                        where m.conversation_id = f.conversation_id and m.user_id = f.user_id)
$$;
comment on function gnatter.verify_content() is
    'verify: edits, reactions, timers and flags are what the log says, and nothing is left of what is gone';
