-- The log: loading, appending, reading.
begin;
\ir fixture.sql
select * from no_plan();

-- ---- conversation_load ----
select results_eq($$ select ord, state, is_group, last_seq, first_seq, membership_version, conversation_id is not null
                       from gnatter.conversation_load(
                           '{g/kitchen,d/alice/bob,g/none,d/alice/zoe,d/alice/alice,d/bob/carol,d/bob/alice,x}',
                                                      '{t,t,t,t,t,f,t,t}') $$,
    $$ values (1, 'ok', true, 1::bigint, 1::bigint, 2::bigint, true), (2, 'ok', false, 0, 1, 1, true), (3,
        'no-such-group', null, null, null, null, false),
              (4, 'no-such-user', null, null, null, null, false), (5, 'ok', false, 0, 1, 1, true), (6, 'no-such-user',
                  null, null, null, null, false),
              (7, 'no-such-user', null, null, null, null, false), (8, 'no-such-user', null, null, null, null, false) $$,
    'loading: direct conversations are made where asked for, by their only name');
select is((select count(*) from gnatter.conversation), 3::bigint, 'nothing else was made');
select is((select count(*) from gnatter.conversation_load('{d/alice/bob,d/alice/bob}', '{t,t}')), 2::bigint,
    'the same name twice');
select is_empty($$ select * from gnatter.conversation_load('{}', '{}') $$, 'nothing');
select results_eq($$ select user_name, joined_seqs, left_seqs, delivered_seq, read_seq
    from gnatter.conversation_members(array[pg_temp.c('d/alice/bob')]) order by 1 $$,
    $$ values ('alice', '{1}'::bigint[], '{0}'::bigint[], 0::bigint, 0::bigint), ('bob', '{1}', '{0}', 0, 0) $$,
        'the two of a direct conversation');
select results_eq($$ select user_name from gnatter.conversation_members(array[pg_temp.c('d/alice/alice')]) $$, $$
    values ('alice') $$,
    'the one of a note to self');

-- ---- append ----
create temp table given as
select pg_temp.c('g/kitchen') as k, pg_temp.c('d/alice/bob') as ab, pg_temp.u('alice') as alice, pg_temp.u('bob')
    as bob, pg_temp.u('dave') as dave,
       pg_temp.d('alice:phone') as phone, pg_temp.d('bob:phone') as bobs, pg_temp.d('dave:phone') as daves;
select results_eq($$ select a.base_seqs, a.times_ms[1] = a.times_ms[2]
    and a.times_ms[1] between gnatter.now_ms() - 10000 and gnatter.now_ms()
                       from given, gnatter.append(array[k, ab], '{2,1}', '{2,1}', array[alice, bob, alice], array[phone,
                           bobs, phone],
                                                  '{m1,m2,m1}', '{one,"",three}') a $$,
    $$ values ('{2,1}'::bigint[], true) $$, 'seqs count on in each conversation, times are now');
select is(pg_temp.log('g/kitchen', 2), '{2 alice:phone m1,3 bob:phone m2}', 'in the order of the items');
select is(pg_temp.log('d/alice/bob'), '{1 alice:phone m1}', 'each in its own log');
select results_eq($$ select a.base_seqs, a.times_ms[1] from given, gnatter.append(array[k, ab], '{1,1}', '{1,1}',
    array[alice, alice],
                            array[phone, phone], '{m3,m3}', '{x,x}') a $$,
    $$ values ('{NULL,2}'::bigint[], null::bigint) $$,
        'another membership version: that group is not appended, the other is');
select is((select base_seqs from given, gnatter.append(array[k, ab], '{2,7}', '{2,1}', array[alice, bob, alice],
    array[phone, bobs, phone],
                                                       '{m4,m4,m4}', '{x,x,x}')), '{4,NULL}',
                                                           'the same the other way round');
select is((select base_seqs from given, gnatter.append(array[k, ab], '{9,9}', '{1,1}', array[alice, bob], array[phone,
    bobs], '{m5,m5}', '{x,x}')),
    '{NULL,NULL}', 'none matches');
select is((select base_seqs from given, gnatter.append(array[k], '{2}', '{3}', array[alice, alice, alice], array[phone,
    phone, phone],
                                                       '{m6,m7,m8}', '{x,x,x}')), '{6}', 'several in one');
select is((select base_seqs from gnatter.append('{0}', '{1}', '{1}', '{1}', '{1}', '{m}', '{x}')), '{NULL}',
    'a conversation that is not there');
