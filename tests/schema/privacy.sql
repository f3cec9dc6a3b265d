-- Profiles, what is shown to whom, who may write and who may take whom into groups.
begin;
select * from no_plan();
\ir fixture.sql

-- erin and frank know nobody
select gnatter.create_user(n) from unnest('{erin,frank}'::text[]) n \g /dev/null
select gnatter.add_device(n, 'phone') from unnest('{erin,frank}'::text[]) n \g /dev/null

-- ---- profiles ----
select is(pg_temp.ask('alice:phone', 'profile.get', '{}') -> 'result',
          '{"user": "alice", "display_name": null, "about": null, "avatar": null}', 'nothing said yet');
select is(pg_temp.code('alice:phone', 'profile.set', params), expected, why)
  from (values
    ('{"display_name":"Alice 🐇","about":"down\nthe hole"}', '{}', 'a name and two lines'),
    ('{"avatar":"https://example.org/a.png"}', '{}', 'a reference; the rest stays'),
    (format('{"display_name":"%s"}', repeat('a', 129)), 'too-large', 'a long name'),
    (format('{"about":"%s"}', repeat('ü', 257)), 'too-large', 'bytes count'),
    (format('{"avatar":"%s"}', repeat('a', 1025)), 'too-large', 'a long reference'),
    ('{"display_name":"a\nb"}', 'bad-request', 'a name of two lines'),
    ('{"about":"\u0007"}', 'bad-request', 'a bell'),
    ('{"display_name":7}', 'bad-request', 'a number'),
    ('{"name":"x"}', 'bad-request', 'something else')) as t (params, expected, why);
select is(pg_temp.code('alice:phone', 'profile.set', format('{"display_name":"%s","about":"%s","avatar":"%s"}', repeat('a', 128),
                       repeat('ü', 256), repeat('a', 1024))), '{}', 'all at their limits');
select gnatter.set_profile('alice', '{"display_name":"Alice","about":null}');
select is((pg_temp.ask('erin:phone', 'profile.get', '{"user":"alice"}') -> 'result') - 'avatar',
          '{"user": "alice", "display_name": "Alice", "about": null}', 'a stranger sees it');
select is(pg_temp.code('erin:phone', 'profile.get', '{"user":"zoe"}'), 'no-such-user', 'of nobody');

create function pg_temp.name_seen(client_id text) returns text language sql as
$$ select pg_temp.ask(client_id, 'profile.get', '{"user":"alice"}') #>> '{result,display_name}' $$;
select is(pg_temp.code('alice:phone', 'privacy.set', '{"profile":"contacts"}') is not null, true, 'for contacts only');
select is(array[pg_temp.name_seen('bob:phone'), pg_temp.name_seen('erin:phone')], '{Alice,NULL}', 'bob is one, erin is not');
select gnatter.block_user('bob', 'alice');
select is(pg_temp.name_seen('bob:phone'), null, 'nor is he while one blocks the other');
select gnatter.unblock_user('bob', 'alice');
select is(pg_temp.name_seen('bob:phone'), 'Alice', 'and no longer');
select gnatter.set_privacy('alice', '{"profile":"nobody"}');
select is(array[pg_temp.name_seen('bob:phone'), pg_temp.name_seen('alice:laptop')], '{NULL,Alice}', 'for nobody but herself');

-- ---- settings ----
select is(pg_temp.ask('bob:phone', 'privacy.get', '{}') -> 'result', '{"read_receipts": true, "online": "contacts",
    "last_seen": "contacts", "profile": "everyone", "messages": "everyone", "groups": "everyone"}', 'what is so unless said');
select is(pg_temp.code('bob:phone', 'privacy.set', params), expected, why)
  from (values
    ('{"online":"friends"}', 'bad-request', 'no such audience'),
    ('{"messages":"nobody"}', 'bad-request', 'who lets nobody write is no user'),
    ('{"groups":"nobody"}', 'bad-request', 'nor in groups'),
    ('{"read_receipts":"no"}', 'bad-request', 'not true or false'),
    ('{"colour":"red"}', 'bad-request', 'no such setting')) as t (params, expected, why);
