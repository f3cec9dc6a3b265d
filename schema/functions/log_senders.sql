create or replace function gnatter.log_senders(ids bigint[], after_seqs bigint[], to_seqs bigint[])
returns table (ord int, user_id bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    return query
    select distinct r.ord::int, m.sender_user_id
      from unnest(ids, after_seqs, to_seqs) with ordinality as r (id, after_seq, to_seq, ord)
      cross join lateral (
          select m.sender_user_id from gnatter.message m
           where m.conversation_id = r.id and m.seq > r.after_seq and m.seq <= r.to_seq and m.event_type is null
          offset 0) m;
end
$$;
comment on function gnatter.log_senders(bigint[], bigint[], bigint[]) is
    'who sent the messages after one seq up to and with another: whom a mark that moved there concerns';
