-- What happens to messages after they were sent: edits, reactions, and what is said of them in history and conversations.
begin;
\ir fixture.sql
select * from no_plan();
select pg_temp.say('alice:phone', 'd/alice/bob', 'm1', 'one'), pg_temp.say('bob:phone', 'd/alice/bob', 'm2', 'two'),
       pg_temp.say('alice:phone', 'd/alice/bob', 'm3', 'three') \g /dev/null
create function pg_temp.body(conversation text, seq bigint) returns text language sql
as $$ select convert_from(m.payload, 'UTF8') from gnatter.message m where m.conversation_id = pg_temp.c(conversation) and m.seq = body.seq $$;

-- ---- edit ----
select is(pg_temp.code('alice:laptop', 'message.edit', '{"conversation":"u/bob","seq":1,"payload":"uno"}'), '{"seq": 4}',
    'from another device of hers');
select is(pg_temp.log('d/alice/bob', 4), '{"4 alice message-edited {\"seq\":1,\"payload\":\"uno\"}"}', 'an ordered event');
select is(pg_temp.body('d/alice/bob', 1), 'uno', 'in its own place');
select is(pg_temp.code('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":1,"payload_base64":"AP8="}'),
    '{"seq": 5}', 'bytes that are no text');
select is((select payload from gnatter.message where conversation_id = pg_temp.c('d/alice/bob') and seq = 1), '\x00ff',
    'are these bytes');
select is(pg_temp.log('d/alice/bob', 4),
    '{"4 alice message-edited {\"seq\":1}","5 alice message-edited {\"seq\":1,\"payload_base64\":\"AP8=\"}"}',
    'only the last edit has a payload');
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.code(who, 'message.edit', params), code, why)
  from (values
    ('bob:phone', '{"conversation":"u/alice","seq":1,"payload":"x"}', 'denied', 'somebody else''s'),
    ('alice:phone', '{"conversation":"u/bob","seq":4,"payload":"x"}', 'bad-request', 'an event'),
    ('alice:phone', '{"conversation":"u/bob","seq":99,"payload":"x"}', 'bad-request', 'nothing'),
    ('alice:phone', '{"conversation":"u/bob","seq":1}', 'bad-request', 'without a payload'),
    ('alice:phone', '{"conversation":"u/bob","seq":1,"payload":"x","payload_base64":""}', 'bad-request', 'with two'),
    ('alice:phone', '{"conversation":"u/bob","seq":1,"payload_base64":"?"}', 'bad-request', 'not base64'),
    ('alice:phone', '{"conversation":"u/carol","seq":1,"payload":"x"}', 'bad-request', 'nothing said there'),
    ('dave:phone', '{"conversation":"g/kitchen","seq":1,"payload":"x"}', 'not-member', 'not hers')
  ) as v (who, params, code, why);
set local gnatter.edit_within_s = 0;
select is(pg_temp.code('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":3,"payload":"x"}'), 'denied', 'too late');
set local gnatter.edit_within_s = '';
select is(pg_temp.code('alice:phone', 'message.delete', '{"conversation":"u/bob","seq":1}'), '{"seq": 6}', 'deleted');
select is(pg_temp.code('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":1,"payload":"x"}'), 'bad-request',
    'what was deleted cannot be edited');
select is((pg_temp.log('d/alice/bob', 5))[1], '5 alice message-edited {"seq":1}', 'and nothing is left of its edits');
select pg_temp.say('bob:phone', 'g/kitchen', 'k1'), gnatter.remove_member('kitchen', 'bob') \g /dev/null
select is(pg_temp.code('bob:phone', 'message.edit', '{"conversation":"g/kitchen","seq":2,"payload":"x"}'), 'not-member',
    'after having left');

-- ---- reactions ----
create function pg_temp.react(client_id text, conversation text, seq bigint, reaction text) returns text language sql
as $$ select pg_temp.code(client_id, 'message.react', jsonb_build_object('conversation', conversation, 'seq', seq, 'reaction', reaction)::text) $$;
select is(pg_temp.react('bob:phone', 'u/alice', 3, '👍'), '{"seq": 7}', 'set');
select is(pg_temp.react('bob:phone', 'u/alice', 3, '👍'), '{"seq": 7}', 'set again: nothing new');
select is(pg_temp.react('alice:phone', 'u/bob', 3, '👍'), '{"seq": 8}', 'to one''s own');
select is(pg_temp.code('bob:phone', 'message.reactions', '{"conversation":"u/alice","seq":3}')::jsonb,
    '{"seq":3,"counts":{"👍":2},"users":[{"user":"alice","reaction":"👍"},{"user":"bob","reaction":"👍"}]}', 'counted');
select is(pg_temp.react('bob:phone', 'u/alice', 3, 'no'), '{"seq": 9}', 'replaced');
select is(pg_temp.code('bob:phone', 'message.reactions', '{"conversation":"u/alice","seq":3}')::jsonb -> 'counts',
    '{"👍":1,"no":1}', 'counted anew');
select is(pg_temp.react('bob:phone', 'u/alice', 3, null), '{"seq": 10}', 'taken back');
select is(pg_temp.react('bob:phone', 'u/alice', 3, ''), '{"seq": null}', 'nothing to take back');
select is(pg_temp.log('d/alice/bob', 7), array['7 bob message-reacted {"seq":3,"reaction":"👍"}',
    '8 alice message-reacted {"seq":3,"reaction":"👍"}', '9 bob message-reacted {"seq":3,"reaction":"no"}',
    '10 bob message-reacted {"seq":3,"reaction":null}'], 'ordered events');
