-- What the service asks all day long costs what was asked for and not the size of the tables, on a node whose tables were
-- never analyzed: counted are the rows and the blocks that each statement reads, of 6,000 users: any whole table or index
-- for each one asked about is more than the limit.
begin;
\ir fixture.sql
select * from no_plan();
select gnatter.create_users(array(select 'u' || i from generate_series(1, 6000) i), 'p') \g /dev/null
select gnatter.direct_create(array_agg(format('d/%s/%s', least(a, b), greatest(a, b)) order by i), array_agg(true))
  from (select i, ('u' || i) collate "C" as a, ('u' || i % 6000 + 1) collate "C" as b from generate_series(1, 6000) i) t \g /dev/null
set local enable_nestloop = off; -- here it is the test that must not take the whole day
insert into gnatter.message select c.conversation_id, s, 1, m.user_id, d.device_id, 'm' || s, null, 'x'
  from gnatter.conversation c
  join (select distinct on (m.conversation_id) m.conversation_id, m.user_id from gnatter.member m
         order by m.conversation_id, m.user_id) m using (conversation_id)
  join gnatter.device d on d.user_id = m.user_id and d.name = 'p' cross join generate_series(1, 3) s
 where c.name like 'd/u%';
update gnatter.conversation set last_seq = 3, last_time_ms = 1 where name like 'd/u%';
insert into gnatter.mark select conversation_id, user_id, 2, 2 from gnatter.member on conflict do nothing;
insert into gnatter.cursor select m.conversation_id, d.device_id, 2 from gnatter.member m join gnatter.device d using (user_id) on conflict do nothing;
insert into gnatter.push_registration (device_id, user_id, provider)
    select d.device_id, d.user_id, 'webhook' from gnatter.device d where d.name = 'p';
-- a long one
insert into gnatter.message select pg_temp.c('g/kitchen'), s, 1, pg_temp.u('alice'), pg_temp.d('alice:phone'), 'm' || s, null, 'x'
  from generate_series(2, 20000) s;
update gnatter.conversation set last_seq = 20000, last_time_ms = 1 where name = 'g/kitchen';
-- of conversations that nobody asks about
insert into gnatter.block (conversation_id, user_id, from_seq)
select c.conversation_id, (select min(m.user_id) from gnatter.member m where m.conversation_id = c.conversation_id), 9
  from gnatter.conversation c where c.name like 'd/u%' order by c.conversation_id offset 200;
insert into gnatter.request (conversation_id, user_id) select b.conversation_id, b.user_id from gnatter.block b;
create temp table asked as
select array_agg(i.conversation_id order by i.conversation_id) as ids, array_agg(i.name::text) as names, array_agg(i.user_id) as users,
       array_agg(i.device_id) as devices, array_agg(i.client_id) as client_ids, array_agg(2::bigint) as twos,
       array_agg(1::bigint) as ones, array_agg(1) as ints, min(i.device_id) as one
  from (select distinct on (c.conversation_id) c.conversation_id, c.name, m.user_id, d.device_id, u.name || ':' || d.name as client_id
          from gnatter.conversation c join gnatter.member m using (conversation_id) join gnatter.user_account u using (user_id)
          join gnatter.device d on d.user_id = u.user_id and d.name = 'p'
         where c.name like 'd/u%' order by c.conversation_id limit 100) i;
reset enable_nestloop;
create function pg_temp.rows_read() returns bigint language sql
as $$
    select sum(pg_stat_get_xact_tuples_returned(relid) + pg_stat_get_xact_tuples_fetched(relid)
               + coalesce((select sum(pg_stat_get_xact_tuples_returned(x.indexrelid)) from pg_index x where x.indrelid = relid), 0))
      from pg_stat_xact_user_tables where schemaname = 'gnatter'
$$;
create function pg_temp.reads(statement text) returns bigint language plpgsql as $$
declare
    before bigint := pg_temp.rows_read();
begin
    execute 'select count(*) from asked, lateral (' || statement || ') s';
    return pg_temp.rows_read() - before;
end $$;
-- an index that is searched by its second column gives few rows, and costs all its blocks
create function pg_temp.blocks_read() returns bigint language sql
as $$
    select sum(pg_stat_get_xact_blocks_fetched(relid)
               + coalesce((select sum(pg_stat_get_xact_blocks_fetched(x.indexrelid)) from pg_index x where x.indrelid = relid), 0))
      from pg_stat_xact_user_tables where schemaname = 'gnatter'
$$;
create function pg_temp.fetches(statement text) returns bigint language plpgsql as $$
declare
    before bigint := pg_temp.blocks_read();
