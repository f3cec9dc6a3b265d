create or replace function gnatter.rpc_conversations(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    own_name text := (select u.name from gnatter.user_account u where u.user_id = rpc_conversations.user_id);
    result jsonb;
begin
    with membership as (
        -- of several memberships the last one says what she is now
        select distinct on (m.conversation_id) m.conversation_id, m.role, m.joined_seq, m.left_seq
          from gnatter.member m where m.user_id = rpc_conversations.user_id
         order by m.conversation_id, m.joined_seq desc
    ), newest as (
        select c.conversation_id, c.name, case when m.left_seq is null then c.title end as title, c.kind, m.role,
               m.joined_seq, m.left_seq,
               coalesce(m.left_seq, c.last_seq) as last_seq,
               b.from_seq is not null as is_blocked,
               -- a request that was declined waits again when the block has ended
               b.from_seq is null and r.user_id is not null as is_request,
               -- who is blocked does not bring it to the top
               case when b.from_seq is not null
                    then (select i.time_ms from gnatter.message i
                           where i.conversation_id = c.conversation_id and i.seq = b.from_seq - 1)
                    when m.left_seq is null then nullif(c.last_time_ms, 0)
                    else (select i.time_ms from gnatter.message i
                           where i.conversation_id = c.conversation_id and i.seq = m.left_seq) end as last_time
          from membership m
          join gnatter.conversation c on c.conversation_id = m.conversation_id
          left join gnatter.block b
            on b.conversation_id = c.conversation_id and b.user_id = rpc_conversations.user_id and b.to_seq is null
          left join gnatter.request r on r.conversation_id = c.conversation_id and r.user_id = rpc_conversations.user_id
         where c.last_seq > 0
         order by last_time desc nulls last, c.conversation_id
         limit 1000
    ), told as (
        select n.last_time, n.conversation_id, jsonb_build_object(
               'conversation', gnatter.conversation_view(n.name, own_name), 'title', n.title, 'kind', n.kind,
               'last_seq', n.last_seq, 'last_time', n.last_time,
               'delivered_seq', coalesce(k.delivered_seq, 0), 'read_seq', coalesce(k.read_seq, 0),
               'unread', gnatter.unread_count(n.conversation_id, rpc_conversations.user_id, coalesce(k.read_seq, 0)),
               'role', n.role, 'left', n.left_seq is not null)
               || case when n.is_blocked then '{"blocked": true}'::jsonb else '{}' end
               || case when n.is_request then '{"request": true}'::jsonb else '{}' end
               || gnatter.conversation_notes(n.conversation_id, rpc_conversations.user_id, n.joined_seq, n.left_seq) as line
          from newest n
          left join gnatter.mark k on k.conversation_id = n.conversation_id and k.user_id = rpc_conversations.user_id
    ), counted as (
        -- an answer is one message: what would not fit is left out
        select t.*, sum(octet_length(t.line::text) + 2) over (order by t.last_time desc nulls last, t.conversation_id) as bytes
          from told t
    )
    select jsonb_build_object('conversations', coalesce(
               jsonb_agg(c.line order by c.last_time desc nulls last, c.conversation_id), '[]'))
      into result
      from counted c where c.bytes <= 245760;
    return result;
end
$$;
comment on function gnatter.rpc_conversations(bigint, bigint, jsonb) is
    'conversations: the 1,000 with the newest items, newest first; of one that she has left, the last item she may see, without title. '
    'At most 240 KiB of them; blocked and request only where they are true';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('conversations', 'rpc_conversations', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
