create or replace function gnatter.verify_log() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    -- seq runs from first_seq to last_seq without gap or repetition
    select c.name, format('the log has %s items from %s to %s, and should have %s to %s', coalesce(l.items, 0),
                          l.from_seq, l.to_seq, c.first_seq, c.last_seq)
      from gnatter.conversation c
      left join (select m.conversation_id, count(*) as items, count(distinct m.seq) as seqs, min(m.seq) as from_seq,
                        max(m.seq) as to_seq
                   from gnatter.message m group by m.conversation_id) l on l.conversation_id = c.conversation_id
     where coalesce(l.items, 0) <> c.last_seq - c.first_seq + 1
        or l.seqs <> l.items
        or (l.items > 0 and (l.from_seq <> c.first_seq or l.to_seq <> c.last_seq))
    union all
    select null, format('%s items belong to no conversation (id %s)', count(*), m.conversation_id)
      from gnatter.message m
     where not exists (select from gnatter.conversation c where c.conversation_id = m.conversation_id)
     group by m.conversation_id
    union all
    -- times do not go back
    select c.name, format('item %s is older than the one before', m.seq)
      from (select i.conversation_id, i.seq, i.time_ms,
                   lag(i.time_ms) over (partition by i.conversation_id order by i.seq) as before_ms
              from gnatter.message i) m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
     where m.time_ms < m.before_ms or m.time_ms > c.last_time_ms
    union all
    -- a message id once per sending device
    select c.name, format('message id %s of device %s is there %s times', m.message_id, m.sender_device_id, count(*))
      from gnatter.message m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
     where m.message_id is not null
     group by c.name, m.sender_device_id, m.message_id having count(*) > 1
    union all
    -- who sent it is who owns the device
    select c.name, format('message %s was sent by a device of somebody else', m.seq)
      from gnatter.message m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
      left join gnatter.device d on d.device_id = m.sender_device_id
     where m.event_type is null and m.sender_user_id is distinct from d.user_id
    union all
    select c.name, format('message %s has no sender, device or id', m.seq)
      from gnatter.message m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
     where m.event_type is null
       and (m.sender_user_id is null or m.sender_device_id is null or m.message_id is null)
    union all
    -- a shard finds what is its own by the name
    select c.name, format('a %s conversation of route %s, and should be of %s', c.kind, c.route,
                          gnatter.conversation_route(c.name))
      from gnatter.conversation c
     where c.route <> gnatter.conversation_route(c.name)
        or c.kind <> case when starts_with(c.name, 'g/') then 'group' else 'direct' end
$$;
comment on function gnatter.verify_log() is 'verify: the log is complete, in order, and free of repetitions; who sent what is known, and which shard it belongs to';
