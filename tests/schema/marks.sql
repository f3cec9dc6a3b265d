-- Marks and cursors: only ever up, never beyond the log; what a device that comes back has to be told.
begin;
\ir fixture.sql
select * from no_plan();
select pg_temp.say('alice:phone', 'g/kitchen', 'm' || i), pg_temp.say('bob:phone', 'd/alice/bob', 'm' || i)
    from generate_series(1, 4) i \g /dev/null
prepare marks as select u.name::text collate "default", k.delivered_seq, k.read_seq from gnatter.mark k
    join gnatter.user_account u using (user_id)
                  where k.conversation_id = pg_temp.c('g/kitchen') order by 1;
prepare behind as select device_id, conversation_name, acked_seq
                    from pg_temp.behind(array[pg_temp.d('alice:phone'), pg_temp.d('bob:phone'),
                        pg_temp.d('dave:phone')], 0, 1);

-- ---- flushing ----
select pg_temp.marked('bob', 'g/kitchen', 2, 0), pg_temp.marked('bob', 'g/kitchen', 1, 1) \g /dev/null
select results_eq('marks', $$ values ('bob', 2::bigint, 1::bigint) $$, 'one rises, the other does not fall');
select pg_temp.marked('bob', 'g/kitchen', 3, 0) \g /dev/null
select results_eq('marks', $$ values ('bob', 3::bigint, 1::bigint) $$, 'the same the other way round');
select pg_temp.marked('bob', 'g/kitchen', 3, 2) \g /dev/null
select results_eq('marks', $$ values ('bob', 3::bigint, 2::bigint) $$, 'a mark');
select changed_at as before from gnatter.mark where user_id = pg_temp.u('bob') \gset
select pg_temp.marked('bob', 'g/kitchen', 2, 1) \g /dev/null
select results_eq('marks', $$ values ('bob', 3::bigint, 2::bigint) $$, 'never goes down');
select is((select changed_at from gnatter.mark where user_id = pg_temp.u('bob')), :'before',
    'what did not change has not changed');
select pg_temp.marked('bob', 'g/kitchen', 1, 4) \g /dev/null
select results_eq('marks', $$ values ('bob', 4::bigint, 4::bigint) $$, 'reading is having');
select cmp_ok((select changed_at from gnatter.mark where user_id = pg_temp.u('bob')), '>', :'before'::timestamptz,
    'and tells when');
select pg_temp.marked('bob', 'g/kitchen', 99, 99) \g /dev/null
select results_eq('marks', $$ values ('bob', 5::bigint, 5::bigint) $$, 'never above the last seq');
select gnatter.marks_flush('{}', '{}', '{}', array[pg_temp.u('carol'), pg_temp.u('alice'), pg_temp.u('carol')],
    array_fill(pg_temp.c('g/kitchen'), '{3}'), '{1,2,3}', '{0,1,1}') \g /dev/null
select results_eq('marks', $$ values ('alice', 2::bigint, 1::bigint), ('bob', 5, 5), ('carol', 3, 1) $$,
    'several, one of them twice');
select lives_ok($$ select gnatter.marks_flush('{}', '{}', '{}', '{}', '{}', '{}', '{}') $$, 'none');
select lives_ok($$ select gnatter.marks_flush('{1}', '{0}', '{1}', '{1}', '{0}', '{1}', '{1}') $$,
    'in a conversation that is not there: nothing');

-- ---- cursors and who is behind ----
select set_eq('behind', $$ values (pg_temp.d('alice:phone'), 'g/kitchen', 0::bigint), (pg_temp.d('alice:phone'),
    'd/alice/bob', 0),
                                  (pg_temp.d('bob:phone'), 'g/kitchen', 0), (pg_temp.d('bob:phone'), 'd/alice/bob',
                                      0) $$, 'without a cursor: from the start');
select pg_temp.acked('alice:phone', 'g/kitchen', 5), pg_temp.acked('bob:phone', 'g/kitchen', 3),
    pg_temp.acked('alice:phone', 'd/alice/bob', 4) \g /dev/null
