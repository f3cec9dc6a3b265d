create or replace function gnatter.remove_bench(prefix text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    item record;
    purged bigint := 0;
begin
    if prefix is null or prefix !~ '^bench-[0-9a-f]{6}$' then
        raise exception 'not the prefix of a bench' using errcode = 'GN006';
    end if;
    if exists (select from gnatter.conversation c where c.name = 'g/' || prefix and c.deleted_at is null) then
        perform gnatter.delete_group(prefix);
    end if;
    for item in select u.name from gnatter.user_account u
                 where starts_with(u.name, prefix || '-') and u.removed_at is null order by u.name
    loop
        perform gnatter.remove_user(item.name);
    end loop;
    for item in select c.name from gnatter.conversation c
                 where (starts_with(c.name, 'd/' || prefix || '-') or c.name = 'g/' || prefix)
                   and c.last_seq >= c.first_seq order by c.conversation_id
    loop
        purged := purged + gnatter.purge_before(null, false, item.name);
    end loop;
    return purged;
end
$$;
comment on function gnatter.remove_bench(text) is
    'ends what create_bench made: the users are removed, the group is deleted, what they wrote is purged; returns how '
    'many items. Their names are not given again. Again: nothing is left to do. GN006';
