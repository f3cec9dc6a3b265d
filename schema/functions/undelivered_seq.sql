create or replace function gnatter.undelivered_seq(conversation_id bigint) returns bigint
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select coalesce(min(greatest(coalesce(k.acked_seq, 0) + 1,
                                 (select min(v.joined_seq) from gnatter.member v
                                   where v.conversation_id = m.conversation_id and v.user_id = m.user_id
                                     and coalesce(v.left_seq, 9223372036854775807) > coalesce(k.acked_seq, 0)))),
                    (select c.last_seq + 1 from gnatter.conversation c
                      where c.conversation_id = undelivered_seq.conversation_id))
      from (select m.conversation_id, m.user_id,
                   case when bool_or(m.left_seq is null) then null else max(m.left_seq) end as visible_to
              from gnatter.member m where m.conversation_id = undelivered_seq.conversation_id
             group by m.conversation_id, m.user_id) m
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select d.device_id from gnatter.device d where d.user_id = m.user_id and d.removed_at is null offset 0) d
      left join lateral (
          select k.acked_seq from gnatter.cursor k
           where k.conversation_id = m.conversation_id and k.device_id = d.device_id offset 0) k on true
     where coalesce(k.acked_seq, 0) < coalesce(m.visible_to, 9223372036854775807)
$$;
comment on function gnatter.undelivered_seq(bigint) is
    'the first seq that some device of somebody who may see it has not acknowledged; last_seq + 1 when there is none. '
    'Internal';
