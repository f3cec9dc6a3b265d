-- Retention: only when called, from the start of a log, and what is left says where it starts.
begin;
\ir fixture.sql
select * from no_plan();
select pg_temp.say('alice:phone', 'g/kitchen', 'm' || i), pg_temp.say('alice:phone', 'd/alice/bob', 'm' || i)
    from generate_series(1, 6) i \g /dev/null
update gnatter.message set time_ms = time_ms - 86400000 where seq <= 4;
prepare kept as select c.name::text collate "default", c.first_seq, c.last_seq, (select min(seq) from gnatter.message m
    where m.conversation_id = c.conversation_id)
                  from gnatter.conversation c order by 1;

select throws_ok('select gnatter.purge()', 'GN006', null, 'purge what');
select throws_ok('select gnatter.purge(delivered_to_all => null)', 'GN006', null, 'purge nothing');
select throws_ok($$ select gnatter.purge('-1 day') $$, 'GN006', 'older_than is an age, not -1 days', 'what is not written yet');
select throws_ok($$ select gnatter.purge('1 hour', conversation => 'g/kitchn') $$, 'GN003', 'no such conversation: g/kitchn',
    'where there is nothing');
select is(gnatter.purge('2 days'), 0::bigint, 'nothing is old enough');
select is(gnatter.purge('1 hour', conversation => 'd/alice/bob'), 4::bigint, 'by age, one conversation');
select results_eq('kept', $$ values ('d/alice/bob', 5::bigint, 6::bigint, 5::bigint), ('g/kitchen', 1, 7, 1) $$,
    'the other is as it was');
select is((select first_seq from gnatter.conversation_load('{d/alice/bob}', '{t}')), 5::bigint,
    'loading tells where it starts');
select is((select array_agg(seq) from gnatter.log_page(array[pg_temp.c('d/alice/bob')], '{0}', '{10}', '{1000}')),
    '{5,6}', 'so does reading');
select is(gnatter.purge('1 hour'), 4::bigint, 'all conversations');
select is(gnatter.purge('1 hour'), 0::bigint, 'again: nothing left');
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.ask('bob:phone', 'history', '{"conversation": "u/alice", "after": 0}') #>> '{result,first_seq}', '5',
    'history starts there');
select is(pg_temp.ask('alice:phone', 'message.delete', '{"conversation": "u/bob", "seq": 2}') #>> '{error,code}',
    'bad-request', 'what is gone cannot be deleted');

-- ---- delivered to everybody ----
select is(gnatter.purge(delivered_to_all => true), 0::bigint, 'nobody has acknowledged anything');
select pg_temp.acked(d, 'g/kitchen', a) from (values ('alice:phone', 7), ('alice:laptop', 6), ('bob:phone', 7),
    ('carol:phone', 5)) as t (d, a) \g /dev/null
select is(gnatter.purge('1 hour', true), 0::bigint, 'both: what is young stays, delivered or not');
select is(gnatter.purge(delivered_to_all => true), 1::bigint, 'up to where the last device is');
select is((select first_seq from gnatter.conversation where name = 'g/kitchen'), 6::bigint, 'and no further');
select gnatter.remove_member('kitchen', 'carol') \g /dev/null
select is(gnatter.purge(delivered_to_all => true), 0::bigint, 'who was put out has still to get what was before');
select pg_temp.acked('carol:phone', 'g/kitchen', 8) \g /dev/null
select is(gnatter.purge(delivered_to_all => true), 1::bigint, 'when she has, it may go');
select gnatter.revoke_device('alice', 'laptop') \g /dev/null
select is(gnatter.purge(delivered_to_all => true), 1::bigint, 'a revoked device does not count');
select is(gnatter.purge('1 hour', true), 0::bigint, 'both: old and delivered');
select pg_temp.acked('alice:phone', 'g/kitchen', 8), pg_temp.acked('bob:phone', 'g/kitchen', 8) \g /dev/null
select is(gnatter.purge(delivered_to_all => true), 1::bigint, 'everything');
select results_eq('kept', $$ values ('d/alice/bob', 5::bigint, 6::bigint, 5::bigint), ('g/kitchen', 9, 8, null) $$,
    'an empty log goes on from its last seq');
select is(gnatter.purge_before(null, false, null), 2::bigint, 'whatever their age');
select is(pg_temp.say('alice:phone', 'g/kitchen', 'n1'), '9', 'with the next one');
select is(pg_temp.say('alice:phone', 'g/kitchen', 'm1'), '10',
    'what was purged is forgotten: the same id is a new message');
select gnatter.add_member('kitchen', 'dave') \g /dev/null
select pg_temp.say('alice:phone', 'g/kitchen', 'n2') \g /dev/null
select pg_temp.acked('alice:phone', 'g/kitchen', 12), pg_temp.acked('bob:phone', 'g/kitchen', 12) \g /dev/null
select is(gnatter.purge(delivered_to_all => true), 2::bigint, 'who joined later has nothing to get from before');
select is((select first_seq from gnatter.conversation where name = 'g/kitchen'), 11::bigint,
    'but everything from then on');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
