create or replace function gnatter.verify_members() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select c.name, format('%s joined at %s, left at %s, last seq %s', u.name, m.joined_seq, m.left_seq, c.last_seq)
      from gnatter.member m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
      join gnatter.user_account u on u.user_id = m.user_id
     where m.joined_seq < 1 or m.left_seq < m.joined_seq or m.left_seq > c.last_seq
        or (c.kind = 'group' and m.joined_seq > c.last_seq)
        or (c.kind = 'direct' and (m.joined_seq <> 1 or m.left_seq is not null))
        or (c.deleted_at is not null and m.left_seq is null)
    union all
    select c.name, format('%s joined at %s without having left', u.name, m.joined_seq)
      from (select i.*, lag(coalesce(i.left_seq, 9223372036854775807))
                        over (partition by i.conversation_id, i.user_id order by i.joined_seq) as before_seq
              from gnatter.member i) m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
      join gnatter.user_account u on u.user_id = m.user_id
     where m.joined_seq <= m.before_seq
    union all
    select c.name, 'the members are not those of its name'
      from gnatter.conversation c
     where c.kind = 'direct'
       and (select array_agg(u.name::text order by u.name)
              from gnatter.member m join gnatter.user_account u on u.user_id = m.user_id
             where m.conversation_id = c.conversation_id)
           is distinct from (select array_agg(distinct p.name)
                               from unnest(string_to_array(substr(c.name, 3), '/') collate "C") p (name))
    union all
    select c.name, 'has members and no owner'
      from gnatter.conversation c
     where c.kind = 'group' and c.deleted_at is null
       and exists (select from gnatter.member m where m.conversation_id = c.conversation_id and m.left_seq is null)
       and not exists (select from gnatter.member m where m.conversation_id = c.conversation_id and m.left_seq is null
                          and m.role = 'owner')
    union all
    select c.name, format('%s was removed and is a member still', u.name)
      from gnatter.member m
      join gnatter.conversation c on c.conversation_id = m.conversation_id
      join gnatter.user_account u on u.user_id = m.user_id
     where c.kind = 'group' and m.left_seq is null and u.removed_at is not null
    union all
    select c.name, format('item %s is of %s, who was not a member', i.seq, u.name)
      from gnatter.message i
      join gnatter.conversation c on c.conversation_id = i.conversation_id
      join gnatter.user_account u on u.user_id = i.sender_user_id
     where i.event_type is null
       and not exists (select from gnatter.member m where m.conversation_id = i.conversation_id
                          and m.user_id = i.sender_user_id
                          and i.seq between m.joined_seq and coalesce(m.left_seq, i.seq))
$$;
comment on function gnatter.verify_members() is
    'verify: memberships are disjoint intervals within the log, groups have an owner, messages are of members';
