create or replace function gnatter.verify_marks() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select c.name, format('marks of %s: delivered %s, read %s, last seq %s', u.name, k.delivered_seq, k.read_seq,
                          c.last_seq)
      from gnatter.mark k
      left join gnatter.conversation c on c.conversation_id = k.conversation_id
      left join gnatter.user_account u on u.user_id = k.user_id
     where c.name is null or u.name is null or k.read_seq < 0 or k.read_seq > k.delivered_seq
        or k.delivered_seq > c.last_seq
    union all
    select c.name, format('cursor of device %s: %s, last seq %s', k.device_id, k.acked_seq, c.last_seq)
      from gnatter.cursor k
      left join gnatter.conversation c on c.conversation_id = k.conversation_id
      left join gnatter.device d on d.device_id = k.device_id
     where c.name is null or d.device_id is null or k.acked_seq > c.last_seq
    union all
    select c.name, format('%s has marks and never was a member', u.name)
      from gnatter.mark k
      join gnatter.conversation c on c.conversation_id = k.conversation_id
      join gnatter.user_account u on u.user_id = k.user_id
     where not exists (select from gnatter.member m
                        where m.conversation_id = k.conversation_id and m.user_id = k.user_id)
$$;
comment on function gnatter.verify_marks() is
    'verify: read <= delivered <= last seq, cursors <= last seq, marks only of members';