select gnatter.create_group('ended', 'alice') \g /dev/null
select gnatter.delete_group('ended') \g /dev/null
prepare to_ended(int) as
    select a.base_seqs from given, gnatter.conversation c,
           gnatter.append(array[c.conversation_id], array[c.membership_version], array[$1], array_fill(alice, array[$1]),
                          array_fill(phone, array[$1]), array(select 'e' || i from generate_series(1, $1) i),
                          array_fill('x'::bytea, array[$1])) a
     where c.name = 'g/ended';
select results_eq('execute to_ended(1)', $$ values ('{NULL}'::bigint[]) $$, 'a deleted group, whatever its version');
select results_eq('execute to_ended(2)', $$ values ('{NULL}'::bigint[]) $$, 'nor several');
select throws_ok($$ select gnatter.append(array[ab, k], '{1,2}', '{1,1}', array[alice, alice], array[phone, phone],
    '{n1,m1}', '{x,x}') from given $$,
    '23505', null, 'a message id that was there');
select is(pg_temp.log('d/alice/bob', 3), null, 'undoes the whole batch');
select throws_ok($$ select gnatter.append(array[k], '{2}', '{1}', array[alice], array[phone], '{m1}', '{x}') from given $$,
    '23505', null, 'a message id that was there, of a message that travels alone');
select is((select base_seqs from given, gnatter.append(array[k], '{7}', '{1}', array[alice], array[phone], '{n1}',
    '{x}')), '{NULL}', 'one alone, for another membership version');
select is(pg_temp.log('g/kitchen', 9), null, 'neither leaves anything');
select throws_ok($$ select gnatter.append(array[k], '{2}', '{2}', array[alice, alice], array[phone, phone], '{n1,n1}',
    '{x,x}') from given $$,
    '23505', null, 'a message id twice in a batch');
select throws_ok($$ select gnatter.append(array[k], '{2}', '{1}', array[alice], array[phone], array[repeat('x', 37)],
    '{x}') from given $$,
    '23514', null, 'a message id that is too long');
update gnatter.conversation set last_time_ms = 9000000000000 where name = 'g/kitchen';
select is((select times_ms from given, gnatter.append(array[k], '{2}', '{1}', array[alice], array[phone], '{n2}',
    '{x}')), '{9000000000000}',
    'time stands still rather than go back');
select is(pg_temp.log('g/kitchen', 4),
    '{4 alice:phone m4,5 bob:phone m4,6 alice:phone m6,7 alice:phone m7,8 alice:phone m8,9 alice:phone n2}',
    'without a gap');
select results_eq($$ select seq, time_ms, sender_user_id = alice, sender_device_id = phone, payload from given,
    gnatter.message where conversation_id = k and seq = 9 $$, $$ values (9::bigint, 9000000000000, true, true, 'x'::bytea) $$,
    'with all that belongs to it');
select is((select count(*) from gnatter.append('{}', '{}', '{}', '{}', '{}', '{}', '{}')), 1::bigint,
    'nothing to append');

-- ---- append_careful ----
select results_eq($$ select ord, state, seq, time_ms is not null from given, gnatter.append_careful(array[k, ab, k, k,
    k, ab, 0],
        array[alice, alice, dave, bob, alice, dave, alice], array[phone, phone, daves, bobs, phone, daves, phone],
        '{m1,c1,c1,c1,c1,c1,c1}', '{x,x,x,x,x,x,x}') $$,
    $$ values (1, 'duplicate', 2::bigint, true), (2, 'new', 3, true), (3, 'not-member', null, false), (4, 'new', 10,
        true), (5, 'new', 11, true),
              (6, 'not-member', null, false), (7, 'not-member', null, false) $$, 'carefully: each item by itself');
select is(pg_temp.say('alice:phone', 'g/kitchen', 'c1'), 'duplicate', 'the same again');
select gnatter.remove_member('kitchen', 'bob') \g /dev/null
select is(pg_temp.say('bob:phone', 'g/kitchen', 'c1'), 'duplicate',
    'what was accepted stays accepted when the sender has left');
select is(pg_temp.say('bob:phone', 'g/kitchen', 'c2'), 'not-member', 'but nothing new');
select is((select array_agg(time_ms) from given, gnatter.append_careful(array[k], array[alice], array[phone], '{c1}',
    '{x}')), '{9000000000000}',
    'a duplicate has the time it had');

-- ---- log_page ----
select results_eq($$ select ord, seq from given, gnatter.log_page(array[ab, k, k, k], '{1,3,11,99}',
    '{10,2,10,10}', '{1000,1000,1000,1000}') $$,
    $$ values (1, 2::bigint), (1, 3), (2, 4), (2, 5), (3, 12) $$, 'pages, cut at items');
