create or replace function gnatter.push_newest(conversation_id bigint, user_id bigint, after_seq bigint, before_ms bigint)
returns bigint
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select m.seq
      from gnatter.member v
      join gnatter.message m on m.conversation_id = v.conversation_id
       and m.seq >= greatest(push_newest.after_seq + 1, v.joined_seq)
     where v.conversation_id = push_newest.conversation_id and v.user_id = push_newest.user_id and v.left_seq is null
       and m.event_type is null and m.sender_user_id <> push_newest.user_id and m.time_ms <= push_newest.before_ms
       and not exists (select from gnatter.block b
                        where b.conversation_id = m.conversation_id and b.user_id = v.user_id
                          and m.seq between b.from_seq and coalesce(b.to_seq, m.seq))
       and not exists (select from gnatter.request r where r.conversation_id = m.conversation_id)
     order by m.seq desc limit 1
$$;
comment on function gnatter.push_newest(bigint, bigint, bigint, bigint) is
    'the newest message of somebody else above a seq that a present member may be woken for; null: none. Internal';
