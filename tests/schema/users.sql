-- Users and devices: registered, revoked, removed; names are never free again.
begin;
\ir fixture.sql
select * from no_plan();

-- ---- devices ----
select set_eq($$ select device_id, user_id, ack_auto, ord
    from gnatter.device_open('{bob:phone,nobody:phone,alice:phone,alice,alice:,:phone,alice:phone:x,alice:tv}') $$,
    $$ values (pg_temp.d('bob:phone'), pg_temp.u('bob'), false, 1), (pg_temp.d('alice:phone'), pg_temp.u('alice'),
        false, 3) $$,
    'device_open: ids in the places of known devices, nothing for others');
select gnatter.add_device('bob', 'esp', 'auto') \g /dev/null
select is((select ack_auto from gnatter.device_open('{bob:esp}')), true, 'ack mode auto');
select throws_ok($$ select gnatter.add_device('bob', 'esp') $$, 'GN004', null, 'a device once');
select throws_ok($$ select gnatter.add_device('bob', 'tv', 'maybe') $$, 'GN006', null, 'an ack mode that is none');
select throws_ok($$ select gnatter.add_device('bob', 'tv', null) $$, 'GN006', null, 'no ack mode');
select throws_ok($$ select gnatter.add_device('nobody', 'tv') $$, 'GN002', null, 'a device of nobody');
select gnatter.add_device('dave', 'd' || i) from generate_series(1, 63) i \g /dev/null
select throws_ok($$ select gnatter.add_device('dave', 'one-more') $$, 'GN007', null, '64 devices are enough');
select throws_ok($$ select gnatter.create_users('{dave}', 'one-more') $$, 'GN007', null, 'also for many users at once');
select lives_ok($$ select gnatter.create_users('{dave}', 'd63') $$, 'who have that one');
select gnatter.revoke_device('dave', 'd63') \g /dev/null
select lives_ok($$ select gnatter.create_users('{dave}', 'd64') $$, 'one that is gone does not count');
select gnatter.revoke_device('dave', 'd64') \g /dev/null
select lives_ok($$ select gnatter.add_device('dave', 'd65') $$, 'nor here');
delete from gnatter.device where name in ('d63', 'd64'); -- what is revoked is counted below

-- a new device starts at the present of what there is, also of what its user has left
select is(pg_temp.say('alice:phone', 'g/kitchen', 'm1'), '2', 'a message');
select pg_temp.say('alice:phone', 'd/alice/bob', 'm1') \g /dev/null
select gnatter.remove_member('kitchen', 'carol') \g /dev/null
select gnatter.add_device('carol', 'new'), gnatter.add_device('bob', 'new') \g /dev/null
select set_eq($$ select conversation_name, acked_seq from pg_temp.behind(array[pg_temp.d('bob:new'),
    pg_temp.d('carol:new')], 0, 1) $$,
              $$ select ''::text, 0::bigint where false $$, 'a new device has nothing to catch up');
select set_eq($$ select c.name::text, k.acked_seq from gnatter.cursor k
                   join gnatter.conversation c using (conversation_id) join gnatter.device d using (device_id)
                       where d.name = 'new' $$,
              $$ values ('g/kitchen', 3::bigint), ('g/kitchen', 3), ('d/alice/bob', 1) $$,
                  'its cursors are at the present');

-- ---- revoking ----
select throws_ok($$ select gnatter.revoke_device('bob', 'nothing') $$, 'GN006', null,
    'revoking a device that is not there');
select throws_ok($$ select gnatter.revoke_device('nobody', 'phone') $$, 'GN002', null, 'revoking a device of nobody');
select pg_temp.d('bob:new') as old_device \gset
select clock_timestamp() as before \gset
select lives_ok($$ select gnatter.revoke_device('bob', 'new') $$, 'revoking');
select is_empty($$ select * from gnatter.device_open('{bob:new}') $$, 'a revoked device is unknown');
select is_empty($$ select * from gnatter.devices where user_name = 'bob' and device_name = 'new' $$,
    'and not in the view');
select is_empty($$ select * from gnatter.cursor where device_id = $$ || :old_device, 'its cursors are gone');
select results_eq($$ select name, valid_after_s from gnatter.revocations('1 day') $$,
    $$ select 'bob:new', extract(epoch from tokens_valid_after)::bigint from gnatter.device where name = 'new'
        and removed_at is not null $$,
    'its tokens are revoked');