select is(pg_temp.react('alice:phone', 'u/bob', 2, repeat('x', 32)), '{"seq": 11}', 'the longest');
select is(pg_temp.react(who, ref, seq, reaction), code, why)
  from (values
    ('alice:phone', 'u/bob', 2, repeat('x', 33), 'too-large', 'too long'),
    ('alice:phone', 'u/bob', 2, e'a\tb', 'bad-request', 'a control character'),
    ('alice:phone', 'u/bob', 1, 'x', 'bad-request', 'to what was deleted'),
    ('alice:phone', 'u/bob', 4, 'x', 'bad-request', 'to an event'),
    ('dave:phone', 'g/kitchen', 2, 'x', 'not-member', 'who is not in it'),
    ('bob:phone', 'g/kitchen', 2, 'x', 'not-member', 'who has left')
  ) as v (who, ref, seq, reaction, code, why);
select is(pg_temp.code('dave:phone', 'message.reactions', '{"conversation":"g/kitchen","seq":2}'), 'not-member', 'none of his');

-- ---- history and conversations tell ----
select pg_temp.ask('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":3,"payload":"tres"}') \g /dev/null
select is((pg_temp.ask('bob:phone', 'history', '{"conversation":"u/alice"}') -> 'result') - '{conversation,count,more,first_seq,last_seq}'::text[],
    format('{"edited":[3],"reactions":[{"seq":2,"counts":{"%s":1}},{"seq":3,"counts":{"👍":1}}]}', repeat('x', 32))::jsonb, 'history');
select is(pg_temp.ask('alice:phone', 'history', '{"conversation":"u/bob","before":3}') #> '{result,reactions,0,own}',
    to_jsonb(repeat('x', 32)), 'one''s own');
select is(pg_temp.ask('alice:phone', 'history', '{"conversation":"u/bob","before":2}') -> 'result' ?| '{edited,reactions}', false,
    'only of what is there');
