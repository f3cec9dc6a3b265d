create or replace function gnatter.server(out system_id bigint, out timeline bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    select c.system_identifier into system_id from pg_control_system() c;
    timeline := case when pg_is_in_recovery() then 0
                     else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint end;
end
$$;
comment on function gnatter.server() is
    'which server this is: system_id is the same for a primary and its standbys, timeline rises with each promotion; '
    'timeline 0: a standby';