select is(pg_temp.ask('bob:phone', 'privacy.set', '{"read_receipts":false,"groups":"contacts"}') -> 'result',
          '{"read_receipts": false, "online": "contacts", "last_seen": "contacts", "profile": "everyone",
            "messages": "everyone", "groups": "contacts"}', 'some are changed');
select is((select array[read_receipts::text, groups] from gnatter.users where user_name = 'bob'), '{false,contacts}', 'for administrators');
select gnatter.set_privacy('bob', '{"read_receipts":true,"groups":"everyone"}');
select throws_ok($$ select gnatter.set_privacy('bob', '[]') $$, 'GN006', null, 'not an object');
select throws_ok($$ select gnatter.set_privacy('zoe', '{}') $$, 'GN002', null, 'nobody');

-- ---- presence ----
select gnatter.device_gone(array[pg_temp.d(n || ':phone')], array[1770000059999]) from unnest('{alice,bob,erin}'::text[]) n;
create function pg_temp.sees(watcher text, watched text, is_reciprocal boolean default true) returns text language sql as $$
    select case when online_is_shown then 'online ' else '' end || case when last_seen_is_shown then last_seen_s::text else '' end
      from gnatter.presence_state(array[pg_temp.u(watcher)], array[watched], is_reciprocal) $$;
create function pg_temp.shows(user_name text, online text, last_seen text) returns void language sql as
$$ select from gnatter.set_privacy(user_name, jsonb_build_object('online', online, 'last_seen', last_seen)) $$;
select is(array[pg_temp.sees('bob', 'alice'), pg_temp.sees('erin', 'alice')], '{"online 1770000000",""}',
          'to contacts, and to the minute');
select gnatter.block_user('bob', 'alice');
select is(array[pg_temp.sees('bob', 'alice'), pg_temp.sees('alice', 'bob')], '{"",""}', 'not while one blocks the other');
select gnatter.unblock_user('bob', 'alice');
select isnt(pg_temp.sees('bob', 'alice'), '', 'nor longer');
select gnatter.create_group('left', 'erin', '{alice}'), gnatter.remove_member('left', 'erin');
select is(array[pg_temp.sees('alice', 'erin'), pg_temp.sees('erin', 'alice')], '{"",""}', 'who has left is no contact, on neither side');
select gnatter.conversation_load('{d/alice/erin}', '{t}');
select is(pg_temp.sees('erin', 'alice'), '', 'nor who has said nothing');
select gnatter.revoke_device('erin', 'phone'), gnatter.add_device('erin', 'phone');
select gnatter.set_privacy('erin', '{"last_seen":"everyone"}');
select is(pg_temp.sees('alice', 'erin'), null, 'a device that is gone was not seen');
select gnatter.set_privacy('erin', '{"last_seen":"contacts"}');
select pg_temp.shows('alice', 'everyone', 'nobody');
select is(array[pg_temp.sees('bob', 'alice'), pg_temp.sees('erin', 'alice')], '{"online ","online "}', 'online only, to everybody');
select is(pg_temp.sees('alice', 'bob'), 'online ', 'so she sees when nobody was last seen');
select pg_temp.shows('alice', 'nobody', 'contacts');
select is(array[pg_temp.sees('bob', 'alice'), pg_temp.sees('erin', 'alice')], '{1770000000,""}', 'last seen only, to contacts');
select is(pg_temp.sees('alice', 'bob'), '1770000000', 'and sees nobody online');
select is(pg_temp.sees('alice', 'bob', false), 'online 1770000000', 'unless the node is configured otherwise');
select is(pg_temp.sees('alice', 'alice'), 'online 1770000000', 'of herself she sees all');
select pg_temp.shows('alice', 'contacts', 'contacts');

