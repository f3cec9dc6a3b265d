create or replace function gnatter.conversation_members(ids bigint[])
returns table (conversation_id bigint, user_id bigint, user_name text, joined_seqs bigint[], left_seqs bigint[],
               delivered_seq bigint, read_seq bigint, block_from_seqs bigint[], block_to_seqs bigint[],
               shares_reads boolean, is_asked boolean, is_full boolean)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select g.conversation_id, g.user_id, u.name::text, g.joined_seqs, g.left_seqs,
           coalesce(k.delivered_seq, 0), coalesce(k.read_seq, 0), b.from_seqs, b.to_seqs, u.shares_reads,
           r.user_id is not null, x.user_id is not null or u.is_removed
      from (select m.conversation_id, m.user_id,
                   array_agg(m.joined_seq order by m.joined_seq) as joined_seqs,
                   array_agg(coalesce(m.left_seq, 0) order by m.joined_seq) as left_seqs
              from gnatter.member m
             where m.conversation_id = any (ids)
             group by m.conversation_id, m.user_id offset 0) g
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select u.name, u.shares_reads, u.removed_at is not null as is_removed
            from gnatter.user_account u where u.user_id = g.user_id offset 0) u
      left join lateral (
          select k.delivered_seq, k.read_seq from gnatter.mark k
           where k.conversation_id = g.conversation_id and k.user_id = g.user_id offset 0) k on true
      -- few have any: found for all conversations at once
      left join (select b.conversation_id, b.user_id, array_agg(b.from_seq order by b.from_seq) as from_seqs,
                        array_agg(coalesce(b.to_seq, 0) order by b.from_seq) as to_seqs
                   from gnatter.block b where b.conversation_id = any (ids)
                  group by b.conversation_id, b.user_id offset 0) b
        on b.conversation_id = g.conversation_id and b.user_id = g.user_id
      left join (select r.conversation_id, r.user_id from gnatter.request r
                  where r.conversation_id = any (ids) offset 0) r
        on r.conversation_id = g.conversation_id and r.user_id = g.user_id
      left join lateral (select x.user_id from gnatter.inbox_full x where x.user_id = g.user_id offset 0) x on true
     order by g.conversation_id, g.user_id;
end
$$;
comment on function gnatter.conversation_members(bigint[]) is
    'everybody who is or was in these conversations: intervals of seq (left 0: a member still), marks, '
    'blocks (to 0: still), whether she shares what she has read, whether it waits for her as a request, and whether '
    'no more direct messages are taken for her: too much waits, or she was removed';
