-- What devices ask for. Each method: the normal case, each refusal.
begin;
\ir fixture.sql
select * from no_plan();
create function pg_temp.result(client_id text, method text, params text) returns jsonb language sql
as $$ select pg_temp.ask(client_id, method, params) -> 'result' $$;

-- ---- any method ----
select is(pg_temp.code('alice:phone', 'nothing', '{}'), 'bad-request', 'an unknown method');
select is(pg_temp.code('alice:phone', 'rpc_devices', '{}'), 'bad-request', 'a function is not a method');
select is(pg_temp.code('alice:phone', 'devices', '[]'), 'bad-request', 'parameters that are no object');
select is(gnatter.rpc(pg_temp.d('alice:phone'), 'r', 'devices', null) #>> '{error,code}', 'bad-request',
    'no parameters');
select is(gnatter.rpc(0, 'r', 'devices', '{}') #>> '{error,code}', 'denied', 'a device that is not there');
select is_empty($$ select name from gnatter.rpc_method m
                    where not exists (select from pg_proc p where p.pronamespace = 'gnatter'::regnamespace
                        and p.proname = m.function_name
                                         and oidvectortypes(p.proargtypes) = 'bigint, bigint, jsonb'
                                             and p.prorettype = 'jsonb'::regtype) $$,
    'each method has its function');
select is_empty($$ select name from gnatter.rpc_method where name !~ '^[a-z][a-z0-9.-]{0,31}$' $$,
    'and the form of a method');

-- ---- group.create ----
select is(pg_temp.ask('alice:phone', 'group.create',
    '{"group": "g1", "title": "T", "members": ["bob", "bob", "alice"]}'),
    '{"result": {"group": "g1", "seq": 1}}', 'group.create');
select is(pg_temp.log('g/g1'),
    array['1 alice created {"title":"T","members":[{"user":"alice","role":"owner"},{"user":"bob","role":"member"}]}'],
    'by her');
select is(pg_temp.code('alice:phone', 'group.create', '{"group": "g1", "members": []}'), 'exists', 'twice');
select matches(pg_temp.result('alice:phone', 'group.create', '{"members": []}') ->> 'group', '^[0-9a-f]{32}$',
    'without a name');
select ok(pg_temp.result('alice:phone', 'group.create', '{"group": null, "title": null}') ? 'group',
    'nulls are as good as nothing');
select is(pg_temp.code('alice:phone', 'group.create', '{"members": ["nobody"]}'), 'no-such-user', 'with nobody');
select is(pg_temp.code('alice:phone', 'group.create', p), 'bad-request', p)
  from unnest(array['{"group": "G"}', '{"group": 1}', '{"members": "bob"}', '{"members": [1]}',
      '{"members": [["bob"]]}', '{"title": {}}', '{"members": null}']) as p;
select is(pg_temp.code('alice:phone', 'group.create', format('{"title": "%s"}', repeat('x', 257))), 'too-large',
    'a title that is too long');

-- ---- group.add, group.remove, group.rename ----
select is(pg_temp.code('bob:phone', 'group.add', '{"group": "kitchen", "user": "dave"}'), 'denied',
    'a member does not add');
select is(pg_temp.code('dave:phone', 'group.add', '{"group": "kitchen", "user": "dave"}'), 'not-member',
    'still less a stranger');
select is(pg_temp.result('alice:phone', 'group.add', '{"group": "kitchen", "user": "dave"}'), '{"seq": 2}',
    'group.add');
select is(pg_temp.code('alice:phone', 'group.add', '{"group": "kitchen", "user": "dave"}'), 'exists', 'twice');
select is(pg_temp.code('alice:phone', 'group.add', '{"group": "kitchen", "user": "nobody"}'), 'no-such-user', 'nobody');
select is(pg_temp.code('alice:phone', 'group.add', '{"group": "none", "user": "dave"}'), 'no-such-group', 'to nothing');
select is(pg_temp.code('alice:phone', 'group.add', '{"group": "kitchen"}'), 'bad-request', 'whom');
select is(pg_temp.code('bob:phone', 'group.remove', '{"group": "kitchen", "user": "dave"}'), 'denied',
    'a member does not remove');
select is(pg_temp.result('alice:phone', 'group.role', '{"group": "kitchen", "user": "bob", "role": "admin"}'),
    '{"seq": 3}', 'group.role');
select is(pg_temp.result('bob:phone', 'group.remove', '{"group": "kitchen", "user": "dave"}'), '{"seq": 4}',
    'group.remove, by an admin');
select is(pg_temp.code('bob:phone', 'group.remove', '{"group": "kitchen", "user": "alice"}'), 'denied',
    'who does not remove an owner');
select is(pg_temp.code('bob:phone', 'group.remove', '{"group": "kitchen", "user": "dave"}'), 'not-member',
    'nor who has gone');
select is(pg_temp.code('bob:phone', 'group.remove', '{"group": "kitchen", "user": "nobody"}'), 'no-such-user',
    'nor nobody');
select is(pg_temp.result('bob:phone', 'group.rename', '{"group": "kitchen", "title": "New"}'), '{"seq": 5}',
    'group.rename');
select is(pg_temp.code('carol:phone', 'group.rename', '{"group": "kitchen", "title": "New"}'), 'denied',
    'not by a member');
select is(pg_temp.code('bob:phone', 'group.rename', '{"group": "kitchen", "title": 1}'), 'bad-request', 'with what');
select is(pg_temp.code('bob:phone', 'group.rename', format('{"group": "kitchen", "title": "%s"}', repeat('x', 257))),
    'too-large', 'with too much');

-- ---- group.role ----
select is(pg_temp.code('carol:phone', 'group.role', '{"group": "kitchen", "user": "carol", "role": "admin"}'), 'denied',
    'a member gives no role');
select is(pg_temp.code('bob:phone', 'group.role', '{"group": "kitchen", "user": "carol", "role": "owner"}'), 'denied',
    'an admin makes no owner');
select is(pg_temp.code('bob:phone', 'group.role', '{"group": "kitchen", "user": "alice", "role": "member"}'), 'denied',
    'nor unmakes one');
select is(pg_temp.result('bob:phone', 'group.role', '{"group": "kitchen", "user": "carol", "role": "admin"}'),
    '{"seq": 6}', 'an admin makes an admin');
select is(pg_temp.result('bob:phone', 'group.role', '{"group": "kitchen", "user": "carol", "role": "member"}'),
    '{"seq": 7}', 'and unmakes one');
select is(pg_temp.code('alice:phone', 'group.role', '{"group": "kitchen", "user": "carol", "role": "king"}'),
    'bad-request', 'no king');
select is(pg_temp.code('alice:phone', 'group.role', '{"group": "kitchen", "user": "dave", "role": "admin"}'),
    'not-member', 'not for strangers');
select is(pg_temp.code('alice:phone', 'group.role', '{"group": "kitchen", "user": "alice", "role": "admin"}'), 'denied',
    'the last owner stays');

-- ---- group.leave, group.info ----
select is(pg_temp.log('g/kitchen', 2), array['2 alice member-added {"user":"dave","role":"member"}',
    '3 alice role-changed {"user":"bob","role":"admin"}',
    '4 bob member-removed {"user":"dave"}', '5 bob renamed {"title":"New"}',
        '6 bob role-changed {"user":"carol","role":"admin"}',
    '7 bob role-changed {"user":"carol","role":"member"}'], 'the log says who did it');
select is(pg_temp.code('dave:phone', 'group.leave', '{"group": "kitchen"}'), 'not-member', 'leaving where one is not');
select is(pg_temp.result('alice:phone', 'group.leave', '{"group": "kitchen"}'), '{"seq": 8}', 'group.leave');
select is(pg_temp.log('g/kitchen', 8), array['8 alice member-left {"user":"alice"}',
    '9 alice role-changed {"user":"bob","role":"owner"}'], 'the admin is owner now');
select is(pg_temp.result('bob:phone', 'group.info', '{"group": "kitchen"}') - 'created',
    '{"group": "kitchen", "title": "New", "last_seq": 9, "members": [{"user": "bob",
         "role": "owner"}, {"user": "carol", "role": "member"}]}', 'group.info');
