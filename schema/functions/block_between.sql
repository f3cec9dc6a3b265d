create or replace function gnatter.block_between(user_id bigint, other_id bigint) returns boolean
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select exists (
        select from gnatter.user_account a
          join gnatter.user_account b on b.user_id = block_between.other_id
          join gnatter.conversation c
            on c.name = 'd/' || least(a.name::text collate "C", b.name::text collate "C") || '/'
                             || greatest(a.name::text collate "C", b.name::text collate "C")
         cross join lateral (select k.to_seq from gnatter.block k where k.conversation_id = c.conversation_id offset 0) k
         where a.user_id = block_between.user_id and k.to_seq is null)
$$;
comment on function gnatter.block_between(bigint, bigint) is 'whether one of the two blocks the other now. Internal';
