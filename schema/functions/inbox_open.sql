create or replace function gnatter.inbox_open() returns int
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    marked record;
    released int := 0;
begin
    for marked in delete from gnatter.inbox_full f returning f.user_id
    loop
        released := released + 1;
        perform gnatter.inbox_tell(marked.user_id);
    end loop;
    delete from gnatter.inbox_waiting;
    return released;
end
$$;
comment on function gnatter.inbox_open() is 'no quota is configured any more: takes messages for everybody; for how many it was not';