select cmp_ok((pg_temp.result('bob:phone', 'group.info', '{"group": "kitchen"}') ->> 'created')::bigint, '>',
    1500000000000, 'in milliseconds');
select is(pg_temp.code('alice:phone', 'group.info', '{"group": "kitchen"}'), 'not-member', 'not for who has left');
select is(pg_temp.code('alice:phone', 'group.info', '{"group": "none"}'), 'no-such-group', 'of nothing');

-- ---- idempotence ----
select gnatter.add_member('kitchen', 'alice', 'admin') \g /dev/null
select is(pg_temp.ask('alice:phone', 'group.add', '{"group": "kitchen", "user": "dave"}', 'same'),
    '{"result": {"seq": 11}}', 'a request');
select is(pg_temp.ask('alice:phone', 'group.add', '{"user": "dave", "group": "kitchen"}', 'same'),
    '{"result": {"seq": 11}}', 'again: the same answer');
select is((select last_seq from gnatter.conversation where name = 'g/kitchen'), 11::bigint, 'and nothing done');
select is(pg_temp.ask('alice:laptop', 'group.add', '{"group": "kitchen", "user": "dave"}', 'same') #>> '{error,code}',
    'exists', 'another device''s is another request');
select is(pg_temp.ask('alice:phone', 'group.remove', '{"group": "kitchen", "user": "dave"}', 'same'),
    '{"result": {"seq": 12}}', 'so is another method');
