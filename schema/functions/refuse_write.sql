create or replace function gnatter.refuse_write() returns trigger
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    raise exception 'gnatter.% is only read: no %', tg_table_name, lower(tg_op)
        using errcode = 'GN006', hint = 'Call ' || tg_argv[0] || '.';
end
$$;
comment on function gnatter.refuse_write() is
    'DML on a view that is only read: its argument says which functions to call instead. GN006; internal';
