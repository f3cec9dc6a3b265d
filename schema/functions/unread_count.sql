create or replace function gnatter.unread_count(conversation_id bigint, user_id bigint, read_seq bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    unread bigint;
    -- asked first, so that who blocks nobody pays nothing for it
    has_blocked boolean := exists (select from gnatter.block b where b.conversation_id = unread_count.conversation_id
                                      and b.user_id = unread_count.user_id);
begin
    select count(*) into unread
      from (select from gnatter.member v
              join gnatter.message m on m.conversation_id = v.conversation_id
                   and m.seq >= greatest(v.joined_seq, unread_count.read_seq + 1)
                   and m.seq <= coalesce(v.left_seq, 9223372036854775807)
             where v.conversation_id = unread_count.conversation_id and v.user_id = unread_count.user_id
               and m.event_type is null and m.sender_user_id <> unread_count.user_id
               and not (has_blocked and gnatter.block_covers(m.conversation_id, v.user_id, m.seq))
             limit 10000) counted;
    return unread;
end
$$;
comment on function gnatter.unread_count(bigint, bigint, bigint) is
    'messages of others above a seq that a user may see; counting ends at 10,000. Internal';