select is(pg_temp.ask('alice:phone', 'group.add', '{"group": "kitchen", "user": "nobody"}', 'late') #>> '{error,code}',
    'no-such-user', 'a refusal');
select gnatter.create_user('nobody') \g /dev/null
select is(pg_temp.ask('alice:phone', 'group.add', '{"group": "kitchen", "user": "nobody"}', 'late'),
    '{"result": {"seq": 13}}', 'is not remembered: it changed nothing');
update gnatter.rpc_answer set at = now() - interval '25 hours';
select gnatter.remove_member('kitchen', 'nobody') \g /dev/null
select is(pg_temp.ask('alice:phone', 'group.add', '{"group": "kitchen", "user": "nobody"}', 'late'),
    '{"result": {"seq": 15}}', 'after a day it is another request');
select cmp_ok((select count(*) from gnatter.rpc_answer), '<', 5::bigint, 'and the old answers go');
select is((select count(*) from gnatter.rpc_answer where answer is null), 0::bigint, 'none is without an answer');

-- ---- history ----
select pg_temp.say('alice:phone', 'g/kitchen', 'h' || i) from generate_series(1, 3) i \g /dev/null
select is(pg_temp.result('dave:phone', 'history', '{"conversation": "g/kitchen"}'),
    '{"conversation": "g/kitchen", "count": 5, "first_seq": 2, "last_seq": 12, "more": false}',
        'only from one''s memberships');
select is((select array_agg(seq) from gnatter.history_items(pg_temp.u('dave'), 'g/kitchen', null, null, null)),
    '{2,3,4,11,12}', 'item by item');
select is(pg_temp.result('bob:phone', 'history', p)::text,
    format('{"more": %s, "count": %s, "last_seq": %s, "first_seq": %s, "conversation": "g/kitchen"}', more, c, l, f), p)
  from (values ('{"conversation": "g/kitchen", "limit": 2}', 'true', '2', '18', '17'),
               ('{"conversation": "g/kitchen", "limit": 2, "before": 17}', 'true', '2', '16', '15'),
               ('{"conversation": "g/kitchen", "before": 3}', 'false', '2', '2', '1'),
               ('{"conversation": "g/kitchen", "before": 1}', 'false', '0', 'null', 'null'),
               ('{"conversation": "g/kitchen", "after": 0, "limit": 3}', 'true', '3', '3', '1'),
               ('{"conversation": "g/kitchen", "after": 16}', 'false', '2', '18', '17'),
               ('{"conversation": "g/kitchen", "after": 18}', 'false', '0', 'null', 'null'),
               ('{"conversation": "g/kitchen", "limit": 99999999999}', 'false', '18', '18', '1')) as t (p, more, c, l,
                   f);
select is(pg_temp.code('bob:phone', 'history', p), 'bad-request', p)
  from unnest(array['{}', '{"conversation": "kitchen"}', '{"conversation": "d/alice/bob"}',
      '{"conversation": "g/Kitchen"}', '{"conversation": 1}',
                    '{"conversation": "g/kitchen", "before": 3, "after": 1}',
                        '{"conversation": "g/kitchen", "limit": 0}', '{"conversation": "g/kitchen", "limit": -1}',
                    '{"conversation": "g/kitchen", "limit": 1.5}', '{"conversation": "g/kitchen", "limit": "1"}',
                        '{"conversation": "g/kitchen", "before": 1e30}']) as p;
select is(pg_temp.code('bob:phone', 'history', '{"conversation": "g/none"}'), 'no-such-group', 'of nothing');
select is(pg_temp.code('bob:phone', 'history', '{"conversation": "u/zoe"}'), 'no-such-user', 'with nobody');
select is(pg_temp.code('bob:phone', 'history', '{"conversation": "g/g1"}') like '%"count": 1%', true,
    'of another group');
select is(pg_temp.code('carol:phone', 'history', '{"conversation": "g/g1"}'), 'not-member',
    'of which one is no member');
select is(pg_temp.result('carol:phone', 'history', '{"conversation": "u/bob"}'),
    '{"conversation": "u/bob", "count": 0, "first_seq": null, "last_seq": null, "more": false}',
    'with whom one has not talked');
