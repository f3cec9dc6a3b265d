create or replace function gnatter.service_claim(out is_claimed boolean, out holder_pid int, out holder text)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    key constant int := 451445956;
begin
    -- a holder whose machine is gone is found out in half a minute, and not by the system's two hours
    perform set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
            set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '15000', false);
    -- one asks at a time
    lock table gnatter.claim in share row exclusive mode;
    -- Anybody can take an advisory lock. One that counts is held by who may have got it here; its second half is any
    -- number, so that nobody can be there before. (The bigint is what earlier versions took.)
    select a.pid, a.application_name || ' pid ' || a.pid || coalesce(' at ' || host(a.client_addr), '')
      into holder_pid, holder
      from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.granted
       and l.database = (select d.oid from pg_database d where d.datname = current_database())
       and (l.objsubid = 2 and l.classid::bigint = key or l.objsubid = 1 and l.classid::bigint = 1 and l.objid::bigint = key)
       and has_function_privilege(a.usesysid, 'gnatter.service_claim()', 'execute')
     order by a.pid = pg_backend_pid() desc
     limit 1;
    is_claimed := holder_pid is not distinct from pg_backend_pid() or holder_pid is null;
    if not is_claimed then
        return;
    end if;
    while holder_pid is null and not pg_try_advisory_lock(key, (random() * 2147483647)::int) loop
    end loop;
    holder_pid := null;
    holder := null;
end
$$;
comment on function gnatter.service_claim() is
    'makes the session that asks the one service of this database, until the session ends; where another one is, holder '
    'says which';