select cmp_ok((select to_timestamp(valid_after_s) from gnatter.revocations(null)), '>', :'before'::timestamptz,
              'from a full second that has not come yet: a token of this second is void');
select is_empty($$ select * from gnatter.revocations('-1 day') $$,
    'revocations older than a token can be are left out');
select lives_ok($$ select gnatter.add_device('bob', 'new') $$, 'the name can be registered again');
select isnt(pg_temp.d('bob:new'), :old_device::bigint, 'that is another device');
select isnt((select tokens_valid_after from gnatter.devices where user_name = 'bob' and device_name = 'new'), null,
            'whose old tokens stay void');
update gnatter.device set tokens_valid_after = tokens_valid_after - '1 hour'::interval where device_id = :old_device;
select results_eq($$ select valid_after_s from gnatter.revocations(null) where name = 'bob:new' $$,
    $$ select extract(epoch from tokens_valid_after)::bigint from gnatter.device where device_id = pg_temp.d('bob:new') $$,
    'and are told once, with the latest time');
select lives_ok($$ select gnatter.revoke_user('bob') $$, 'revoking all tokens of a user');
select is((select count(*) from gnatter.revocations(null) where name = 'bob'), 1::bigint,
    'is told with the user''s name');
select throws_ok($$ select gnatter.revoke_user('nobody') $$, 'GN002', null, 'of nobody');
select isnt_empty($$ select * from gnatter.device_open('{bob:new}') $$, 'the devices stay');

-- ---- live or not ----
select gnatter.device_live(array[pg_temp.d('bob:phone')]) \g /dev/null
select is((select is_live from gnatter.devices where user_name = 'bob' and device_name = 'phone'), true, 'live');
update gnatter.device set live_until = now() - '1 day'::interval where device_id = pg_temp.d('bob:phone');
select gnatter.device_gone(array[pg_temp.d('bob:phone')], array[gnatter.now_ms() + 3600000]) \g /dev/null
select results_eq($$ select is_live, date_trunc('minute', last_seen_at) >= date_trunc('minute', now())
    from gnatter.devices where user_name = 'bob' and device_name = 'phone' $$,
    $$ values (false, true) $$, 'gone, and when it was seen last');
select cmp_ok((select last_seen_at - live_until from gnatter.device where device_id = pg_temp.d('bob:phone')), '=',
    '10 s'::interval,
    'marks of the last 10 seconds are told again');
select cmp_ok((select last_seen_at from gnatter.device where device_id = pg_temp.d('bob:phone')), '<=', clock_timestamp(),
    'by our own clock, when the service''s is ahead: marks that move from now on are to be told');
select live_until as before from gnatter.device where device_id = pg_temp.d('bob:phone') \gset
select gnatter.device_gone(array[pg_temp.d('bob:phone')], '{1000}') \g /dev/null
select is((select live_until from gnatter.device where device_id = pg_temp.d('bob:phone')), :'before', 'never back');
update gnatter.device set live_until = now() + '1 day', last_seen_at = now() + '1 day'
 where device_id = pg_temp.d('bob:phone');
select gnatter.device_gone(array[pg_temp.d('bob:phone')], array[gnatter.now_ms()]) \g /dev/null
select cmp_ok((select greatest(last_seen_at, live_until) from gnatter.device where device_id = pg_temp.d('bob:phone')), '<=',
    clock_timestamp(), 'but from where a clock that was ahead had put it');
select gnatter.device_live(array[pg_temp.d('bob:phone')]) \g /dev/null
select gnatter.devices_reset() \g /dev/null
select is((select count(*) from gnatter.devices where is_live), 0::bigint, 'a service that starts: nobody is live');

-- ---- presence ----
select results_eq($$ select ord, online_is_shown and last_seen_is_shown, user_id, last_seen_s is not null from gnatter.presence_state(
        array[pg_temp.u('alice'), pg_temp.u('dave'), pg_temp.u('dave'), pg_temp.u('carol')],
            '{bob,bob,dave,nobody}', true) $$,
    $$ values (1, true, pg_temp.u('bob'), true), (2, false, pg_temp.u('bob'), true), (3, true, pg_temp.u('dave'),
        false),
              (4, false, null::bigint, false) $$, 'presence is shown to who shares a conversation, and to oneself');
select is((select online_is_shown from gnatter.presence_state(array[pg_temp.u('alice')], '{carol}', true)), false,
    'not to who shared one');