select is(pg_temp.ask('bob:phone', 'conversations', '{}') #> '{result,conversations,0,reactions}', '{"👍":1}', 'of the last message');
select is_empty('select * from gnatter.verify()', 'all is well');

-- ---- flags ----
create function pg_temp.flags(who text, place int default 0) returns jsonb language sql
as $$ select jsonb_object_agg(k, v) from jsonb_each(pg_temp.ask(who, 'conversations', '{}') #> array['result', 'conversations', place::text]) as e (k, v)
       where k in ('pinned', 'archived', 'muted') $$;
select is(pg_temp.flags('alice:phone'), null, 'none');
select is(pg_temp.code('alice:phone', 'conversation.pin', '{"conversation":"u/bob"}'), '{"pinned": true}', 'pinned');
select is(pg_temp.code('alice:phone', 'conversation.archive', '{"conversation":"u/bob","archived":true}'), '{"archived": true}', 'archived');
select is(pg_temp.code('alice:phone', 'conversation.mute', '{"conversation":"u/bob"}'), '{"muted": true}', 'muted');
select is(pg_temp.flags('alice:laptop'), '{"pinned":true,"archived":true,"muted":true}', 'on all her devices');
select is(pg_temp.flags('bob:phone'), null, 'and on nobody else''s');
select is(pg_temp.code('alice:phone', 'conversation.pin', '{"conversation":"u/bob","pinned":false}'), '{"pinned": false}', 'no more');
select is(pg_temp.flags('alice:laptop'), '{"archived":true,"muted":true}', 'the others stay');
select bag_eq($$ select t from gnatter.device_live(array[pg_temp.d('alice:laptop'), pg_temp.d('bob:phone')]) t $$,
    array['alice:laptop u/bob {"muted": true, "pinned": false, "archived": true}'], 'told to a device that was away');
update gnatter.device set live_until = clock_timestamp();
select is_empty($$ select gnatter.device_live(array[pg_temp.d('alice:laptop')]) $$, 'once');
select is(pg_temp.code('alice:phone', 'conversation.mute', '{"conversation":"u/bob","until":4102444800000}'), '{"muted": true, "until": 4102444800000}', 'until');
select is((select t from gnatter.device_live(array[pg_temp.d('alice:laptop')]) t),
    'alice:laptop u/bob {"muted": true, "until": 4102444800000, "pinned": false, "archived": true}', 'with its end');
select is(pg_temp.code('carol:phone', 'conversation.pin', params), code, params)
  from (values ('{"conversation":"u/dave"}', 'bad-request'), ('{"conversation":"u/zoe"}', 'no-such-user'), ('{}', 'bad-request'),
               ('{"conversation":"g/kitchen","pinned":1}', 'bad-request'), ('{"conversation":"g/none"}', 'no-such-group')) as v (params, code);

-- ---- disappearing ----
create function pg_temp.timer(client_id text, conversation text, seconds bigint) returns text language sql
as $$ select pg_temp.code(client_id, 'conversation.timer', jsonb_build_object('conversation', conversation, 'seconds', seconds)::text) $$;
-- Everything in the conversation happened so much earlier.
create function pg_temp.later(conversation text, seconds bigint) returns void language plpgsql as $$
begin
    update gnatter.message set time_ms = time_ms - seconds * 1000 where conversation_id = pg_temp.c(conversation);
    update gnatter.conversation set last_time_ms = last_time_ms - seconds * 1000 where name = later.conversation;
    update gnatter.conversation_timer set due_ms = due_ms - seconds * 1000 where conversation_id = pg_temp.c(conversation);
end $$;
create function pg_temp.swept(timers_max int, items_max int) returns int language sql
as $$ select gone from gnatter.timer_sweep(timers_max, items_max) $$;
create function pg_temp.said(conversation text, from_seq bigint) returns text[] language sql as $$
    select array_agg(format('%s %s %s', m.seq, coalesce(m.event_type, 'chat'), convert_from(m.payload, 'UTF8')) order by m.seq)
      from gnatter.message m where m.conversation_id = pg_temp.c(conversation) and m.seq >= from_seq $$;
select gnatter.create_group('brief', 'alice', '{bob,carol}') \g /dev/null
select pg_temp.say('bob:phone', 'g/brief', 'b2', 'stays') \g /dev/null
select is(pg_temp.timer('bob:phone', 'g/brief', 60), 'denied', 'not for members of a group');
select is(pg_temp.timer('dave:phone', 'g/brief', 60), 'not-member', 'nor for strangers');
select is(pg_temp.timer('alice:phone', 'g/brief', s), 'bad-request', s || ' seconds') from unnest('{1,29,31536001}'::int[]) s;
select is(pg_temp.timer('alice:phone', 'g/brief', 0), '{"seq": null}', 'off already');
select is(pg_temp.timer('alice:phone', 'g/brief', 60), '{"seq": 3}', 'on');
select is(pg_temp.timer('alice:phone', 'g/brief', 60), '{"seq": 3}', 'on already');
select pg_temp.say('bob:phone', 'g/brief', 'b4', 'goes'), pg_temp.say('carol:phone', 'g/brief', 'b5', 'goes, too') \g /dev/null
select pg_temp.ask('bob:phone', 'message.edit', '{"conversation":"g/brief","seq":4,"payload":"goes!"}'),
       pg_temp.ask('carol:phone', 'message.react', '{"conversation":"g/brief","seq":4,"reaction":"x"}') \g /dev/null
select is(pg_temp.swept(10, 100), 0, 'not yet');
select pg_temp.later('g/brief', 59) \g /dev/null
select is(pg_temp.swept(10, 100), 0, 'not yet');
select is(pg_temp.timer('alice:phone', 'g/brief', 3600), '{"seq": 8}', 'longer from here on');
select pg_temp.say('bob:phone', 'g/brief', 'b9', 'goes later') \g /dev/null
select pg_temp.later('g/brief', 3) \g /dev/null
select is(pg_temp.swept(10, 100), 2, 'gone');
select is(pg_temp.said('g/brief', 2), array['2 chat stays', '3 timer-changed {"seconds":60}', '4 messages-expired {"from":4,"to":4}',
    '5 messages-expired {"from":5,"to":5}', '6 message-edited {"seq":4}', '7 message-reacted {"seq":4,"reaction":"x"}',
    '8 timer-changed {"seconds":3600}', '9 chat goes later', '10 messages-expired {"from":4,"to":7}'],
    'one event tells all, each place says so, and nothing is left of what was said');
select is((select array_agg(from_seq) from gnatter.conversation_timer), '{8}', 'the earlier stretch is done with');
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.say('bob:phone', 'g/brief', 'b4', 'goes'), 'duplicate', 'sent again it is found');
select is(pg_temp.code('bob:phone', 'message.delete', '{"conversation":"g/brief","seq":4}'), 'bad-request', 'nothing to delete');
select is(pg_temp.ask('bob:phone', 'conversations', '{}') #> '{result,conversations,0,timer}', '3600', 'conversations tell');
select pg_temp.later('g/brief', 3630) \g /dev/null
select is(pg_temp.swept(10, 100), 0, 'a busy conversation gathers');
select is(pg_temp.timer('alice:phone', 'g/brief', 0), '{"seq": 11}', 'off');
select pg_temp.say('bob:phone', 'g/brief', 'b12', 'stays, too') \g /dev/null
select pg_temp.later('g/brief', 40) \g /dev/null
select is(pg_temp.swept(10, 100), 1, 'what was said before goes');
select is(pg_temp.said('g/brief', 12), array['12 chat stays, too', '13 messages-expired {"from":9,"to":10}'], 'and no more');
select is((select count(*) from gnatter.conversation_timer), 0::bigint, 'nothing is to come');
-- what was said before and after, both as old
select gnatter.create_group('ended', 'alice') \g /dev/null
select is(pg_temp.timer('alice:phone', 'g/ended', 60), '{"seq": 2}', 'for a while');
select pg_temp.say('alice:phone', 'g/ended', 'e3', 'goes') \g /dev/null
select is(pg_temp.timer('alice:phone', 'g/ended', 0), '{"seq": 4}', 'off');
select pg_temp.say('alice:phone', 'g/ended', 'e5', 'stays') \g /dev/null
select pg_temp.later('g/ended', 100) \g /dev/null
select is(pg_temp.swept(10, 100), 1, 'what was said in it goes');
select is((pg_temp.said('g/ended', 5))[1], '5 chat stays', 'what was said behind it stays');
-- much at once, in portions
select is(gnatter.set_timer('g/brief', 30), 14::bigint, 'by an administrator');
select pg_temp.say('bob:phone', 'g/brief', 'many' || i) from generate_series(1, 25) i \g /dev/null
select pg_temp.later('g/brief', 40) \g /dev/null
select is(array(select pg_temp.swept(10, 10) from generate_series(1, 4)), '{10,10,5,0}', 'in portions');
select is((pg_temp.said('g/brief', 40))[1:3], array['40 messages-expired {"from":15,"to":24}', '41 messages-expired {"from":25,"to":34}',
    '42 messages-expired {"from":35,"to":39}'], 'each with its event');
select is((select due_ms - gnatter.now_ms() between 25000 and 30500 from gnatter.conversation_timer), true,
    'looked at again when something can be due');
select is_empty('select * from gnatter.verify()', 'all is well');
-- Many conversations, in portions. What only has to be looked at again counts, too.
select gnatter.create_group('many' || i, 'alice', '{}'), gnatter.set_timer('g/many' || i, 30) from generate_series(1, 5) i \g /dev/null
select pg_temp.say('alice:phone', 'g/many5', 'goes') \g /dev/null
select pg_temp.later('g/many' || i, 40) from generate_series(1, 5) i \g /dev/null
select is(array(select (gnatter.timer_sweep(2, 100)).is_more from generate_series(1, 4)), '{t,t,f,f}',
    'two by two, and it says when that was all');
select is((pg_temp.said('g/many5', 3))[1], '3 messages-expired {"from":3,"to":3}', 'erased');
select pg_temp.later('g/many1', 40) \g /dev/null
select is((select is_more from gnatter.timer_sweep(0, 100)), false, 'where nothing was done, nothing is to be done at once');
select gnatter.delete_group('many' || i) from generate_series(1, 5) i \g /dev/null
select pg_temp.later('g/many' || i, 40) from generate_series(1, 5) i \g /dev/null
select gnatter.timer_sweep(10, 100) \g /dev/null
-- a deleted group's log has ended
select pg_temp.say('bob:phone', 'g/brief', 'last', 'secret'), gnatter.delete_group('brief') \g /dev/null
select pg_temp.later('g/brief', 40) \g /dev/null
select is(pg_temp.swept(10, 100), 1, 'erased');
select is(pg_temp.said('g/brief', 43), array['43 messages-expired {"from":43,"to":43}', '44 deleted {}'], 'without a word');
select is((select count(*) from gnatter.conversation_timer), 0::bigint, 'nothing is to come');
select is_empty('select * from gnatter.verify()', 'all is well');
select throws_ok($$ select gnatter.set_timer('g/brief', 30) $$, 'GN003', null, 'of a group that is gone');
select throws_ok($$ select gnatter.set_timer('d/alice/bob', null) $$, 'GN006', null, 'no time');

-- ---- single messages ----
create function pg_temp.single(client_id text, seq bigint, seconds bigint, conversation text default 'g/single') returns text language sql
as $$ select pg_temp.code(client_id, 'message.timer',
    jsonb_build_object('conversation', conversation, 'seq', seq, 'seconds', seconds)::text) $$;
select gnatter.create_group('single', 'alice', '{bob}') \g /dev/null
create temp table single as select 1::bigint as last_seq;
select pg_temp.say('bob:phone', 'g/single', 's1', 'one'), pg_temp.say('bob:phone', 'g/single', 's2', 'two'),
       pg_temp.say('bob:phone', 'g/single', 's3', 'three') \g /dev/null
select is(pg_temp.single('alice:phone', last_seq + 1, 60), 'denied', 'only its sender') from single;
select is(pg_temp.single('bob:phone', last_seq + 1, s), 'bad-request', s || ' seconds') from single, unnest('{1,29,31536001}'::int[]) s;
select is(pg_temp.single('bob:phone', last_seq + 99, 60), 'bad-request', 'no such message') from single;
select is((pg_temp.single('bob:phone', last_seq + n, 60)::jsonb -> 'time')::bigint, m.time_ms + 60000, 'set') from single, generate_series(1, 3) n
  join gnatter.message m on m.conversation_id = pg_temp.c('g/single') and m.seq = (select last_seq from single) + n;
select is(pg_temp.single('bob:phone', last_seq + 3, 0), '{"time": null}', 'taken back') from single;
select is(pg_temp.swept(10, 100), 0, 'not yet');
select is(pg_temp.ask('bob:phone', 'message.delete', jsonb_build_object('conversation', 'g/single', 'seq', last_seq + 2)::text) ? 'result',
    true, 'deleted before') from single;
update gnatter.message_timer set due_ms = due_ms - 61000;
select is(pg_temp.swept(10, 100), 1, 'gone');
select is((pg_temp.said('g/single', last_seq + 1))[1:5], array[
    format('%s messages-expired {"from":%s,"to":%s}', last_seq + 1, last_seq + 1, last_seq + 1),
    format('%s message-deleted {"seq":%s}', last_seq + 2, last_seq + 2), format('%s chat three', last_seq + 3),
    format('%s message-deleted {"seq":%s}', last_seq + 4, last_seq + 2),
    format('%s messages-expired {"from":%s,"to":%s}', last_seq + 5, last_seq + 1, last_seq + 1)], 'each with its event') from single;
select is((select count(*) from gnatter.message_timer), 0::bigint, 'nothing is to come');
select is(pg_temp.single('bob:phone', last_seq + 1, 60), 'bad-request', 'nothing to set a time for') from single;
select is_empty('select * from gnatter.verify()', 'all is well');

-- ---- somebody who is blocked ----
select pg_temp.say('carol:phone', 'd/carol/dave', 'c1', 'nice'), pg_temp.say('dave:phone', 'd/carol/dave', 'c2', 'yes'),
       gnatter.block_user('dave', 'carol'), pg_temp.say('carol:phone', 'd/carol/dave', 'c3', 'nasty') \g /dev/null
select is(pg_temp.code('carol:phone', 'message.edit', '{"conversation":"u/dave","seq":1,"payload":"nasty"}'), '{"seq": 4}',
    'edits');
select is(pg_temp.body('d/carol/dave', 1), 'nice', 'what he has got stays');
select is(pg_temp.react('carol:phone', 'u/dave', 2, 'nasty'), '{"seq": 5}', 'reacts');
select is(pg_temp.code('carol:phone', 'message.reactions', '{"conversation":"u/dave","seq":2}')::jsonb -> 'counts', '{"nasty":1}',
    'sees it');
select is(pg_temp.code('dave:phone', 'message.reactions', '{"conversation":"u/carol","seq":2}')::jsonb - 'seq', '{"counts":{},"users":[]}',
    'he does not');
select is(pg_temp.ask('dave:phone', 'history', '{"conversation":"u/carol"}') -> 'result' ?| '{edited,reactions}', false, 'nor here');
select is(pg_temp.timer('carol:phone', 'u/dave', 60), '{"seq": 6}', 'sets a timer');
select is((select count(*) from gnatter.conversation_timer), 0::bigint, 'nothing of his disappears');
select is(pg_temp.react('dave:phone', 'u/carol', 3, 'x'), 'bad-request', 'what was withheld is not there for him');
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.code('carol:phone', 'message.delete', '{"conversation":"u/dave","seq":1}'), '{"seq": 7}', 'deletes it');
select is((pg_temp.said('d/carol/dave', 4))[1], '4 message-edited {"seq":1}', 'with all its edits');
select gnatter.unblock_user('dave', 'carol') \g /dev/null
select gnatter.create_user('frank') \g /dev/null
-- one payload of a message: what he has got, and beside it the last edit that was withheld from him
select pg_temp.say('carol:phone', 'd/carol/frank', 'f1', 'one'), gnatter.block_user('frank', 'carol') \g /dev/null
create function pg_temp.edit(seq bigint, body text) returns text language sql
as $$ select pg_temp.code('carol:phone', 'message.edit', jsonb_build_object('conversation', 'u/frank', 'seq', seq, 'payload', body)::text) $$;
select is(array[pg_temp.edit(1, 'two'), pg_temp.edit(1, 'three')], array['{"seq": 2}', '{"seq": 3}'], 'edited, and again');
select is(pg_temp.said('d/carol/frank', 1), array['1 chat one', '2 message-edited {"seq":1}',
    '3 message-edited {"seq":1,"payload":"three"}'], 'the last of what is withheld');
select gnatter.unblock_user('frank', 'carol') \g /dev/null
select is(pg_temp.edit(1, 'four'), '{"seq": 4}', 'and unblocked');
select is(pg_temp.said('d/carol/frank', 1), array['1 chat four', '2 message-edited {"seq":1}', '3 message-edited {"seq":1}',
    '4 message-edited {"seq":1,"payload":"four"}'], 'it takes the place of all');
select gnatter.block_user('frank', 'carol') \g /dev/null
select is(pg_temp.edit(1, 'five'), '{"seq": 5}', 'blocked once more');
select is(pg_temp.said('d/carol/frank', 4), array['4 message-edited {"seq":1,"payload":"four"}',
    '5 message-edited {"seq":1,"payload":"five"}'], 'what he has got stays');
select results_eq($$ select seq, edit_seq from gnatter.message_edit_withheld where conversation_id = pg_temp.c('d/carol/frank') $$,
    $$ values (1::bigint, 5::bigint) $$, 'which is how that one is found');
select gnatter.unblock_user('frank', 'carol') \g /dev/null
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.code('carol:phone', 'message.delete', '{"conversation":"u/frank","seq":1}'), '{"seq": 6}', 'deleted');
select is(pg_temp.said('d/carol/frank', 4), array['4 message-edited {"seq":1}', '5 message-edited {"seq":1}', '6 message-deleted {"seq":1}'],
    'nothing is left');