select set_eq('behind', $$ values (pg_temp.d('bob:phone'), 'g/kitchen', 3::bigint), (pg_temp.d('bob:phone'),
    'd/alice/bob', 0) $$, 'who has all is not behind');
select pg_temp.acked('bob:phone', 'g/kitchen', 2) \g /dev/null
select is((select acked_seq from gnatter.conversation_cursors(array[pg_temp.c('g/kitchen')])
    where user_id = pg_temp.u('bob')), 3::bigint, 'a cursor never goes down');
select pg_temp.acked('bob:phone', 'g/kitchen', 99), pg_temp.acked('bob:phone', 'd/alice/bob', 4) \g /dev/null
select is((select acked_seq from gnatter.conversation_cursors(array[pg_temp.c('g/kitchen')])
    where user_id = pg_temp.u('bob')), 5::bigint, 'nor above the last seq');
select is_empty('behind', 'all have all');
select gnatter.cursors_set(array[pg_temp.d('bob:phone'), pg_temp.d('dave:phone')], array_fill(pg_temp.c('g/kitchen'),
    '{2}'), '{2,0}') \g /dev/null
select set_eq('behind', $$ values (pg_temp.d('bob:phone'), 'g/kitchen', 2::bigint) $$,
    'sync sets it back; one who was never a member has none');
select is((select count(*) from gnatter.cursor where device_id = pg_temp.d('dave:phone')), 0::bigint, 'none at all');
prepare cursor_of as select acked_seq from gnatter.cursor k
    where k.device_id = $1 and k.conversation_id = pg_temp.c('d/alice/bob');
select gnatter.cursors_set(array[pg_temp.d('alice:laptop')], array[pg_temp.c('d/alice/bob')], '{99}') \g /dev/null
select results_eq(format('execute cursor_of(%s)', pg_temp.d('alice:laptop')), '{4}'::bigint[], 'not beyond the last seq');
select gnatter.cursors_set(array[pg_temp.d('alice:laptop')], array[pg_temp.c('d/alice/bob')], '{-1}') \g /dev/null
select results_eq(format('execute cursor_of(%s)', pg_temp.d('alice:laptop')), '{0}'::bigint[], 'nor before the first');
select gnatter.add_device('alice', 'old') as old_device \gset
select gnatter.revoke_device('alice', 'old') \g /dev/null
select gnatter.cursors_set(array[:old_device], array[pg_temp.c('d/alice/bob')], '{1}') \g /dev/null
select is_empty('execute cursor_of(' || :old_device || ')', 'nor of a device that was revoked');
select gnatter.remove_member('kitchen', 'bob') \g /dev/null
select pg_temp.say('alice:phone', 'g/kitchen', 'm5') \g /dev/null
select pg_temp.acked('bob:phone', 'g/kitchen', 5) \g /dev/null
select isnt_empty($$ select * from pg_temp.behind(array[pg_temp.d('bob:phone')], 0, 1) $$,
    'who was put out still gets what she may see');
select pg_temp.acked('bob:phone', 'g/kitchen', 6) \g /dev/null
select is_empty($$ select * from pg_temp.behind(array[pg_temp.d('bob:phone')], 0, 1) $$, 'and then no more');
select is((select count(*) from generate_series(0, 3) s, pg_temp.behind(array[pg_temp.d('alice:laptop')], s, 4)),
    2::bigint,
    'each conversation is in one shard');
select is((select count(*) from pg_temp.behind(array[pg_temp.d('alice:laptop')], (select route % 4
    from gnatter.conversation where name = 'g/kitchen'), 4)
            where conversation_name = 'g/kitchen'), 1::bigint, 'the one of its route');

-- ---- marks that changed while a device was away ----
prepare told as select user_name, conversation_name, delivered_seq, read_seq
    from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1);
update gnatter.device set live_until = '2000-01-01';
select set_eq('told', $$ values ('bob', 'g/kitchen', 5::bigint, 5::bigint), ('carol', 'g/kitchen', 3, 1), ('alice',
    'g/kitchen', 0, 1) $$,
    'others'' marks where she has written, and how far she has read herself');
select is_empty($$ select * from pg_temp.told(array[pg_temp.d('dave:phone')], 0, 1) $$,
    'nothing for who is not there');