select pg_temp.say('alice:phone', 'd/alice/carol', 'b' || i, repeat('x', 100)) from generate_series(1, 5) i \g /dev/null
select is((select array_agg(seq) from gnatter.log_page(array[pg_temp.c('d/alice/carol')], '{0}', '{10}', '{250}')),
    '{1,2}', 'cut at bytes');
select is((select array_agg(seq) from gnatter.log_page(array[pg_temp.c('d/alice/carol')], '{0}', '{10}', '{300}')),
    '{1,2,3}', 'bytes are all used');
select is((select array_agg(seq) from gnatter.log_page(array[pg_temp.c('d/alice/carol')], '{2}', '{10}', '{1}')), '{3}',
    'but never below one item');
select results_eq($$ select ord, seq from given, gnatter.log_page(array[pg_temp.c('d/alice/carol'), k], '{0,3}', '{10,2}',
    '{250,1000}') $$, $$ values (1, 1::bigint), (1, 2), (2, 4), (2, 5) $$, 'each request at its own');
select results_eq($$ select sender_user_id, sender_device_id, sender, message_id, event_type,
    convert_from(payload, 'UTF8') collate "default"
                       from given, gnatter.log_page(array[k], '{0}', '{2}', '{100000}') limit 2 $$,
    $$ select null::bigint, null::bigint, null, null, 'created',
        '{"title":"The kitchen","members":[{"user":"alice","role":"owner"},{"user":"bob","role":"member"},'
        '{"user":"carol","role":"member"}]}'
       union all select alice, phone, 'alice:phone', 'm1', null, 'one' from given $$,
           'an event and a message, complete');
select results_eq($$ select sender_device_id, sender from given, gnatter.log_page(array[k], '{1}', '{3}', '{1000}',
    array[phone]) $$, $$ select m.sender_device_id, case when m.sender_device_id <> phone then (u.name || ':' || d.name) collate "default" end
                           from given, gnatter.message m join gnatter.device d on d.device_id = m.sender_device_id
                           join gnatter.user_account u on u.user_id = d.user_id
                          where m.conversation_id = k and m.seq between 2 and 4 order by m.seq $$,
    'a sender that is known is not named again');

-- ---- log_senders ----
select set_eq($$ select ord, user_id from given, gnatter.log_senders(array[k, k, k], '{1,5,11}', '{5,9,12}') $$,
              $$ select 1, alice from given union all select 1, bob from given union all select 2, alice from given $$,
                  'who wrote in which stretch');

-- ---- deleting ----
select is(gnatter.delete_message('g/kitchen', 2), 13::bigint, 'deleting a message is an event');
select is(pg_temp.log('g/kitchen', 13), '{"13 - message-deleted {\"seq\":2}"}', 'at the end');
select results_eq($$ select seq, sender_device_id, sender, message_id, event_type, convert_from(payload,
    'UTF8') collate "default" from given, gnatter.log_page(array[k], '{1}', '{1}', '{1}') $$,
    $$ values (2::bigint, null::bigint, null::text, null::text, 'message-deleted', '{"seq":2}') $$,
        'and in its place, where nothing is left of it');
select is(gnatter.delete_message('g/kitchen', 2), 13::bigint, 'again: the same event');
select is((select last_seq from gnatter.conversation where name = 'g/kitchen'), 13::bigint, 'and no other');
select is(pg_temp.say('alice:phone', 'g/kitchen', 'm1'), 'duplicate', 'sending it again does not bring it back');
select throws_ok($$ select gnatter.delete_message('g/kitchen', 1) $$, 'GN006', null, 'an event stays');
select throws_ok($$ select gnatter.delete_message('g/kitchen', 13) $$, 'GN006', null, 'also the one of a deletion');
select throws_ok($$ select gnatter.delete_message('g/kitchen', 99) $$, 'GN006', null, 'what is not there');
select throws_ok($$ select gnatter.delete_message('g/none', 1) $$, 'GN003', null, 'where nothing is');
select is(gnatter.delete_message('d/alice/bob', 1), 4::bigint, 'in a direct conversation');

-- ---- the view ----
select is(array(select concat_ws(' ', seq, kind, sender_user, sender_device, message_id, payload_bytes)
    from gnatter.messages where conversation = 'd/alice/bob' order by seq),
    '{1 event 9,2 chat alice phone m3 1,3 chat alice phone c1 1,4 event 9}', 'the view messages');
select is((select event from gnatter.messages where conversation = 'g/kitchen' and seq = 13), '{"seq": 2}',
    'shows events');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