select pg_temp.say('alice:phone', 'd/alice/dave', 'l' || i, repeat('x', 60000)) from generate_series(1,
    20) i \g /dev/null
select is(pg_temp.result('dave:phone', 'history', '{"conversation": "u/alice"}'),
    '{"conversation": "u/alice", "count": 17, "first_seq": 4, "last_seq": 20, "more": true}',
    'cut at 1 MiB');
select is((select array_agg(seq) from gnatter.history_items(pg_temp.u('dave'), 'u/alice', 9, 5, 3)), '{6,7,8}',
    'items between two seqs');
select gnatter.create_users('{hugo}', 'phone') \g /dev/null
select pg_temp.say('hugo:phone', 'd/hugo/hugo', 'large', repeat('x', 1048577)) \g /dev/null
select is(pg_temp.result('hugo:phone', 'history', '{"conversation": "u/hugo"}') -> 'count', '1', 'one at least, however large');

select pg_temp.say('bob:phone', 'd/bob/dave', 'n' || i) from generate_series(1, 230) i \g /dev/null
select is(pg_temp.result('dave:phone', 'history', p)::text,
    format('{"more": true, "count": %s, "last_seq": %s, "first_seq": %s, "conversation": "u/bob"}', c, l, f), p)
  from (values ('{"conversation": "u/bob"}', 50, 230, 181), ('{"conversation": "u/bob", "limit": null}', 50, 230, 181),
      ('{"conversation": "u/bob", "limit": 201}', 200, 230, 31),
               ('{"conversation": "u/bob", "limit": 199, "after": 1}', 199, 200, 2)) as t (p, c, l, f);

-- ---- conversations ----
select pg_temp.marked('carol', 'g/kitchen', 17, 16) \g /dev/null
select is(pg_temp.result('carol:phone', 'conversations', '{}') #- '{conversations,0,last_time}',
    '{"conversations": [{"conversation": "g/kitchen", "title": "New", "kind": "group", "last_seq": 18,
         "delivered_seq": 17, "read_seq": 16, "unread": 2, "role": "member", "left": false}]}',
    'conversations');
select is(pg_temp.result('dave:phone', 'conversations', '{}') -> 'conversations' -> 2 #- '{last_time}',
    '{"conversation": "g/kitchen", "title": null, "kind": "group", "last_seq": 12, "delivered_seq": 0,
         "read_seq": 0, "unread": 0, "role": "member", "left": true}',
    'one that she has left');
select is(pg_temp.result('dave:phone', 'conversations', '{}') -> 'conversations' -> 1 #- '{last_time}',
    '{"conversation": "u/alice", "title": null, "kind": "direct", "last_seq": 20, "delivered_seq": 0, "read_seq": 0,
         "unread": 20, "role": "member", "left": false}',
    'a direct one, as she calls it; the newest first');
select is(pg_temp.result('alice:phone', 'conversations', '{}') #>> '{conversations,0,unread}', '0',
    'what one wrote oneself is not unread');
select gnatter.create_user('eve'), gnatter.add_device('eve', 'p') \g /dev/null
select is(pg_temp.result('eve:p', 'conversations', '{}'), '{"conversations": []}', 'none');
select gnatter.create_group('long' || i, 'eve', '{}', repeat('x', 256)) from generate_series(1, 600) i \g /dev/null
select cmp_ok(length(pg_temp.result('eve:p', 'conversations', '{}')::text), '<=', 245800, 'as many as fit in one message');
select cmp_ok(jsonb_array_length(pg_temp.result('eve:p', 'conversations', '{}') -> 'conversations'), '>', 400, 'which are many');

-- ---- receipts ----
select pg_temp.marked('bob', 'g/kitchen', 17, 0) \g /dev/null
select is(pg_temp.result('alice:phone', 'receipts', '{"conversation": "g/kitchen", "seq": 16}'),
    '{"seq": 16, "delivered": 2, "read": 1, "members": [{"user": "bob", "delivered": true,
         "read": false}, {"user": "carol", "delivered": true, "read": true},
      {"user": "nobody", "delivered": false, "read": false}]}', 'receipts: everybody who was a member but the sender');
select is(pg_temp.code('dave:phone', 'receipts', '{"conversation": "g/kitchen", "seq": 16}'), 'not-member',
    'not of what one may not see');
select is(pg_temp.code('alice:phone', 'receipts', '{"conversation": "g/kitchen", "seq": 99}'), 'bad-request',
    'of what is not there');
select is(pg_temp.code('alice:phone', 'receipts', '{"conversation": "u/carol", "seq": 1}'), 'bad-request',
    'where nothing is');
