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
select bag_eq($$ select t from gnatter.device_flags(array[pg_temp.d('alice:laptop'), pg_temp.d('bob:phone')]) t $$,
    array['alice:laptop u/bob {"muted": true, "pinned": false, "archived": true}'], 'told to a device that was away');
update gnatter.device set live_until = clock_timestamp();
select is_empty($$ select gnatter.device_flags(array[pg_temp.d('alice:laptop')]) $$, 'once');
select is(pg_temp.code('alice:phone', 'conversation.mute', '{"conversation":"u/bob","until":4102444800000}'), '{"muted": true, "until": 4102444800000}', 'until');
select is((select t from gnatter.device_flags(array[pg_temp.d('alice:laptop')]) t),
    'alice:laptop u/bob {"muted": true, "until": 4102444800000, "pinned": false, "archived": true}', 'with its end');
select is(pg_temp.code('carol:phone', 'conversation.pin', params), code, params)
  from (values ('{"conversation":"u/dave"}', 'bad-request'), ('{"conversation":"u/zoe"}', 'no-such-user'), ('{}', 'bad-request'),
               ('{"conversation":"g/kitchen","pinned":1}', 'bad-request'), ('{"conversation":"g/none"}', 'no-such-group')) as v (params, code);

-- ---- purge ----
select pg_temp.acked(d, 'd/alice/bob', 3) from unnest('{alice:phone,alice:laptop,bob:phone}'::text[]) d \g /dev/null
select is(gnatter.purge(delivered_to_all => true, conversation => 'd/alice/bob'), 3::bigint, 'purged');
select is((select count(*) from gnatter.message_reaction) + (select count(*) from gnatter.message_edit), 0::bigint, 'with all that');
select is_empty('select * from gnatter.verify()', 'all is well');
select * from finish();
rollback;