begin
    execute 'select count(*) from asked, lateral (' || statement || ') s';
    return pg_temp.blocks_read() - before;
end $$;
select cmp_ok(pg_temp.reads('select * from gnatter.device'), '>=', 6000::bigint, 'this test sees what is read');
create temp table hot (name text, statement text);
insert into hot values
    ('device_open', 'select gnatter.device_open(client_ids)'),
    ('device_scan', 'select gnatter.device_scan(devices, 0, 2)'),
    ('device_scan_marks', 'select gnatter.device_scan_marks(devices, ids)'),
    ('device_live', 'select gnatter.device_live(devices)'),
    ('inbox_watch', 'select gnatter.inbox_watch(ids[1:50], 10, 1000)'),
    ('inbox_release', 'select gnatter.inbox_release(10, 10, 1000)'),
    ('timer_sweep', 'select gnatter.timer_sweep(10, 10)'),
    ('push_evaluate', 'select gnatter.push_evaluate(ids[1:50], ''{}'', 0, 3600)'),
    ('push_claim', 'select gnatter.push_claim(''{webhook}'', ''w'', 20, 60000, 3600, ''full'')'),
    ('device_gone', 'select gnatter.device_gone(devices, ones)'),
    ('conversation_load', 'select gnatter.conversation_load(names, array_fill(true, ''{100}''))'),
    ('conversation_members', 'select gnatter.conversation_members(ids)'),
    ('conversation_cursors', 'select gnatter.conversation_cursors(ids)'),
    ('append', 'select gnatter.append(ids, ones, ints, users, devices, array(select ''a'' || i from generate_series(1, 100) i), array_fill(''x''::bytea, ''{100}''))'),
    ('append_careful', 'select gnatter.append_careful(ids, users, devices, array(select ''c'' || i from generate_series(1, 100) i), array_fill(''x''::bytea, ''{100}''))'),
    ('log_page', 'select gnatter.log_page(ids, ones, ints, ints)'),
    ('log_senders', 'select gnatter.log_senders(ids, ones, twos)'),
    ('marks_flush', 'select gnatter.marks_flush(devices, ids, array_fill(3::bigint, ''{100}''), users, ids, array_fill(3::bigint, ''{100}''), twos)'),
    ('cursors_set', 'select gnatter.cursors_set(devices, ids, ones)'),
    ('presence_state', 'select gnatter.presence_state(users[1:3], ''{u1,u2,u3}'', true)'),
    ('history_items', 'select gnatter.history_items(pg_temp.u(''u1''), ''u/u2'', null, null, 10)'),
    ('history_items of a long conversation', 'select gnatter.history_items(pg_temp.u(''bob''), ''g/kitchen'', 10000, null, 10)'),
    ('history_items after, of a long conversation', 'select gnatter.history_items(pg_temp.u(''bob''), ''g/kitchen'', null, 10000, 10)'),
    ('undelivered_seq', 'select gnatter.undelivered_seq(i) from unnest(ids) i'),
    ('rpc conversations', 'select gnatter.rpc(one, ''r1'', ''conversations'', ''{}'')'),
    ('rpc history', 'select gnatter.rpc(pg_temp.d(''u1:p''), ''r2'', ''history'', ''{"conversation":"u/u2"}'')'),
    ('rpc receipts', 'select gnatter.rpc(pg_temp.d(''u1:p''), ''r3'', ''receipts'', ''{"conversation":"u/u2","seq":3}'')'),
    ('rpc devices', 'select gnatter.rpc(one, ''r5'', ''devices'', ''{}'')');
-- 100 are asked about, each by some lookups; a scan has more to look up than others
select cmp_ok(pg_temp.reads(h.statement), '<=', 2000::bigint, h.name || ': reads what was asked for') from hot h;
-- ids of messages and requests are fresh ones; append_careful looks at the other one of a direct conversation, too
select cmp_ok(pg_temp.fetches(replace(replace(h.statement, '|| i', '|| i || ''z'''), '''r', '''z')), '<=',
    case h.name when 'device_scan' then 7000 when 'append_careful' then 4000 else 3000 end::bigint,
    h.name || ': fetches the blocks of what was asked for') from hot h;
-- what an administrator lists costs as much as there is, and not that times itself
insert into gnatter.push_job (device_id, provider) select r.device_id, r.provider from gnatter.push_registration r limit 300 on conflict do nothing;
select cmp_ok(pg_temp.reads('select * from gnatter.push_registrations'), '<=', 200000::bigint, 'push_registrations: each row some times');
select * from finish();
rollback;