-- ---- removing ----
select gnatter.create_group('band', 'dave', '{alice,bob}') \g /dev/null
select pg_temp.say('dave:phone', 'g/band', 'm1') \g /dev/null
select pg_temp.say('bob:phone', 'd/bob/dave', 'm1') \g /dev/null
select gnatter.set_profile('dave', '{"display_name": "Dave"}') \g /dev/null
select lives_ok($$ select gnatter.remove_user('dave') $$, 'removing a user');
select is_empty($$ select * from gnatter.devices where user_name = 'dave' $$, 'her devices go');
select is_empty($$ select * from gnatter.profile p where p.user_id = pg_temp.u('dave') $$, 'so does her profile');
select is_empty($$ select * from gnatter.members where user_name = 'dave' and group_name is not null $$,
    'she leaves her groups');
select is(pg_temp.log('g/band', 2), array['2 dave:phone m1', '3 - member-removed {"user":"dave"}',
    '4 - role-changed {"user":"alice","role":"owner"}'], 'which is an event, and so is who is owner now');
select isnt((select removed_at from gnatter.users where user_name = 'dave'), null,
    'the view tells that she was removed');
select throws_ok($$ select gnatter.create_user('dave') $$, 'GN004', null, 'her name stays taken');
select throws_ok($$ select gnatter.remove_user('dave') $$, 'GN002', null, 'removing twice');
select throws_ok($$ select gnatter.add_device('dave', 'tv') $$, 'GN002', null, 'no more devices');
select throws_ok($$ select gnatter.add_member('kitchen', 'dave') $$, 'GN002', null, 'no more groups');
select is((select array_agg(state) from gnatter.conversation_load('{d/alice/dave,d/dave/zoe}', '{true,true}')), '{no-such-user,no-such-user}',
    'nobody starts to talk to her') from gnatter.create_user('zoe');
select set_eq($$ select online_is_shown, user_id from gnatter.presence_state(array[pg_temp.u('alice')], '{dave}', false) $$,
    $$ values (false, null::bigint) $$, 'nor sees her');
select is(pg_temp.code('alice:phone', 'profile.get', '{"user":"dave"}'), 'no-such-user', 'nor has she a profile');
select is(pg_temp.code('alice:phone', 'conversation.open', '{"conversation":"u/dave"}'), 'no-such-user', 'or a screen');
select is(array[pg_temp.say('bob:phone', 'd/bob/dave', 'm1'), pg_temp.say('bob:phone', 'd/bob/dave', 'm2'),
                pg_temp.say('bob:phone', 'd/bob/bob', 'm1')], '{duplicate,no-such-user,1}', 'nor goes on');
select is((select array_agg(user_name || ' ' || is_full order by user_name)
             from gnatter.conversation_members(array[pg_temp.c('d/bob/dave')])), '{"bob false","dave true"}',
          'which a service sees that loads it');
select isnt_empty($$ select * from gnatter.revocations(null) where name = 'dave' $$, 'her tokens are void');

-- ---- many at once ----
select results_eq($$ select * from gnatter.create_users('{u1,bob,u2}', 'load') $$,
    $$ select ord, case ord when 2 then (select valid_after_s from gnatter.revocations(null)
        where name = 'bob') else 0 end
         from generate_series(1, 3) as ord $$, 'create_users: when tokens of each device count from');
select is((select count(*) from gnatter.device_open('{u1:load,u2:load,bob:load}')), 3::bigint, 'all are there');
select is((select count(*) from gnatter.create_users('{u1,bob,u2}', 'load')), 3::bigint, 'again: nothing new');
select throws_ok($$ select gnatter.create_users('{u3,dave}', 'load') $$, 'GN004', null, 'a removed one');
select throws_ok($$ select gnatter.create_users('{u3,U4}', 'load') $$, 'GN006', null, 'one that is no name');
select gnatter.create_user('left'), gnatter.remove_user('left') \g /dev/null
select throws_ok($$ select gnatter.set_profile('left', '{"about":"x"}') $$, 'GN002', null, 'who was removed says nothing of herself');
select throws_ok($$ select gnatter.set_privacy('left', '{"online":"nobody"}') $$, 'GN002', null, 'and has no settings');
select throws_ok($$ select gnatter.block_user('left', 'alice') $$, 'GN002', null, 'nor whom she blocks');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
