-- Groups by the administrator's functions and by DML: every change is an event with its seq, and the roles hold.
begin;
\ir fixture.sql
select * from no_plan();

-- ---- made ----
select is(pg_temp.log('g/kitchen'),
    array['1 - created {"title":"The kitchen","members":[{"user":"alice","role":"owner"},'
    '{"user":"bob","role":"member"},{"user":"carol","role":"member"}]}'],
        'created, with its members, the owner among them');
select is(gnatter.create_group('g2', 'bob', '{bob,alice,alice}', null), 'g2',
    'repeated members and the owner are ignored');
select is(pg_temp.log('g/g2'),
    array['1 - created {"title":null,"members":[{"user":"bob","role":"owner"},{"user":"alice","role":"member"}]}'],
    'in the order given');
select throws_ok($$ select gnatter.create_group('kitchen', 'alice') $$, 'GN004', null, 'a group once');
select throws_ok($$ select gnatter.create_group('g3', 'nobody') $$, 'GN002', null, 'an owner who is nobody');
select throws_ok($$ select gnatter.create_group('g3', 'alice', '{bob,nobody}') $$, 'GN002', 'no such user: nobody',
    'a member who is nobody');
select throws_ok($$ select gnatter.create_group('g3', 'alice', '{NULL}') $$, 'GN002', null, 'a member who is null');
select throws_ok($$ select gnatter.create_group('g3', 'alice', '{}', repeat('x', 257)) $$, 'GN007', null,
    'a title that is too long');
select gnatter.create_users(array(select 'm' || i from generate_series(1, 1024) i), 'p') \g /dev/null
select throws_ok($$ select gnatter.create_group('g3', 'alice', array(select 'm' || i from generate_series(1,
    1024) i)) $$, 'GN007', null,
    'more than 1024 members');
select lives_ok($$ select gnatter.create_group('big', 'alice', array(select 'm' || i from generate_series(1,
    1023) i)) $$, '1024 members');
select throws_ok($$ select gnatter.add_member('big', 'bob') $$, 'GN007', null, 'and no more');

-- ---- joining, leaving, roles ----
select is(gnatter.add_member('kitchen', 'dave'), 2::bigint, 'joining gives the seq of its event');
select is(gnatter.set_role('kitchen', 'dave', 'admin'), 3::bigint, 'so does a role');
select is(gnatter.set_role('kitchen', 'dave', 'admin'), 3::bigint, 'a role she has: nothing happens');
select is(gnatter.remove_member('kitchen', 'bob'), 4::bigint, 'and leaving');
select is(gnatter.rename_group('kitchen', 'K"1'), 5::bigint, 'and a title');
select is(pg_temp.log('g/kitchen', 2), array['2 - member-added {"user":"dave","role":"member"}',
    '3 - role-changed {"user":"dave","role":"admin"}', '4 - member-removed {"user":"bob"}',
        '5 - renamed {"title":"K\"1"}'],
    'in order, in the log');
select throws_ok($$ select gnatter.add_member('kitchen', 'dave') $$, 'GN004', null, 'joining twice');
select throws_ok($$ select gnatter.add_member('kitchen', 'nobody') $$, 'GN002', null, 'nobody joins');
select throws_ok($$ select gnatter.add_member('nothing', 'bob') $$, 'GN003', null, 'joining what is not there');
select throws_ok($$ select gnatter.add_member('kitchen', 'bob', 'king') $$, 'GN006', null, 'a role that is none');
select throws_ok($$ select gnatter.add_member('kitchen', 'bob', null) $$, 'GN006', null, 'no role');
select throws_ok($$ select gnatter.remove_member('kitchen', 'bob') $$, 'GN001', null, 'leaving twice');
select throws_ok($$ select gnatter.remove_member('kitchen', 'nobody') $$, 'GN002', null, 'nobody leaves');
select throws_ok($$ select gnatter.remove_member('nothing', 'bob') $$, 'GN003', null, 'leaving what is not there');
select throws_ok($$ select gnatter.set_role('kitchen', 'bob', 'admin') $$, 'GN001', null, 'a role for who has left');
select throws_ok($$ select gnatter.set_role('kitchen', 'dave', 'king') $$, 'GN006', null, 'a role that is none');
select throws_ok($$ select gnatter.set_role('kitchen', 'alice', 'member') $$, 'GN005', null,
    'the last owner stays owner');
select throws_ok($$ select gnatter.rename_group('kitchen', repeat('x', 257)) $$, 'GN007', null,
    'a title that is too long');
select throws_ok($$ select gnatter.rename_group('nothing', 'x') $$, 'GN003', null, 'a title for what is not there');
select is(gnatter.add_member('kitchen', 'bob', 'admin'), 6::bigint, 'joining again');
select results_eq($$ select joined_seqs, left_seqs from gnatter.conversation_members(array[pg_temp.c('g/kitchen')])
    where user_name = 'bob' $$,
    $$ values ('{1,6}'::bigint[], '{4,0}'::bigint[]) $$, 'makes a second interval');

