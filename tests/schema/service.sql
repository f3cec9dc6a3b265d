-- Which server this is, and which service is the one.
begin;
\ir fixture.sql
select plan(6);

set role gnatter_service;
select is((select timeline from gnatter.server()), 1::bigint, 'a server that was never promoted is in its first timeline');
reset role;
select is((select system_id from gnatter.server()), (select system_identifier from pg_control_system()),
    'system_id is PostgreSQL''s own');
select is((select holder from gnatter.service_claim()), null, 'nobody else holds the claim');
set role gnatter_service;
select ok((select is_claimed from gnatter.service_claim()), 'who has it gets it again');
reset role;
select is((select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted), 1::bigint,
    'it is the session''s');
select is(current_setting('tcp_keepalives_idle') || current_setting('tcp_user_timeout'),
    case when inet_server_addr() is null then '00' else '1015000' end, 'a holder whose machine is gone is found out');
select * from finish();
rollback;
