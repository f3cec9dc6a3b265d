create or replace function gnatter.verify_events() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select c.name, format('%s joined at %s, which is %s', u.name, m.joined_seq,
                          coalesce(i.event_type::text, 'a message'))
      from gnatter.member m
      join gnatter.conversation c on c.conversation_id = m.conversation_id and c.kind = 'group'
      join gnatter.user_account u on u.user_id = m.user_id
      join gnatter.message i on i.conversation_id = m.conversation_id and i.seq = m.joined_seq
     where i.event_type is distinct from (case m.joined_seq when 1 then 'created' else 'member-added' end)
    union all
    select c.name, format('%s left at %s, which is %s', u.name, m.left_seq, coalesce(i.event_type::text, 'a message'))
      from gnatter.member m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
      join gnatter.user_account u on u.user_id = m.user_id
      join gnatter.message i on i.conversation_id = m.conversation_id and i.seq = m.left_seq
     where coalesce(i.event_type not in ('member-removed', 'member-left', 'deleted'), true)
    union all
    select c.name, format('event %s says that somebody joined, and nobody did', i.seq)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
     where i.event_type = 'member-added'
       and not exists (select from gnatter.member m where m.conversation_id = i.conversation_id
                          and m.joined_seq = i.seq)
    union all
    select c.name, format('event %s says that somebody left, and nobody did', i.seq)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
     where i.event_type in ('member-removed', 'member-left')
       and not exists (select from gnatter.member m where m.conversation_id = i.conversation_id and m.left_seq = i.seq)
    union all
    select c.name, format('item %s is %s', i.seq, i.event_type)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
     where (i.event_type = 'created' and (i.seq <> 1 or c.kind <> 'group'))
        or (i.event_type = 'deleted' and (i.seq <> c.last_seq or c.deleted_at is null))
        or (c.kind = 'direct' and i.event_type not in ('message-deleted', 'withheld', 'message-edited', 'message-reacted',
                                                        'timer-changed', 'messages-expired', 'request', 'request-accepted'))
        or (c.kind = 'group' and i.event_type in ('request', 'request-accepted'))
    union all
    -- a message that was erased keeps both in its place, so that sending it again finds it
    select c.name, format('event %s (%s) has a device or an id', i.seq, i.event_type)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
     where i.event_type is not null and (i.sender_device_id is not null or i.message_id is not null)
       and (i.event_type not in ('message-deleted', 'messages-expired')
            or i.sender_device_id is null or i.message_id is null)
    union all
    select c.name, 'a group whose log does not start with created'
      from gnatter.conversation c
     where c.kind = 'group' and c.first_seq = 1
       and not exists (select from gnatter.message i where i.conversation_id = c.conversation_id and i.seq = 1
                          and i.event_type = 'created')
$$;
comment on function gnatter.verify_events() is 'verify: who joined, left and deleted is what the log says';
