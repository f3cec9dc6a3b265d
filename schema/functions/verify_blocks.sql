create or replace function gnatter.verify_blocks() returns table (conversation text, detail text)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select c.name::text, format('%s blocks from %s to %s, last seq %s', u.name, b.from_seq, b.to_seq, c.last_seq)
      from gnatter.block b
      join gnatter.conversation c on c.conversation_id = b.conversation_id
      join gnatter.user_account u on u.user_id = b.user_id
     where c.kind <> 'direct' or b.from_seq < 1 or b.from_seq > c.last_seq + 1 or b.to_seq > c.last_seq
        or not exists (select from gnatter.member m where m.conversation_id = b.conversation_id and m.user_id = b.user_id)
    union all
    select c.name, format('%s blocks from %s on, and did so before', u.name, b.from_seq)
      from (select i.*, lag(coalesce(i.to_seq, 9223372036854775807))
                        over (partition by i.conversation_id, i.user_id order by i.from_seq) as before_seq
              from gnatter.block i) b
      join gnatter.conversation c on c.conversation_id = b.conversation_id
      join gnatter.user_account u on u.user_id = b.user_id
     where b.from_seq <= b.before_seq
    union all
    select c.name, format('a request waits for %s', u.name)
      from gnatter.request r
      join gnatter.conversation c on c.conversation_id = r.conversation_id
      join gnatter.user_account u on u.user_id = r.user_id
     where c.kind <> 'direct'
        or not exists (select from gnatter.member m where m.conversation_id = r.conversation_id and m.user_id = r.user_id)
$$;
comment on function gnatter.verify_blocks() is
    'verify: blocks are disjoint intervals within the log of a direct conversation, as requests are of one';
