create or replace function gnatter.conversation_is_quiet(conversation_id bigint) returns boolean
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select exists (select from (select b.to_seq from gnatter.block b
                                 where b.conversation_id = conversation_is_quiet.conversation_id offset 0) b
                    where b.to_seq is null)
        or exists (select from gnatter.request r where r.conversation_id = conversation_is_quiet.conversation_id)
$$;
comment on function gnatter.conversation_is_quiet(bigint) is
    'whether its two users are told nothing of each other but messages: one blocks, or has not accepted yet. Internal';
