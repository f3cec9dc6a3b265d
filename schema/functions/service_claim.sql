create or replace function gnatter.service_claim(out is_claimed boolean, out holder_pid int, out holder text)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    key constant bigint := 4746413252;
begin
    -- a holder whose machine is gone is found out in half a minute, and not by the system's two hours
    perform set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
            set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '15000', false);
    is_claimed := pg_try_advisory_lock(key);
    if not is_claimed then
        select a.pid, a.application_name || ' pid ' || a.pid || coalesce(' at ' || host(a.client_addr), '')
          into holder_pid, holder
          from pg_locks l join pg_stat_activity a on a.pid = l.pid
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1
           and l.database = (select d.oid from pg_database d where d.datname = current_database())
           and l.classid::bigint << 32 | l.objid::bigint = key
         limit 1;
    end if;
end
$$;
comment on function gnatter.service_claim() is
    'makes the session that asks the one service of this database, until the session ends; where another one is, holder '
    'says which';