select is_empty($$ select * from pg_temp.told(array[pg_temp.d('bob:phone')], 0, 1) where conversation_name = 'g/kitchen' $$,
    'nor for who has left');
select set_eq($$ select user_name from pg_temp.told(array[pg_temp.d('carol:phone')], 0, 1) $$, $$
    values ('carol') $$,
    'who has written nothing there learns only what she has read herself');
select is((select count(*) from generate_series(0, 3) s, pg_temp.told(array[pg_temp.d('alice:phone')], s,
    4)), 3::bigint, 'each in its shard');
update gnatter.device set live_until = now() + '1 day';
select isnt_empty('told', 'what changed since a time to come: nobody knows, and all is told');
update gnatter.device set live_until = clock_timestamp();
select is_empty('told', 'what had not changed since is not told');

-- ---- large groups: counts ----
select gnatter.create_users(array(select 'm' || i from generate_series(1, 40) i), 'p') \g /dev/null
select gnatter.create_group('big', 'alice', array(select 'm' || i from generate_series(1, 32) i)) \g /dev/null
select pg_temp.say('alice:phone', 'g/big', 'm' || i) from generate_series(1, 3) i \g /dev/null
select pg_temp.marked('m1', 'g/big', 4, 4), pg_temp.marked('m2', 'g/big', 4, 0), pg_temp.marked('m3', 'g/big', 3,
    3) \g /dev/null
update gnatter.device set live_until = '2000-01-01';
select results_eq($$ select user_name, counts_seq, delivered_count, read_count
                       from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1)
                           where conversation_name = 'g/big' $$,
    $$ values (null::text, 4::bigint, 2::bigint, 1::bigint) $$, '33 members: counts for her newest message');
update gnatter.user_account set shares_reads = false where name = 'm1';
select results_eq($$ select counts_seq, delivered_count, read_count from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1)
                           where conversation_name = 'g/big' order by 1 $$,
    $$ values (3::bigint, 3::bigint, 1::bigint), (4, 2, 0) $$,
    'the newest that others have read is another one where who has read more does not share it');
update gnatter.user_account set shares_reads = true where name = 'm1';
select gnatter.set_privacy('m1', '{"read_receipts":false}') \g /dev/null
select is((select read_count from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1) where counts_seq = 4), 0::bigint,
    'reads that are not shared are not counted');
select gnatter.set_privacy('m1', '{"read_receipts":true}') \g /dev/null
select pg_temp.marked('m' || i, 'g/big', 4, 0) from generate_series(3, 32) i \g /dev/null
select pg_temp.marked('alice', 'g/big', 4, 4) \g /dev/null
select results_eq($$ select user_name, read_seq, counts_seq, delivered_count
                       from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1)
                           where conversation_name = 'g/big' order by 1 $$,
    $$ values ('alice', 4::bigint, null::bigint, null::bigint), (null::text, null, 4, 32) $$,
    'many marks: the same, and how far she has read herself');
select gnatter.add_device('m1', 'phone'), gnatter.add_device('m4', 'phone') \g /dev/null
update gnatter.device set live_until = '2000-01-01';
select set_eq($$ select user_name, read_seq, counts_seq from pg_temp.told(array[pg_temp.d('m1:phone'), pg_temp.d('m4:phone')], 0, 1) $$,
    $$ values ('m1', 4::bigint, null::bigint) $$, 'who has written nothing there is told of no counts');
update gnatter.mark set changed_at = '1999-01-01' where user_id <> pg_temp.u('alice') and conversation_id = pg_temp.c('g/big');
select results_eq($$ select user_name, counts_seq from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1)
                           where conversation_name = 'g/big' $$,
    $$ values ('alice', null::bigint) $$, 'nor who has, where none changed');
update gnatter.mark set changed_at = now() where conversation_id = pg_temp.c('g/big');
select gnatter.remove_member('big', 'm32') \g /dev/null
select is((select count(*) from pg_temp.told(array[pg_temp.d('alice:phone')], 0, 1)
    where conversation_name = 'g/big' and counts_seq is null),
    33::bigint, '32 members: each one''s marks');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
