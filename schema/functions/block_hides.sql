create or replace function gnatter.block_hides(conversation_id bigint, user_id bigint) returns boolean
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select exists (select from gnatter.block b
                    where b.conversation_id = block_hides.conversation_id and b.user_id <> block_hides.user_id
                      and b.to_seq is null)
$$;
comment on function gnatter.block_hides(bigint, bigint) is
    'whether what this user does in a direct conversation now is withheld from the other one. Internal';
