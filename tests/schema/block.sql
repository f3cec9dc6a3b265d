-- Blocking: what is withheld, from whom, where; and what nobody is told.
begin;
select * from no_plan();
\ir fixture.sql

-- alice:phone's unread count and last time in a conversation, as method conversations has them
create function pg_temp.listed(client_id text, conversation text) returns jsonb language sql as $$
    select c from jsonb_array_elements(pg_temp.ask(client_id, 'conversations', '{}') #> '{result,conversations}') c
     where c ->> 'conversation' = conversation $$;
create function pg_temp.history(user_name text, conversation text) returns text[] language sql as $$
    select array_agg(format('%s %s %s', i.seq, coalesce(i.event_type, i.sender_user), convert_from(i.payload, 'UTF8')) order by i.seq)
      from gnatter.history_items(pg_temp.u(user_name), conversation, null, 0, 200) i $$;
-- the version that an append would need now, and whether it was
create function pg_temp.version(conversation text) returns bigint language sql as $$
    select c.membership_version from gnatter.conversation c where c.name = conversation $$;

-- ---- who may ask for what ----
select is(pg_temp.code('alice:phone', method, params), expected, why)
  from (values
    ('block', '{}', 'bad-request', 'nobody is named'),
    ('block', '{"user":"zoe"}', 'no-such-user', 'somebody who is not there'),
    ('block', '{"user":"alice"}', 'bad-request', 'herself'),
    ('unblock', '{"user":"zoe"}', 'no-such-user', 'nor can she be unblocked'),
    ('unblock', '{"user":"bob"}', '{}', 'who is not blocked stays so'),
    ('blocked', '{}', '{"blocked": []}', 'nobody yet')) as t (method, params, expected, why);

select throws_ok(format('select gnatter.%s(''alice'', %L)', f, n), 'GN002', null, format('%s %s', f, coalesce(n, 'null')))
  from unnest('{block_user,unblock_user}'::text[]) f, unnest('{zoe,NULL}'::text[]) n;
select is_empty($$ select from gnatter.block $$, 'and nobody is blocked');

-- ---- before a word was said ----
select is(pg_temp.code('alice:phone', 'block', '{"user":"dave"}'), '{}', 'a stranger is blocked');
select is(pg_temp.ask('alice:phone', 'conversations', '{}') #> '{result,conversations,1}', null, 'no conversation appears');
select is(pg_temp.listed('dave:phone', 'u/alice'), null, 'nor does one for him');
select is(pg_temp.code('dave:phone', 'conversation.mute', '{"conversation":"u/alice"}'), 'bad-request',
          'he cannot tell it from one that is not there');
select is(pg_temp.say('dave:phone', 'd/alice/dave', 'd1'), '1', 'his message is taken');
select is(pg_temp.history('alice', 'u/dave'), '{"1 withheld {}"}', 'and withheld from her');
select is(pg_temp.history('dave', 'u/alice'), '{"1 dave hello"}', 'but not from himself');

-- ---- in the middle of a conversation ----
select pg_temp.say('bob:phone', 'd/alice/bob', 'b1', 'one');
select is(pg_temp.version('d/alice/bob'), 1::bigint, 'a version');
select is(pg_temp.code('alice:phone', 'block', '{"user":"bob"}'), '{}', 'alice blocks bob');
select is(pg_temp.code('alice:phone', 'block', '{"user":"bob"}'), '{}', 'twice is once');
select is(pg_temp.version('d/alice/bob'), 2::bigint, 'and another one: what was decided before is decided again');
select is((select base_seqs from gnatter.append(array[pg_temp.c('d/alice/bob')], '{1}', '{1}', array[pg_temp.u('bob')],
                                                array[pg_temp.d('bob:phone')], '{b2}', '{x}')), '{null}',
          'an append that was decided before appends nothing');
select is(pg_temp.say('bob:phone', 'd/alice/bob', 'b2', 'two'), '2', 'bob writes');
select is(pg_temp.say('alice:phone', 'd/alice/bob', 'a3', 'three'), '3', 'so does alice');
select is(pg_temp.history('alice', 'u/bob'), '{"1 bob one","2 withheld {}","3 alice three"}', 'what alice reads');
select is(pg_temp.history('bob', 'u/alice'), '{"1 bob one","2 bob two","3 alice three"}', 'what bob reads');
select is(pg_temp.ask('alice:phone', 'history', '{"conversation":"u/bob"}') #> '{result,count}', '3', 'counted alike');
select is(pg_temp.listed('alice:phone', 'u/bob') ->> 'unread', '1', 'only what she can read is unread');
select is(pg_temp.listed('alice:phone', 'u/bob') ->> 'blocked', 'true', 'she sees that she blocks');
select is(pg_temp.listed('bob:phone', 'u/alice') ->> 'blocked', null, 'he does not');
update gnatter.message m set time_ms = 1000 * m.seq where m.conversation_id = pg_temp.c('d/alice/bob');
select is(pg_temp.listed('alice:phone', 'u/bob') ->> 'last_time', '1000', 'he does not bring the conversation to the top');
select isnt(pg_temp.listed('bob:phone', 'u/alice') ->> 'last_time', '1000', 'for him it is where it was');
select is((select array_agg(b ->> 'user') from jsonb_array_elements(
              pg_temp.ask('alice:phone', 'blocked', '{}') #> '{result,blocked}') b), '{bob,dave}', 'whom she blocks');
select is((select array_agg(user_name || ' ' || blocked order by blocked) from gnatter.blocks), '{alice bob,alice dave}',
          'for administrators');

-- ---- nothing of marks ----
select pg_temp.marked('alice', 'd/alice/bob', 3, 3);
select pg_temp.marked('bob', 'd/alice/bob', 3, 3);
select is(pg_temp.ask('bob:phone', 'receipts', '{"conversation":"u/alice","seq":1}') #>> '{result,members,0,delivered}', 'false',
          'bob is not told that alice has what he wrote before');
select is(pg_temp.ask('alice:phone', 'receipts', '{"conversation":"u/bob","seq":3}') #>> '{result,members,0,read}', 'false',
          'nor alice that bob has read what she writes');
select is((select count(*) from pg_temp.told(array[pg_temp.d('bob:phone')], 0, 1) where user_name = 'alice'), 0::bigint,
          'nor is a device that comes back');

-- ---- push ----
select gnatter.push_register('alice', 'phone', '{"provider":"webhook"}');
select gnatter.device_gone(array[pg_temp.d('alice:phone')], array[gnatter.now_ms()]);
select is(gnatter.push_newest(pg_temp.c('d/alice/bob'), pg_temp.u('alice'), 0, 9223372036854775807), 1::bigint,
          'no wake-up for what is withheld');
select is(gnatter.push_badge(pg_temp.u('alice')), 0::bigint, 'nor does it count');

-- ---- presence ----
select is((select array_agg(online_is_shown or last_seen_is_shown) from gnatter.presence_state(
              array[pg_temp.u('alice'), pg_temp.u('bob'), pg_temp.u('bob')], '{bob,alice,carol}', true)), '{f,f,t}',
          'neither sees the other, though they share a group');

-- ---- told as an error, where a node is configured so ----
create function pg_temp.careful(client_id text, conversation text, id text) returns text language sql as $$
    select a.state || ' ' || coalesce(a.seq::text, '-')
      from gnatter.device_open(array[client_id]) s
     cross join gnatter.append_careful(array[pg_temp.c(conversation)], array[s.user_id], array[s.device_id], array[id], '{x}', true) a $$;
select is(pg_temp.careful('bob:phone', 'd/alice/bob', 'b4'), 'blocked -', 'who is blocked');
select is(pg_temp.careful('bob:phone', 'd/alice/bob', 'b2'), 'duplicate 2', 'what was taken before stays taken');
select is(pg_temp.careful('alice:phone', 'd/alice/bob', 'a4'), 'new 4', 'who blocks writes as ever');
select is(pg_temp.careful('bob:phone', 'g/kitchen', 'b5'), 'new 2', 'in a group nobody is blocked');

-- ---- no more ----
select is(pg_temp.code('alice:phone', 'unblock', '{"user":"bob"}'), '{}', 'alice unblocks bob');
select is(pg_temp.say('bob:phone', 'd/alice/bob', 'b5', 'five'), '5', 'he writes');
select is(pg_temp.history('alice', 'u/bob'),
          '{"1 bob one","2 withheld {}","3 alice three","4 alice x","5 bob five"}', 'what was withheld stays so');
select is((select array_agg(delivered_seq || '/' || read_seq) from pg_temp.told(array[pg_temp.d('bob:phone')], 0, 1)
            where user_name = 'alice'), '{1/1}', 'a mark on what was withheld is told as the one before');
select pg_temp.marked('alice', 'd/alice/bob', 5, 5);
select is((select array_agg(delivered_seq || '/' || read_seq) from pg_temp.told(array[pg_temp.d('bob:phone')], 0, 1)
            where user_name = 'alice'), '{5/5}', 'and behind it as it is');
select is(pg_temp.ask('bob:phone', 'receipts', '{"conversation":"u/alice","seq":2}') #>> '{result,members,0,delivered}', 'false',
          'what was withheld was never delivered');
select is(pg_temp.ask('bob:phone', 'receipts', '{"conversation":"u/alice","seq":5}') #>> '{result,members,0,read}', 'true',
          'what came after was');
select is(pg_temp.code('alice:phone', 'block', '{"user":"bob"}') || pg_temp.code('alice:phone', 'unblock', '{"user":"bob"}'), '{}{}',
          'a block in which nothing happened');
select is((select array_agg(from_seq || '-' || to_seq) from gnatter.block where conversation_id = pg_temp.c('d/alice/bob')), '{2-4}',
          'leaves nothing');

-- ---- what the blocked one does beside writing ----
select gnatter.block_user('alice', 'bob');
select is(pg_temp.code('bob:phone', 'message.delete', '{"conversation":"u/alice","seq":5}'), '{"seq": 6}', 'bob deletes');
select is((pg_temp.history('alice', 'u/bob'))[6], '6 withheld {}', 'which is withheld like all he does');
select gnatter.delete_message('d/alice/bob', 2);
select is((pg_temp.history('alice', 'u/bob'))[7], '7 message-deleted {"seq":2}', 'what an administrator does is not');
select gnatter.unblock_user('alice', 'bob');

-- ---- what is said of messages: edits and reactions ----
select pg_temp.say('bob:phone', 'd/bob/carol', 'c1', 'seen');
select gnatter.block_user('carol', 'bob');
select pg_temp.say('bob:phone', 'd/bob/carol', 'c2', 'unseen');
select pg_temp.say('carol:phone', 'd/bob/carol', 'c3', 'hers');
select is(pg_temp.code('bob:phone', 'message.edit', '{"conversation":"u/carol","seq":1,"payload":"now this"}'), '{"seq": 4}',
          'bob edits what she has seen');
select is(pg_temp.history('carol', 'u/bob'), '{"1 bob seen","2 withheld {}","3 carol hers","4 withheld {}"}',
          'neither the edit nor its result comes to her');
select is(pg_temp.code('bob:phone', 'message.react', '{"conversation":"u/carol","seq":3,"reaction":"!"}'), '{"seq": 5}',
          'and reacts to what she writes');
select is(pg_temp.ask('carol:phone', 'message.reactions', '{"conversation":"u/bob","seq":3}') #>> '{result,counts}', '{}',
          'which she does not hear of');
select is(pg_temp.ask('bob:phone', 'message.reactions', '{"conversation":"u/carol","seq":3}') #>> '{result,counts}', '{"!": 1}',
          'and he does');
select is(pg_temp.code('carol:phone', 'message.react', '{"conversation":"u/bob","seq":2,"reaction":"?"}'), 'bad-request',
          'what she has not got she cannot react to');
select gnatter.unblock_user('carol', 'bob');
select is(pg_temp.version('d/bob/carol'), 3::bigint, 'a block, and its end');
select is(pg_temp.code('bob:phone', 'message.edit', '{"conversation":"u/carol","seq":2,"payload":"after all"}'), '{"seq": 6}',
          'afterwards bob edits what was withheld');
select is(pg_temp.version('d/bob/carol'), 4::bigint, 'an append has to know');
select is((pg_temp.history('carol', 'u/bob'))[2:], '{"2 withheld {}","3 carol hers","4 withheld {}","5 withheld {}","6 withheld {}"}',
          'it stays so');
select is(pg_temp.code('bob:phone', 'message.react', '{"conversation":"u/carol","seq":3,"reaction":"+"}'), '{"seq": 7}', 'he goes on');
select is((pg_temp.history('carol', 'u/bob'))[7], '7 message-reacted {"seq":3,"reaction":"+"}', 'as everybody');
select is((select array_agg(from_seq || '-' || to_seq order by from_seq) from gnatter.block
            where conversation_id = pg_temp.c('d/bob/carol')), '{2-5,6-6}', 'what carol does not get');
select is(pg_temp.careful('bob:phone', 'd/bob/carol', 'b9'), 'new 8', 'nor is he refused any more');

select is(pg_temp.ask('bob:phone', 'group.create', '{"group":"again","members":["carol"]}') -> 'error', null, 'and takes her into groups');

-- ---- limits ----
insert into gnatter.block (conversation_id, user_id, from_seq, to_seq)
select pg_temp.c('d/alice/dave'), pg_temp.u('dave'), n, n from generate_series(-4995, -900) n;
select gnatter.block_user('dave', 'alice');
select is(pg_temp.code('dave:phone', 'unblock', '{"user":"alice"}'), 'too-large', 'a block that was ended too often stays');
delete from gnatter.block b where b.conversation_id = pg_temp.c('d/alice/dave') and b.user_id = pg_temp.u('dave');
select pg_temp.say('bob:phone', 'd/bob/carol', 'limit', 'unseen') from gnatter.block_user('carol', 'bob');
select gnatter.unblock_user('carol', 'bob');
insert into gnatter.block (conversation_id, user_id, from_seq, to_seq)
select pg_temp.c('d/bob/carol'), pg_temp.u('carol'), n, n from generate_series(-4093, -1) n;
select is(pg_temp.code('bob:phone', 'message.edit', '{"conversation":"u/carol","seq":9,"payload":"x"}'), 'denied',
          'nor can what was withheld be changed for ever');
delete from gnatter.block b where b.from_seq < 0;
select is((select count(*) from gnatter.verify()), 0::bigint, 'all of it is as it should be');
update gnatter.block set from_seq = 99 where to_seq is null;
select is((select array_agg(distinct v.invariant) from gnatter.verify() v), '{blocks}', 'and what is not is found');

set local session_replication_role = replica; -- in conversations that need not be there
insert into gnatter.block (conversation_id, user_id, from_seq) select -n, pg_temp.u('carol'), 1 from generate_series(1, 9999) n;
set local session_replication_role = origin;
select is(pg_temp.code('carol:phone', 'block', '{"user":"bob"}'), '{}', 'she blocks 10,000');
select is(pg_temp.code('carol:phone', 'block', '{"user":"alice"}'), 'too-large', 'and no more');
select is(pg_temp.code('carol:phone', 'block', '{"user":"bob"}'), '{}', 'but whom she does');

select * from finish();
rollback;