-- ---- who is owner when the owner goes: who has been admin longest ----
select gnatter.remove_member('kitchen', 'alice') \g /dev/null
select is(pg_temp.log('g/kitchen', 7), array['7 - member-removed {"user":"alice"}',
    '8 - role-changed {"user":"dave","role":"owner"}'],
    'the longest admin, though the other joined earlier');
select gnatter.remove_member('kitchen', 'dave'), gnatter.remove_member('kitchen', 'bob') \g /dev/null
select is(pg_temp.log('g/kitchen', 11), array['11 - member-removed {"user":"bob"}',
    '12 - role-changed {"user":"carol","role":"owner"}'],
    'the longest member when there is no admin');
select is(gnatter.remove_member('kitchen', 'carol'), 13::bigint, 'the last one goes');
select is((select last_seq from gnatter.conversation where name = 'g/kitchen'), 13::bigint, 'and nobody is owner');
select lives_ok($$ select gnatter.add_member('kitchen', 'alice') $$, 'an empty group can be filled again');
select is(pg_temp.log('g/kitchen', 14), '{"14 - member-added {\"user\":\"alice\",\"role\":\"owner\"}"}', 'the first one is its owner');
select gnatter.create_group('empty', 'dave'), gnatter.remove_member('empty', 'dave') \g /dev/null
select lives_ok($$ insert into gnatter.member (conversation_id, user_id) select pg_temp.c('g/empty'), pg_temp.u(u) from unnest('{bob,carol}'::text[]) u $$,
    'also by plain DML');
select is(pg_temp.log('g/empty', 3), array['3 - member-added {"user":"bob","role":"owner"}', '4 - member-added {"user":"carol","role":"member"}'],
    'and nobody else');
select is_empty('select * from gnatter.verify()', 'a group with members has an owner');
select gnatter.create_group('told', 'dave'), gnatter.remove_member('told', 'dave') \g /dev/null
with made as (insert into gnatter.members (group_name, user_name) values ('told', 'bob') returning *)
select is(made::text, '(g/told,told,bob,owner,3,0,0)', 'what has become of it is returned') from made;

-- ---- DML on the view ----
select lives_ok($$ insert into gnatter.members (group_name, user_name) values ('kitchen', 'bob'), ('kitchen',
    'carol') $$, 'insert');
select lives_ok($$ insert into gnatter.members (conversation, user_name, role) values ('g/kitchen', 'dave', 'admin') $$,
    'insert by conversation');
select lives_ok($$ update gnatter.members set role = 'admin' where conversation = 'g/kitchen' and user_name = 'bob' $$,
    'update');
select lives_ok($$ delete from gnatter.members where group_name = 'kitchen' and user_name = 'carol' $$, 'delete');
select is(pg_temp.log('g/kitchen', 15), array['15 - member-added {"user":"bob","role":"member"}',
    '16 - member-added {"user":"carol","role":"member"}',
    '17 - member-added {"user":"dave","role":"admin"}', '18 - role-changed {"user":"bob","role":"admin"}',
        '19 - member-removed {"user":"carol"}'],
    'DML on the view is events in order');
select throws_ok($$ insert into gnatter.members (group_name, user_name) values ('kitchen', 'bob') $$, 'GN004', null,
    'a member twice');
select throws_ok($$ insert into gnatter.members (group_name, user_name) values ('kitchen', 'nobody') $$, 'GN002', null,
    'nobody');
select throws_ok($$ insert into gnatter.members (user_name) values ('carol') $$, 'GN003', null, 'into nothing');
select throws_ok($$ insert into gnatter.members (conversation, user_name) values ('d/alice/bob', 'carol') $$, 'GN006',
    null, 'into a direct conversation');
select throws_ok($$ insert into gnatter.members (conversation, group_name, user_name) values ('g/g2', 'kitchen',
    'carol') $$, 'GN006', null, 'into two');
select throws_ok($$ update gnatter.members set user_name = 'carol' where group_name = 'kitchen'
    and user_name = 'bob' $$, 'GN006', null, 'a member is not made another');
select throws_ok($$ update gnatter.members set role = 'member', delivered_seq = 1 where group_name = 'kitchen' and user_name = 'bob' $$,
    'GN006', null, 'nor are her marks moved');
select throws_ok($$ update gnatter.members set role = 'member' where group_name = 'kitchen' and user_name = 'alice' $$,
    'GN005', null, 'the last owner stays');
select pg_temp.say('alice:phone', 'd/alice/bob', 'x') \g /dev/null
select throws_ok($$ delete from gnatter.members where conversation = 'd/alice/bob' $$, 'GN006', null,
    'nobody leaves a direct conversation');

