create or replace function gnatter.block_covers(conversation_id bigint, user_id bigint, seq bigint) returns boolean
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select exists (select from gnatter.block b
                    where b.conversation_id = block_covers.conversation_id and b.user_id = block_covers.user_id
                      and block_covers.seq between b.from_seq and coalesce(b.to_seq, block_covers.seq))
$$;
comment on function gnatter.block_covers(bigint, bigint, bigint) is
    'whether what somebody else did at this seq is withheld from this user. Internal';