select is(pg_temp.code('alice:phone', 'receipts', '{"conversation": "g/kitchen"}'), 'bad-request', 'of what');
select is(pg_temp.ask('alice:phone', 'receipts', p) #>> '{error,message}', says, p)
  from (values ('{"conversation": "g/kitchen"}', '"seq" is missing'), ('{"conversation": "g/kitchen", "seq": null}', '"seq" is not a number'),
               ('{"seq": 1}', '"conversation" is missing'), ('{"conversation": 1, "seq": 1}', '"conversation" is not a string')) as v(p, says);

-- ---- message.delete ----
select is(pg_temp.code('carol:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 16}'), 'denied',
    'a member deletes what others wrote: no');
select is(pg_temp.result('bob:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 16}'), '{"seq": 19}',
    'the owner does');
select is(pg_temp.result('alice:laptop', 'message.delete', '{"conversation": "g/kitchen", "seq": 16}'), '{"seq": 19}',
    'its sender as well, and it is done');
select is(pg_temp.result('alice:laptop', 'message.delete', '{"conversation": "g/kitchen", "seq": 17}'), '{"seq": 20}',
    'its sender, from another device');
select is(pg_temp.code('carol:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 17}'), 'denied',
    'also when it is done');
select is(pg_temp.code('bob:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 19}'), 'bad-request',
    'not an event');
select is(pg_temp.code('bob:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 99}'), 'bad-request',
    'nor what is not there');
select is(pg_temp.code('bob:phone', 'message.delete', '{"conversation": "u/carol", "seq": 1}'), 'bad-request',
    'nor where nothing is');
select is(pg_temp.code('dave:phone', 'message.delete', '{"conversation": "g/kitchen", "seq": 18}'), 'not-member',
    'nor who has left');
select is(pg_temp.code('eve:p', 'message.delete', '{"conversation": "g/kitchen", "seq": 18}'), 'not-member',
    'nor a stranger');
select is(pg_temp.ask('dave:phone', 'message.delete', '{"conversation": "u/alice", "seq": 1}') -> 'error',
    '{"code": "denied", "message": "only its sender deletes a direct message"}', 'a direct message: only its sender');
select is(pg_temp.result('alice:phone', 'message.delete', '{"conversation": "u/dave", "seq": 1}'), '{"seq": 21}',
    'who does');
select is(pg_temp.log('g/kitchen', 16),
    array['16 bob message-deleted {"seq":16}', '17 alice message-deleted {"seq":17}', '18 alice:phone h3',
          '19 bob message-deleted {"seq":16}', '20 alice message-deleted {"seq":17}'],
    'the log after it');
select is(pg_temp.result('carol:phone', 'conversations', '{}') #>> '{conversations,0,unread}', '1',
    'what was deleted is not unread');

-- ---- devices, device.revoke ----
select is((select jsonb_agg(d - 'created' - 'last_seen') from jsonb_array_elements(pg_temp.result('alice:laptop',
    'devices', '{}') -> 'devices') d),
    '[{"device": "phone", "live": false, "current": false}, {"device": "laptop", "live": false, "current": true}]',
        'devices');
select is(pg_temp.code('alice:laptop', 'device.revoke', '{"device": "tv"}'), 'bad-request',
    'revoking what is not there');
select is(pg_temp.code('alice:laptop', 'device.revoke', '{}'), 'bad-request', 'revoking what');
select is(pg_temp.ask('alice:laptop', 'device.revoke', '{"device": "phone"}', 'rev'), '{"result": {}}',
    'device.revoke');
select is(pg_temp.ask('alice:laptop', 'device.revoke', '{"device": "phone"}', 'rev'), '{"result": {}}', 'asked again');
select pg_temp.d('alice:laptop') as laptop \gset
select is(pg_temp.ask('alice:laptop', 'device.revoke', '{"device": "laptop"}'), '{"result": {}}',
    'the device that asks');
select is(gnatter.rpc(:laptop, 'late', 'devices', '{}') #>> '{error,code}', 'denied', 'which asks in vain from then on');
select is_empty($$ select * from gnatter.device_open('{alice:phone,alice:laptop}') $$, 'they are gone');
select is_empty('select * from gnatter.verify()', 'all is well');

-- ---- what the database does not let happen ----
set local transaction_read_only = on;
select is(pg_temp.code('bob:phone', 'group.leave', '{"group": "kitchen"}'), 'read-only',
    'a database that is only to be read');
select isnt(pg_temp.result('bob:phone', 'conversations', '{}'), null, 'is read');
select * from finish();
rollback;