-- ---- plain DML on the table, as an administrator may ----
create temp table id as select pg_temp.c('g/kitchen') as kitchen, pg_temp.c('d/alice/bob') as direct,
    pg_temp.u('alice') as alice, pg_temp.u('bob') as bob, pg_temp.u('carol') as carol, pg_temp.u('dave') as dave;
grant select on id to gnatter_admin;
set local role gnatter_admin;
select lives_ok($$ insert into gnatter.member (conversation_id, user_id, role) select kitchen, carol, 'member'
    from id $$, 'insert');
select lives_ok($$ update gnatter.member set role = 'admin' where (conversation_id, user_id) = (select kitchen, carol
    from id) $$, 'update');
select lives_ok($$ delete from gnatter.member where left_seq is null and (conversation_id, user_id) = (select kitchen,
    alice from id) $$, 'delete');
select throws_ok($$ delete from gnatter.member where left_seq is not null and conversation_id = (select kitchen
    from id) $$, 'GN005', null, 'the past stays');
select throws_ok($$ update gnatter.member set role = 'member' where left_seq is null
    and (conversation_id, user_id) = (select kitchen, dave from id) $$, 'GN005', null, 'the last owner stays');
select throws_ok($$ update gnatter.member set role = 'admin' where conversation_id = (select direct from id) $$, 'GN006', null,
    'no roles in a direct one');
select is_empty($$ update gnatter.member set role = 'admin' where left_seq is not null and conversation_id = (select kitchen from id)
    returning 1 $$, 'nor for who has left');
select throws_ok($$ insert into gnatter.member (conversation_id, user_id, role) select kitchen, carol, 'member'
    from id $$, 'GN004', null, 'a member twice');
select throws_ok($$ insert into gnatter.member (conversation_id, user_id, role) select direct, carol, 'member'
    from id $$, 'GN006', null, 'into a direct one');
select throws_ok($$ delete from gnatter.member where conversation_id = (select direct from id) $$, 'GN006', null,
    'out of a direct one');
select throws_ok($$ insert into gnatter.member (conversation_id, user_id, role) select kitchen, 0, 'member' from id $$,
    'GN002', null, 'nobody');
reset role;
select gnatter.create_user('removed') as removed_id \gset
select gnatter.remove_user('removed') \g /dev/null
set local role gnatter_admin;
select throws_ok(format($$ insert into gnatter.member (conversation_id, user_id, role) select kitchen, %s, 'member' from id $$,
    :removed_id), 'GN002', null, 'nor who was removed');
select throws_ok($$ insert into gnatter.member (conversation_id, user_id, role) select 0, carol, 'member' from id $$,
    'GN003', null, 'into nothing');
select throws_ok($$ insert into gnatter.member (conversation_id, user_id, role) select kitchen, alice, 'king'
    from id $$, '23514', null, 'a role that is none');
reset role;
select is(pg_temp.log('g/kitchen', 20), array['20 - member-added {"user":"carol","role":"member"}',
    '21 - role-changed {"user":"carol","role":"admin"}',
    '22 - member-removed {"user":"alice"}', '23 - role-changed {"user":"dave","role":"owner"}'],
        'plain DML is events in order');
select results_eq($$ select joined_seqs, left_seqs from gnatter.conversation_members((select array[kitchen] from id))
    where user_name = 'alice' $$,
    $$ values ('{1,14}'::bigint[], '{7,22}'::bigint[]) $$, 'and an interval');

select throws_ok('truncate gnatter.member', 'GN005', null, 'memberships do not end without a word, whoever asks');
select throws_ok('truncate gnatter.user_account cascade', 'GN005', null, 'nor with everything else');

-- ---- deleted ----
select throws_ok($$ select gnatter.delete_group('nothing') $$, 'GN003', null, 'deleting what is not there');
select is(gnatter.delete_group('kitchen'), 24::bigint, 'deleting is an event');
select is(pg_temp.log('g/kitchen', 24), array['24 - deleted {}'], 'the last one');
select is_empty($$ select * from gnatter.members where group_name = 'kitchen' $$, 'nobody is in it');
select is((select count(*) from gnatter.member where conversation_id = pg_temp.c('g/kitchen') and left_seq = 24),
    3::bigint,
    'who was in it gets this event as the last');
select throws_ok($$ select gnatter.add_member('kitchen', 'alice') $$, 'GN003', null, 'nobody joins');
select throws_ok($$ select gnatter.delete_group('kitchen') $$, 'GN003', null, 'deleting twice');
select throws_ok($$ select gnatter.create_group('kitchen', 'alice') $$, 'GN004', null, 'its name stays taken');
select is((select state from gnatter.conversation_load('{g/kitchen}', '{false}')), 'ok',
    'its log can still be delivered');
select is(pg_temp.say('alice:phone', 'g/kitchen', 'late'), 'not-member', 'nobody writes');
select isnt((select deleted_at from gnatter.groups where group_name = 'kitchen'), null,
    'the view tells that it was deleted');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
