-- What bench mode makes in the database, and that nothing of it stays usable.
begin;
\ir fixture.sql
select plan(17);

select throws_ok($$ select gnatter.create_bench('alice', 3) $$, 'GN006', null, 'a prefix that could be somebody''s');
select throws_ok($$ select gnatter.create_bench('bench-0A1B2C', 3) $$, 'GN006', null, 'a prefix that is no name');
select throws_ok($$ select gnatter.create_bench(null, 3) $$, 'GN006', null, 'no prefix');
select throws_ok($$ select gnatter.create_bench('bench-0a1b2c', 0) $$, 'GN006', null, 'no users');
select throws_ok($$ select gnatter.create_bench('bench-0a1b2c', null) $$, 'GN006', null, 'how many?');
select throws_ok($$ select gnatter.remove_bench('bench-') $$, 'GN006', null, 'only a whole prefix is removed');
select throws_ok($$ select gnatter.remove_bench(null) $$, 'GN006', null, 'nothing to remove');

select gnatter.create_user('bench-0a1b2'), gnatter.create_bench('bench-0a1b2c', 3) \g /dev/null
select set_eq($$ select user_name || ':' || device_name, ack_mode from gnatter.devices where user_name like 'bench-%' $$,
    $$ select format('bench-0a1b2c-%s-%s:d', side, n), 'auto' from unnest('{pub,sub}'::text[]) as side,
        generate_series(1, 3) as n $$, 'each side has its users, whose devices acknowledge by themselves');
select set_eq($$ select user_name from gnatter.members where group_name = 'bench-0a1b2c' $$,
    $$ select format('bench-0a1b2c-%s-%s', side, n) from unnest('{pub,sub}'::text[]) as side,
        generate_series(1, 3) as n $$, 'a group for all of them');
select throws_ok($$ select gnatter.create_bench('bench-0a1b2c', 3) $$, 'GN004', null, 'once');
select is(pg_temp.say('bench-0a1b2c-pub-1:d', 'd/bench-0a1b2c-pub-1/bench-0a1b2c-sub-1', 'm' || n), n::text, 'a message')
  from generate_series(1, 2) as n;

select is(gnatter.remove_bench('bench-0a1b2c') >= 4, true, 'removed, with what was written');
select is_empty($$ select from gnatter.message m join gnatter.conversation c using (conversation_id)
    where c.name like '%bench-%' $$, 'no message stays');
select is_empty($$ select ack_auto from gnatter.device_open('{bench-0a1b2c-pub-1:d,bench-0a1b2c-sub-3:d}') $$,
    'no device is known any more');
select is((select removed_at from gnatter.users where user_name = 'bench-0a1b2'), null, 'others stay as they were');
select is(gnatter.remove_bench('bench-0a1b2c'), 0::bigint, 'again: nothing is left');
rollback;