-- ---- reads that are not shared ----
select pg_temp.say('alice:phone', 'd/alice/bob', 'a1');
select pg_temp.marked('bob', 'd/alice/bob', 1, 1);
create function pg_temp.read_of(client_id text, conversation text) returns jsonb language sql as
$$ select pg_temp.ask(client_id, 'receipts', format('{"conversation":"%s","seq":1}', conversation)) #> '{result,members,0}' $$;
create function pg_temp.returned(client_id text, marked text) returns text language sql as $$
    select string_agg(delivered_seq || '/' || read_seq, ' ') from pg_temp.told(array[pg_temp.d(client_id)], 0, 1)
     where user_name = marked $$;
select is(pg_temp.read_of('alice:phone', 'u/bob') ->> 'read', 'true', 'bob shares what he has read');
select is(pg_temp.returned('alice:phone', 'bob'), '1/1', 'a device that comes back is told');
select gnatter.set_privacy('bob', '{"read_receipts":false}');
select is(pg_temp.read_of('alice:phone', 'u/bob'), '{"user": "bob", "delivered": true, "read": false}', 'now he does not');
select is(pg_temp.returned('alice:phone', 'bob'), '1/0', 'nor is it told');
select is(pg_temp.returned('bob:phone', 'bob'), '0/1', 'but to his own devices');
select gnatter.set_privacy('bob', '{"read_receipts":true}');
select gnatter.set_privacy('alice', '{"read_receipts":false}');
select is(pg_temp.read_of('alice:phone', 'u/bob') ->> 'read', 'false', 'who does not share is not told in a direct conversation');
select is(pg_temp.returned('alice:phone', 'bob'), '1/0', 'nor when she comes back');
select pg_temp.say('alice:phone', 'g/kitchen', 'k2');
select pg_temp.marked('bob', 'g/kitchen', 2, 2);
select pg_temp.marked('carol', 'g/kitchen', 2, 2);
select is(pg_temp.ask('alice:phone', 'receipts', '{"conversation":"g/kitchen","seq":2}') #>> '{result,read}', '2', 'in groups she is');
select gnatter.set_privacy('bob', '{"read_receipts":false}');
select is(pg_temp.ask('alice:phone', 'receipts', '{"conversation":"g/kitchen","seq":2}') #>> '{result,read}', '1', 'of those who share');

-- ---- groups ----
select gnatter.set_privacy('frank', '{"groups":"contacts"}');
select is(pg_temp.code('erin:phone', 'group.create', '{"group":"x","members":["frank"]}'), 'denied', 'by a stranger: no');
select is(pg_temp.code('erin:phone', 'group.create', '{"group":"x","members":["bob"]}'), '{"seq": 1, "group": "x"}', 'who lets everybody');
select is(pg_temp.code('erin:phone', 'group.add', '{"group":"x","user":"frank"}'), 'denied', 'nor later');
select lives_ok($$ select gnatter.create_group('admins', 'alice', '{frank}') $$, 'an administrator may');
select is(pg_temp.code('alice:phone', 'group.create', '{"group":"y","members":["frank"]}'), '{"seq": 1, "group": "y"}', 'so may a contact');
select gnatter.block_user('carol', 'erin');
select is(pg_temp.ask('erin:phone', 'group.add', '{"group":"x","user":"carol"}') #>> '{error,message}',
          'carol cannot be taken into a group by you', 'who is blocked is refused in the same words');

-- ---- messages from strangers ----
create function pg_temp.begins(client_id text, conversation text, id text) returns text language plpgsql as $$
begin
    perform gnatter.conversation_load(array[conversation], '{true}', array[(select user_id from gnatter.device_open(array[client_id]))]);
    return pg_temp.say(client_id, conversation, id);
end $$;
create function pg_temp.flag(client_id text, conversation text) returns text language sql as $$
    select c ->> 'request' from jsonb_array_elements(pg_temp.ask(client_id, 'conversations', '{}') #> '{result,conversations}') c
     where c ->> 'conversation' = conversation $$;
select gnatter.set_privacy('frank', '{"messages":"contacts"}');
select is(pg_temp.begins('alice:phone', 'd/alice/frank', 'f1'), '1', 'a contact writes as ever');
select is(pg_temp.begins('frank:phone', 'd/frank/frank', 'n1'), '1', 'so does he to himself');
select is(pg_temp.begins('frank:phone', 'd/bob/frank', 'f1'), '1', 'frank writes to a stranger');
select is(pg_temp.begins('bob:phone', 'd/bob/frank', 'b2'), '2', 'who answers');
select is(pg_temp.begins('erin:phone', 'd/erin/frank', 'e2'), '2', 'a stranger''s first message is the second item');
select is(pg_temp.log('d/erin/frank'), '{"1 erin request {}","2 erin:phone e2"}', 'behind the event that says so');
select is(pg_temp.begins('erin:phone', 'd/erin/frank', 'e3'), '3', 'once');
select is(array[pg_temp.flag('frank:phone', 'u/erin'), pg_temp.flag('erin:phone', 'u/frank')], '{true,NULL}', 'he is asked');
select pg_temp.marked('frank', 'd/erin/frank', 3, 3);
select is(pg_temp.ask('erin:phone', 'receipts', '{"conversation":"u/frank","seq":2}') #>> '{result,members,0,delivered}', 'false',
          'she is told nothing');
select is(pg_temp.returned('erin:phone', 'frank'), null, 'nor when she comes back');
select is(pg_temp.sees('erin', 'frank'), '', 'they are no contacts');
select is(gnatter.push_newest(pg_temp.c('d/erin/frank'), pg_temp.u('frank'), 0, 9223372036854775807), null, 'he is not woken');
select is(pg_temp.code('erin:phone', 'request.accept', '{"user":"frank"}'), 'bad-request', 'it is not hers to accept');
select is(pg_temp.code('frank:phone', 'request.accept', '{"user":"bob"}'), 'bad-request', 'nothing waits');
select is(pg_temp.code('frank:phone', 'request.accept', '{"user":"zoe"}'), 'no-such-user', 'nobody');
update gnatter.device set live_until = clock_timestamp() where device_id = pg_temp.d('erin:phone');
select is(pg_temp.code('frank:phone', 'request.accept', '{"user":"erin"}'), '{"seq": 4}', 'he accepts');
select is((select array_agg(delivered_seq) from pg_temp.told(array[pg_temp.d('erin:phone')], 0, 1) where user_name = 'frank'),
    '{3}', 'what he had got before is told from now on');
select is(pg_temp.log('d/erin/frank', 4), '{"4 frank request-accepted {}"}', 'an event says so');
select is(pg_temp.flag('frank:phone', 'u/erin'), null, 'it is a conversation as any');
select is(pg_temp.returned('erin:phone', 'frank'), '3/3', 'and she is told what he has read');
select isnt(gnatter.push_newest(pg_temp.c('d/erin/frank'), pg_temp.u('frank'), 0, 9223372036854775807), null, 'he is woken');

select gnatter.set_privacy('dave', '{"messages":"contacts"}');
select is(pg_temp.begins('erin:phone', 'd/dave/erin', 'e1'), '2', 'another one');
select is(pg_temp.say('dave:phone', 'd/dave/erin', 'd1'), '4', 'who writes back has accepted');
select is(pg_temp.log('d/dave/erin', 3), '{"3 dave request-accepted {}","4 dave:phone d1"}', 'as the log says');
select is(pg_temp.begins('frank:phone', 'd/dave/frank', 'f1'), '2', 'and one more');
select is(pg_temp.code('dave:phone', 'request.decline', '{"user":"frank"}'), '{}', 'he declines');
select is(pg_temp.flag('dave:phone', 'u/frank'), null, 'nothing waits any more');
select is(pg_temp.begins('frank:phone', 'd/dave/frank', 'f2'), '3', 'frank goes on');
select is((select array_agg(coalesce(event_type, kind) order by seq) from gnatter.history_items(pg_temp.u('dave'), 'u/frank', null, 0, 9)),
          '{request,chat,withheld}', 'in vain');
select is(pg_temp.code('dave:phone', 'request.accept', '{"user":"frank"}'), 'bad-request', 'what was declined cannot be accepted');
select gnatter.unblock_user('dave', 'frank');
select is(pg_temp.flag('dave:phone', 'u/frank'), 'true', 'unblocked, he is a stranger as before');
select is(array[pg_temp.sees('frank', 'dave'), pg_temp.sees('dave', 'frank')], '{"",""}', 'no contact');
select is(gnatter.push_newest(pg_temp.c('d/dave/frank'), pg_temp.u('dave'), 0, 9223372036854775807), null, 'who wakes nobody');
select is(pg_temp.code('dave:phone', 'request.accept', '{"user":"frank"}'), '{"seq": 4}', 'now he can be accepted');
select isnt(pg_temp.sees('frank', 'dave'), '', 'and is one');
select is(pg_temp.begins('erin:phone', 'd/carol/erin', 'e1'), '1', 'she takes messages from everybody: whom she blocks asks for nothing');
select gnatter.create_users('{grace,heidi}', 'phone');
select gnatter.set_privacy('grace', '{"messages":"contacts"}');
select gnatter.block_user('grace', 'heidi');
select is(pg_temp.begins('heidi:phone', 'd/grace/heidi', 'h1'), '2', 'blocked before a word was said, a stranger asks as others do');
select is((select array_agg(event_type) from gnatter.history_items(pg_temp.u('grace'), 'u/heidi', null, 0, 9)), '{withheld,withheld}',
          'which she does not get');
select is(pg_temp.flag('grace:phone', 'u/heidi'), null, 'nor is she asked');
select gnatter.unblock_user('grace', 'heidi');
select is(pg_temp.begins('heidi:phone', 'd/grace/heidi', 'h2'), '3', 'later she writes again');
select is(array[pg_temp.flag('grace:phone', 'u/heidi'), pg_temp.sees('heidi', 'grace')], '{true,""}', 'and is a stranger still');
select gnatter.create_user('ivan');
select gnatter.add_device('ivan', 'phone');
select is(pg_temp.begins('ivan:phone', 'd/grace/ivan', 'i1'), '2', 'a stranger asks');
select gnatter.remove_user('ivan');
select is(pg_temp.code('grace:phone', 'request.decline', '{"user":"ivan"}'), '{}', 'also who was removed can be declined');
select is(pg_temp.flag('grace:phone', 'u/ivan'), null, 'nothing waits any more');
select is(pg_temp.code('grace:phone', 'unblock', '{"user":"ivan"}') || pg_temp.code('grace:phone', 'block', '{"user":"ivan"}'), '{}{}',
          'and blocked');
select is(pg_temp.code('erin:phone', 'block', '{"user":"ivan"}'), 'no-such-user', 'but not by who has nothing of his');

-- ---- what is on a screen ----
select is(pg_temp.code('alice:phone', method, params), expected, why)
  from (values
    ('conversation.open', '{"conversation":"g/kitchen"}', '{"conversation": "g/kitchen"}', 'a group'),
    ('conversation.close', '{"conversation":"u/bob"}', '{"conversation": "u/bob"}', 'a direct conversation'),
    ('conversation.open', '{"conversation":"u/carol"}', '{"conversation": "u/carol"}', 'one in which nothing was said'),
    ('conversation.open', '{"conversation":"g/none"}', 'no-such-group', 'none'),
    ('conversation.open', '{"conversation":"g/x"}', 'not-member', 'another''s')) as t (method, params, expected, why);

select is((select count(*) from gnatter.verify()), 0::bigint, 'all of it is as it should be');

select * from finish();
rollback;
