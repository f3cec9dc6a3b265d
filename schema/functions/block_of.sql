create or replace function gnatter.block_of(conversation_id bigint, user_id bigint) returns boolean
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select exists (select from gnatter.block b
                    where b.conversation_id = block_of.conversation_id and b.user_id = block_of.user_id
                      and b.to_seq is null)
$$;
comment on function gnatter.block_of(bigint, bigint) is 'whether this user blocks the other one of a direct conversation now. Internal';