select is((select count(*) from gnatter.message_edit_withheld where conversation_id = pg_temp.c('d/carol/frank')), 0::bigint, 'of that, too');
select is(pg_temp.timer('carol:phone', 'u/dave', 60), '{"seq": 8}', 'later it counts');
select is_empty('select * from gnatter.verify()', 'all is well');
delete from gnatter.conversation_timer;

-- ---- who came later, and who has left ----
create function pg_temp.listed(client_id text, conversation text) returns jsonb language sql as $$
    select c from jsonb_array_elements(pg_temp.ask(client_id, 'conversations', '{}') #> '{result,conversations}') c
     where c ->> 'conversation' = conversation $$;
select gnatter.create_group('gone', 'alice', '{bob}', 'Before') \g /dev/null
select pg_temp.say('bob:phone', 'g/gone', 'g2') \g /dev/null
select pg_temp.react('alice:phone', 'g/gone', 2, 'early') \g /dev/null
select gnatter.add_member('gone', 'carol') \g /dev/null
select is(pg_temp.listed('carol:phone', 'g/gone') ? 'reactions', false, 'not what was before she came');
select is(pg_temp.timer('alice:phone', 'g/gone', 3600), '{"seq": 5}', 'a timer');
select pg_temp.say('bob:phone', 'g/gone', 'g6') \g /dev/null
select pg_temp.react('carol:phone', 'g/gone', 6, 'seen') \g /dev/null
select is((pg_temp.listed('bob:phone', 'g/gone')) - '{last_time,unread}'::text[], '{"conversation":"g/gone","title":"Before","kind":"group",
    "last_seq":7,"delivered_seq":0,"read_seq":0,"role":"member","left":false,"timer":3600,"reactions":{"seen":1}}', 'as long as he is in');
select gnatter.remove_member('gone', 'bob') \g /dev/null
select pg_temp.ask('alice:phone', 'group.rename', '{"group":"gone","title":"After"}') \g /dev/null
select pg_temp.timer('alice:phone', 'g/gone', 60) \g /dev/null
select pg_temp.react('alice:phone', 'g/gone', 6, 'unseen'), pg_temp.react('alice:phone', 'g/gone', 2, 'unseen') \g /dev/null
select is((pg_temp.listed('bob:phone', 'g/gone')) - '{last_time,unread}'::text[], '{"conversation":"g/gone","title":null,"kind":"group",
    "last_seq":8,"delivered_seq":0,"read_seq":0,"role":"member","left":true,"reactions":{"seen":1}}', 'and no more');
select is(pg_temp.ask('bob:phone', 'history', '{"conversation":"g/gone"}') #> '{result,reactions}', '[{"seq":6,"counts":{"seen":1}}]',
    'reactions up to when he left');
select is(pg_temp.code('bob:phone', 'message.reactions', '{"conversation":"g/gone","seq":6}')::jsonb,
    '{"seq":6,"counts":{"seen":1},"users":[{"user":"carol","reaction":"seen"}]}', 'here, too');
select is(pg_temp.code('carol:phone', 'message.reactions', '{"conversation":"g/gone","seq":6}')::jsonb -> 'counts',
    '{"seen":1,"unseen":1}', 'who has stayed sees all');
select is(pg_temp.code('bob:phone', 'receipts', '{"conversation":"g/gone","seq":6}'), 'not-member', 'nor who reads');
select is(pg_temp.ask('carol:phone', 'receipts', '{"conversation":"g/gone","seq":6}') #> '{result,delivered}', '0', 'who has stayed is told');
-- an edit puts into an earlier place what he is not there for any more
create function pg_temp.shown(user_name text, to_seq bigint) returns text[] language sql as $$
    select array_agg(format('%s %s %s', i.seq, coalesce(i.event_type, 'chat'), convert_from(i.payload, 'UTF8')) order by i.seq)
      from gnatter.history_items(pg_temp.u(user_name), 'g/gone', to_seq + 1, 1, 200) i where i.event_type is null or i.event_type = 'withheld' $$;
select pg_temp.say('carol:phone', 'g/gone', 'g13') \g /dev/null
select is(pg_temp.code('alice:phone', 'message.delete', '{"conversation":"g/gone","seq":2}'), '{"seq": 14}', 'alice deletes');
select gnatter.add_member('gone', 'dave') \g /dev/null
select pg_temp.say('dave:phone', 'g/gone', 'g16', 'one'), pg_temp.say('dave:phone', 'g/gone', 'g17', 'early') \g /dev/null
select gnatter.add_member('gone', 'bob') \g /dev/null
select pg_temp.say('dave:phone', 'g/gone', 'g19', 'one') \g /dev/null
select pg_temp.ask('dave:phone', 'message.edit', '{"conversation":"g/gone","seq":19,"payload":"two"}'), gnatter.remove_member('gone', 'bob') \g /dev/null
select is(pg_temp.shown('bob', 20), '{"6 chat hello","19 chat two"}', 'edited while he was in');
select pg_temp.ask('dave:phone', 'message.edit', '{"conversation":"g/gone","seq":19,"payload":"three"}') \g /dev/null
select is(pg_temp.shown('bob', 20), '{"6 chat hello","19 withheld {}"}', 'and later');
select is(pg_temp.shown('carol', 20), '{"6 chat hello","13 chat hello","16 chat one","17 chat early","19 chat three"}', 'others see it');
select is(pg_temp.ask('bob:phone', 'history', '{"conversation":"g/gone"}') #> '{result,edited}', null, 'nor is it told to have been');
select is((select array_agg(p.seq || ' ' || p.edit_seq order by p.seq) from gnatter.log_page(array[pg_temp.c('g/gone')], '{5}', '{100}', '{10000}') p
            where p.edit_seq is not null), '{"19 22"}', 'a page of the log says when it was');
select gnatter.add_member('gone', 'bob') \g /dev/null
select is(pg_temp.shown('bob', 24), '{"6 chat hello","19 withheld {}"}', 'back again, what was written meanwhile is not his');
select pg_temp.react('alice:phone', 'g/gone', 6, 'back') \g /dev/null
select is(pg_temp.code('bob:phone', 'message.reactions', '{"conversation":"g/gone","seq":6}')::jsonb #> '{counts,back}', '1',
    'reactions from then on are');
select pg_temp.react('alice:phone', 'g/gone', 6, 'unseen') \g /dev/null
select pg_temp.ask('dave:phone', 'message.edit', '{"conversation":"g/gone","seq":19,"payload":"four"}') \g /dev/null
select is(pg_temp.shown('bob', 24), '{"6 chat hello","19 chat four"}', 'what is written now is');
select is(pg_temp.listed('bob:phone', 'g/gone') ->> 'title', 'After', 'taken in again');
select is_empty('select * from gnatter.verify()', 'all is well');
delete from gnatter.conversation_timer;

-- ---- purge ----
select pg_temp.acked(d, 'd/alice/bob', 3) from unnest('{alice:phone,alice:laptop,bob:phone}'::text[]) d \g /dev/null
select is(gnatter.purge(delivered_to_all => true, conversation => 'd/alice/bob'), 2::bigint, 'an edited message waits for its edit');
select pg_temp.acked(d, 'd/alice/bob', 12) from unnest('{alice:phone,alice:laptop,bob:phone}'::text[]) d \g /dev/null
select is(gnatter.purge(delivered_to_all => true, conversation => 'd/alice/bob'), 10::bigint, 'and goes with it');
select is((select count(*) from gnatter.message_reaction r where r.conversation_id = pg_temp.c('d/alice/bob') and r.seq <= 3)
        + (select count(*) from gnatter.message_edit e where e.conversation_id = pg_temp.c('d/alice/bob')), 0::bigint, 'with all that');
select is_empty('select * from gnatter.verify()', 'all is well');
-- each edited behind the next: those whose edits stay do, and no more
select gnatter.create_group('chain', 'alice') \g /dev/null
select case i % 2 when 0 then pg_temp.say('alice:phone', 'g/chain', 'k' || i)
       else pg_temp.ask('alice:phone', 'message.edit', jsonb_build_object('conversation', 'g/chain', 'seq', greatest(2, i - 3),
                                                                          'payload', 'x')::text) #>> '{result,seq}' end
  from generate_series(2, 11) i \g /dev/null
create function pg_temp.purge_to(last_seq bigint) returns bigint language sql
as $$ select pg_temp.acked(d, 'g/chain', purge_to.last_seq) from unnest('{alice:phone,alice:laptop}'::text[]) d;
      select gnatter.purge(delivered_to_all => true, conversation => 'g/chain') $$;
select is((select string_agg(e.seq || '-' || e.edit_seq, ' ' order by e.seq) from gnatter.message_edit e
            where e.conversation_id = pg_temp.c('g/chain')), '2-5 4-7 6-9 8-11', 'a chain');
select is(pg_temp.purge_to(8), 5::bigint, 'the edits of 6 and 8 have not been got');
select is((pg_temp.said('g/chain', 1))[1:3], '{"6 chat x","7 message-edited {\"seq\":4}","8 chat x"}', 'what was got, and is kept between, says no more');
select is_empty('select * from gnatter.verify()', 'all is well');
select is(pg_temp.purge_to(10), 2::bigint, 'the edit of 6 has');
select is(pg_temp.purge_to(11), 4::bigint, 'all have');
-- withheld edits, too
select pg_temp.say('carol:phone', 'd/carol/frank', 'f7', 'one'), gnatter.block_user('frank', 'carol'), pg_temp.edit(7, 'two') \g /dev/null
select pg_temp.acked('carol:phone', 'd/carol/frank', 7) \g /dev/null
select is(gnatter.purge(delivered_to_all => true, conversation => 'd/carol/frank'), 6::bigint, 'of an edit that is withheld');
select is(pg_temp.code('carol:phone', 'message.delete', '{"conversation":"u/frank","seq":7}'), '{"seq": 9}', 'what it says can be deleted');
select is((pg_temp.said('d/carol/frank', 8))[1], '8 message-edited {"seq":7}', 'and is gone');
-- what is to disappear does so, also where some of it has been purged
select gnatter.create_group('fades', 'alice', '{bob}'), gnatter.set_timer('g/fades', 60) \g /dev/null
select pg_temp.say('bob:phone', 'g/fades', 'f' || i, 'one') from generate_series(3, 6) i \g /dev/null
create function pg_temp.reword(seq bigint) returns jsonb language sql
as $$ select pg_temp.ask('bob:phone', 'message.edit', jsonb_build_object('conversation', 'g/fades', 'seq', seq, 'payload', 'two')::text) $$;
select pg_temp.reword(5), pg_temp.reword(4), pg_temp.say('bob:phone', 'g/fades', 'f9'), pg_temp.reword(6) \g /dev/null
select pg_temp.acked(d, 'g/fades', 8) from unnest('{alice:phone,alice:laptop,bob:phone}'::text[]) d \g /dev/null
select is(gnatter.purge(delivered_to_all => true, conversation => 'g/fades'), 5::bigint,
    'the edit of 6 has not been got, so 6 is kept, and the edits of 4 and 5 without what they say');
select pg_temp.later('g/fades', 70) \g /dev/null
select is(pg_temp.swept(10, 100), 2, 'they disappear');
select is((select count(*) from gnatter.message m where m.conversation_id = pg_temp.c('g/fades') and position('two'::bytea in m.payload) > 0),
    0::bigint, 'all of them');
select is_empty('select * from gnatter.verify()', 'all is well');
-- ---- quotas ----
create function pg_temp.watch(names text[], items bigint, bytes bigint default 1000000) returns int language sql
as $$ select gnatter.inbox_watch(array(select pg_temp.c(n) from unnest(names) n), items, bytes) $$;
create function pg_temp.waiting(user_name text) returns text language sql
as $$ select s.items || '/' || s.bytes from gnatter.inbox_sum(pg_temp.u(user_name)) s $$;
select gnatter.create_users('{quinn,rose,sam}', 'phone') \g /dev/null
select is((select array_agg(pg_temp.say('rose:phone', 'd/quinn/rose', 'q' || i, 'four')) from generate_series(1, 3) i), '{1,2,3}', 'three wait');
select pg_temp.say('quinn:phone', 'd/quinn/rose', 'own', 'mine') \g /dev/null
select is(pg_temp.watch('{d/quinn/rose,d/quinn/rose,g/kitchen}', 4), 0, 'below the quota');
select is(pg_temp.waiting('quinn'), '3/12', 'her own do not count');
select is(pg_temp.say('sam:phone', 'd/quinn/sam', 's1', 'four'), '1', 'a fourth, elsewhere');
select is(pg_temp.watch('{d/quinn/sam}', 4), 1, 'at the quota');
select is(pg_temp.watch('{d/quinn/sam}', 4), 0, 'once');
select is((select (user_name, items, bytes)::text from gnatter.full_inboxes), '(quinn,4,16)', 'an administrator sees');
select is((select array_agg(user_name order by user_name) from gnatter.conversation_members(array[pg_temp.c('d/quinn/sam')]) where is_full),
    '{quinn}', 'who loads is told');
select is(pg_temp.say(who, conversation, id), said, why)
  from (values
    ('sam:phone', 'd/quinn/sam', 's2', 'full', 'no more'),
    ('rose:phone', 'd/quinn/rose', 'q9', 'full', 'from nobody'),
    ('sam:phone', 'd/quinn/sam', 's1', 'duplicate', 'what was taken'),
    ('quinn:phone', 'd/quinn/sam', 'r1', '2', 'she may answer'),
    ('quinn:phone', 'd/quinn/quinn', 'n1', '1', 'and take notes'),
    ('rose:phone', 'd/rose/sam', 'rs', '1', 'others are not concerned')
  ) as v (who, conversation, id, said, why);
select gnatter.create_group('choir', 'sam', '{quinn,rose}') \g /dev/null
select is(pg_temp.say('sam:phone', 'g/choir', 'c1'), '2', 'groups are never full');
select is(gnatter.inbox_release(10, 4, 1000000), 1, 'still full');
select pg_temp.marked('quinn', 'd/quinn/rose', 2, 0) \g /dev/null
select is(gnatter.inbox_release(10, 4, 1000000), 0, 'she has got some');
select is(pg_temp.waiting('quinn'), '2/8', 'counted again');
select is(pg_temp.say('sam:phone', 'd/quinn/sam', 's2'), '3', 'more is taken');
select is(pg_temp.watch('{d/quinn/sam}', 100, 13), 1, 'by bytes');
select is(gnatter.inbox_open(), 1, 'quotas are switched off');
select is(pg_temp.waiting('quinn'), '0/0', 'nothing is counted');
-- what she has got in one conversation does not count when another fills up
select is(pg_temp.watch('{d/quinn/rose,d/quinn/sam}', 100), 0, 'counted');
select pg_temp.marked('quinn', 'd/quinn/rose', 4, 0), pg_temp.say('sam:phone', 'd/quinn/sam', 's4') \g /dev/null
select is(pg_temp.watch('{d/quinn/sam}', 4), 0, 'what has been got is noticed');
select is(pg_temp.waiting('quinn'), '3/14', 'only what waits');
select is(pg_temp.watch('{d/quinn/sam}', 3), 1, 'full');
select gnatter.block_user('quinn', 'sam') \g /dev/null
select is(gnatter.inbox_release(10, 3, 1000000), 0, 'whom she blocks fills nothing, neither with what he wrote before');
select is(pg_temp.say('sam:phone', 'd/quinn/sam', 's5'), '5', 'withheld');
select is(pg_temp.watch('{d/quinn/sam}', 3), 0, 'nor with that');
select gnatter.unblock_user('quinn', 'sam') \g /dev/null
select is(pg_temp.watch('{d/quinn/sam}', 4), 0, 'what was withheld stays so');
select is(pg_temp.waiting('quinn'), '3/14', 'what he wrote before waits again');
select pg_temp.say('sam:phone', 'd/quinn/sam', 's6') \g /dev/null
select is(pg_temp.watch('{d/quinn/sam}', 4), 1, 'and so does what he writes now');
select gnatter.remove_user('quinn') \g /dev/null
select is(gnatter.inbox_release(10, 4, 1000000), 0, 'who was removed has no inbox');
select is(pg_temp.watch('{d/quinn/sam}', 1), 1, 'that could be full');
select is((select array_agg(user_name) from gnatter.full_inboxes), '{sam}', 'but others have');
-- an edit, during one block, of a message of the same
select gnatter.create_users('{uma,vic}', 'phone') \g /dev/null
select gnatter.block_user('uma', 'vic') \g /dev/null
select pg_temp.say('vic:phone', 'd/uma/vic', 'v1') \g /dev/null
select is(pg_temp.code('vic:phone', 'message.edit', '{"conversation":"u/uma","seq":1,"payload":"two"}'), '{"seq": 2}', 'edited');
select is((select count(*) from gnatter.block where conversation_id = pg_temp.c('d/uma/vic')), 1::bigint, 'one block covers both');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
