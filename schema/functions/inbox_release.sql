create or replace function gnatter.inbox_release(users_max int, items_max bigint, bytes_max bigint) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    marked record;
    waiting record;
begin
    for marked in
        select f.user_id from gnatter.inbox_full f order by f.counted_at limit users_max for update skip locked
    loop
        delete from gnatter.inbox_waiting w -- who was removed gets nothing any more
         using gnatter.user_account u
         where w.user_id = marked.user_id and u.user_id = w.user_id and u.removed_at is not null;
        waiting := gnatter.inbox_recount(marked.user_id, items_max);
        -- not at the first one that she has got: each turn loads her conversations again
        if waiting.items < items_max - items_max / 10 and waiting.bytes < bytes_max - bytes_max / 10 then
            delete from gnatter.inbox_full f where f.user_id = marked.user_id;
            perform gnatter.inbox_tell(marked.user_id);
        else
            update gnatter.inbox_full f set counted_at = clock_timestamp() where f.user_id = marked.user_id;
        end if;
    end loop;
    return (select count(*) from gnatter.inbox_full);
end
$$;
comment on function gnatter.inbox_release(int, bigint, bigint) is
    'looks at some of those for whom no more is taken, and takes it again for those who have got a tenth of it; how many '
    'there are then for whom none is';
