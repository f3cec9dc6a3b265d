-- What the service asks all day long finds everything by an index, also where the planner has not seen the tables yet:
-- counted are the sequential scans of the big tables while each statement runs.
begin;
\ir fixture.sql
select * from no_plan();
select gnatter.create_users(array(select 'u' || i from generate_series(1, 400) i), 'p') \g /dev/null
select gnatter.direct_create(array_agg(format('d/%s/%s', least(a, b), greatest(a, b)) order by i), array_agg(true))
  from (select i, ('u' || i) collate "C" as a, ('u' || i % 400 + 1) collate "C" as b from generate_series(1,
      400) i) t \g /dev/null
select gnatter.create_group('big', 'alice', array(select 'u' || i from generate_series(1, 300) i)) \g /dev/null
insert into gnatter.message select c.conversation_id, s, 1, m.user_id, d.device_id, 'm' || s, null, 'x'
  from gnatter.conversation c
  join lateral (select * from gnatter.member m where m.conversation_id = c.conversation_id limit 1) m on true
  join gnatter.device d on d.user_id = m.user_id and d.name in ('p', 'phone') cross join generate_series(2, 20) s;
update gnatter.conversation set last_seq = 20, last_time_ms = 1;
insert into gnatter.message select conversation_id, 1, 1, null, null, null, 'renamed', '{}' from gnatter.conversation
    on conflict do nothing;
insert into gnatter.mark select conversation_id, user_id, 5, 5 from gnatter.member;
insert into gnatter.cursor select m.conversation_id, d.device_id, 5 from gnatter.member m join gnatter.device d
    using (user_id) on conflict do nothing;

insert into gnatter.push_registration (device_id, user_id, provider)
    select d.device_id, d.user_id, 'webhook' from gnatter.device d where d.name = 'p';

create temp table asked as
select array(select conversation_id from gnatter.conversation order by 1 limit 20) as ids, array(select name::text
    from gnatter.conversation order by 1 limit 20) as names,
       array(select device_id from gnatter.device order by 1 limit 20) as devices, array(select user_id
           from gnatter.device order by 1 limit 20) as users,
       array_fill(1::bigint, '{20}') as ones, array_fill(1, '{20}') as ints, pg_temp.d('u1:p') as u1;
create function pg_temp.scans() returns jsonb language sql
as $$
    select jsonb_object_agg(relname, pg_stat_get_xact_numscans(relid)) from pg_stat_xact_user_tables
     where schemaname = 'gnatter' and relname in ('user_account', 'device', 'conversation', 'member', 'mark', 'cursor',
         'message', 'rpc_answer')
$$;
create function pg_temp.scanned(statement text) returns jsonb language plpgsql as $$
declare
    before jsonb := pg_temp.scans();
begin
    execute 'select count(*) from asked, lateral (' || statement || ') s';
    return (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(pg_temp.scans())
        where value <> before -> key);
end $$;
select is(pg_temp.scanned('select * from gnatter.message'), '{"message": 1}', 'this test sees a sequential scan');
create temp table hot (name text, statement text);
insert into hot values
    ('device_open', 'select gnatter.device_open(''{u1:p,u2:p,u3:p}'')'),
    ('conversation_load',
        'select gnatter.conversation_load(names || ''{d/u1/u5,d/u2/u9}'', array_fill(true, ''{22}''))'),
    ('conversation_members', 'select gnatter.conversation_members(ids)'),
    ('conversation_cursors', 'select gnatter.conversation_cursors(ids)'),
    ('append', 'select gnatter.append(ids, ones, ints, users, devices, array(select ''a'' || i
         from generate_series(1, 20) i), array_fill(''x''::bytea, ''{20}''))'),
    ('append, one alone', 'select gnatter.append(ids[1:1], ones[1:1], ints[1:1], users[1:1], devices[1:1], ''{alone}'',
         ''{x}'')'),
    ('append, none matching',
        'select gnatter.append(ids, array_fill(99::bigint, ''{20}''), ints, users, devices,
         array(select ''b'' || i from generate_series(1, 20) i), array_fill(''x''::bytea, ''{20}''))'),
    ('append_careful', 'select gnatter.append_careful(ids, users, devices, array(select ''c'' || i
         from generate_series(1, 20) i), array_fill(''x''::bytea, ''{20}''))'),
    ('log_page', 'select gnatter.log_page(ids, ones, ints, ints)'),
    ('log_senders', 'select gnatter.log_senders(ids, ones, array_fill(9::bigint, ''{20}''))'),
    ('marks_flush', 'select gnatter.marks_flush(devices, ids, array_fill(7::bigint, ''{20}''), users, ids,
         array_fill(7::bigint, ''{20}''), array_fill(7::bigint, ''{20}''))'),
    ('cursors_set', 'select gnatter.cursors_set(devices, ids, ones)'),
    ('device_scan', 'select gnatter.device_scan(devices, 0, 2)'),
    ('device_scan_marks', 'select gnatter.device_scan_marks(devices, ids)'),
    ('device_live', 'select gnatter.device_live(devices)'),
    ('inbox_watch', 'select gnatter.inbox_watch(ids, 10, 1000)'),
    ('inbox_release', 'select gnatter.inbox_release(10, 10, 1000)'),
    ('timer_sweep', 'select gnatter.timer_sweep(10, 10)'),
    ('push_evaluate', 'select gnatter.push_evaluate(ids, devices, 0, 3600)'),
    ('push_claim', 'select gnatter.push_claim(''{webhook}'', ''w'', 20, 60000, 3600, ''full'')'),
    ('device_gone', 'select gnatter.device_gone(devices, ones)'),
    ('presence_state', 'select gnatter.presence_state(users[1:3], ''{u1,u2,u3}'', true)'),
    ('history_items', 'select gnatter.history_items(users[1], ''g/big'', null, null, 10)'),
    ('rpc conversations', 'select gnatter.rpc(u1, ''r1'', ''conversations'', ''{}'')'),
    ('rpc history', 'select gnatter.rpc(u1, ''r2'', ''history'', ''{"conversation":"u/u2"}'')'),
    ('rpc receipts', 'select gnatter.rpc(u1, ''r3'', ''receipts'', ''{"conversation":"u/u2","seq":3}'')'),
    ('rpc devices', 'select gnatter.rpc(u1, ''r5'', ''devices'', ''{}'')');
select is(pg_temp.scanned(h.statement), '{}', h.name || ': tables that were never analyzed') from hot h;
analyze;
select is(pg_temp.scanned(replace(replace(h.statement, '|| i', '|| i || ''x'''), '''r', '''q')), '{}',
    h.name || ': analyzed') from hot h;
select * from finish();
rollback;
