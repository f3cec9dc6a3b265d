-- Push: registrations, when a wake-up is made, and what becomes of it.
begin;
select * from no_plan();

create function pg_temp.id(client_id text) returns bigint language sql as
$$ select device_id from gnatter.device_open(array[client_id]) $$;
create function pg_temp.u(user_name text) returns bigint language sql as
$$ select user_id from gnatter.user_account where name = user_name $$;
create function pg_temp.rpc(client_id text, method text, params jsonb) returns jsonb language sql as
$$ select gnatter.rpc(pg_temp.id(client_id), gen_random_uuid()::text, method, params) $$;
create function pg_temp.conversation(name text) returns bigint language sql as
$$ select conversation_id from gnatter.conversation_load(array[name], array[true]) $$;
-- A message in the conversation, from so many seconds ago.
create function pg_temp.say(client_id text, conversation text, message text default 'hello', ago_s int default 10)
returns bigint language plpgsql as $$
declare
    said record;
begin
    select a.seq into said from gnatter.append_careful(array[pg_temp.conversation(conversation)],
        array[(select user_id from gnatter.device_open(array[client_id]))], array[pg_temp.id(client_id)],
        array[gen_random_uuid()::text], array[convert_to(message, 'UTF8')]) a;
    update gnatter.message m set time_ms = time_ms - ago_s * 1000
     where m.conversation_id = pg_temp.conversation(conversation) and m.seq = said.seq;
    return said.seq;
end $$;
create function pg_temp.evaluate(conversations text[], devices text[] default '{}') returns bigint language sql as $$
    select coalesce(sum(jobs), 0)::bigint from gnatter.push_evaluate(
        array(select pg_temp.conversation(c) from unnest(conversations) c),
        array(select pg_temp.id(d) from unnest(devices) d), 3000, 3600) $$;
create function pg_temp.claim(content text default 'wake') returns setof record language sql as
$$ select client_id, badge, conversations, conversation, title, sender, seq, message
     from gnatter.push_claim('{apns,fcm,webpush,unifiedpush,webhook}', 'w', 100, 60000, 3600, content) $$;
create function pg_temp.finish(client_id text, outcome text, after_ms bigint default 0, before_ms bigint default 0)
returns void language sql as $$
    select gnatter.push_finish('w', array[j.job_id], array[outcome], array[after_ms],
                               array[coalesce((select registration_id from gnatter.push_registration r where r.device_id = j.device_id), 0)],
                               array[before_ms], array['why'])
      from gnatter.push_job j where j.device_id = pg_temp.id(client_id) and j.finished_at is null $$;
create function pg_temp.state(client_id text) returns text language sql as
$$ select state from gnatter.push_job where device_id = pg_temp.id(client_id) order by job_id desc limit 1 $$;
create function pg_temp.gone(client_id text) returns void language sql as $$
    select gnatter.device_live(array[pg_temp.id(client_id)]);
    select gnatter.device_gone(array[pg_temp.id(client_id)], array[gnatter.now_ms()]) $$;

select gnatter.create_user(u) from unnest('{alice,bob,carol}'::text[]) u;
select gnatter.add_device(u, d) from unnest('{alice,bob,carol}'::text[]) u, unnest('{phone,laptop}'::text[]) d;
select gnatter.create_group('team', 'alice', '{bob,carol}', 'The team');

-- ---- registering ----
select is(pg_temp.rpc('bob:phone', 'push.register', params), expected, why)
  from (values
    ('{"provider":"carrier-pigeon","token":"x"}'::jsonb,
     '{"error":{"code":"bad-request","message":"no such push provider: carrier-pigeon"}}'::jsonb, 'an unknown provider'),
    ('{"provider":"apns"}', '{"error":{"code":"bad-request","message":"\"token\" is missing"}}', 'no token'),
    ('{"provider":"apns","token":"../../etc/passwd"}',
     '{"error":{"code":"bad-request","message":"\"token\" is not one of apns"}}', 'a token that would be another path'),
    ('{"provider":"fcm","token":"short"}', '{"error":{"code":"bad-request","message":"\"token\" is not one of fcm"}}', 'a short token'),
    ('{"provider":"webpush","endpoint":"http://push.example.net/x","p256dh":"","auth":""}',
     '{"error":{"code":"bad-request","message":"\"endpoint\" is not one of webpush"}}', 'an endpoint without TLS'),
    ('{"provider":"webpush","endpoint":"https://user@push.example.net/x","p256dh":"","auth":""}',
     '{"error":{"code":"bad-request","message":"\"endpoint\" is not one of webpush"}}', 'an endpoint with a user'),
    ('{"provider":"webpush","endpoint":"https://push.example.net/x","p256dh":"QUJD","auth":"QUJD"}',
     '{"error":{"code":"bad-request","message":"\"p256dh\" is not 65 bytes in base64url"}}', 'a public key that is none'),
    ('{"provider":"fcm","token":"0123456789abcdef","topic":"app"}',
     '{"error":{"code":"bad-request","message":"\"topic\" is the bundle id of an app, for apns"}}', 'a topic for another provider'),
    ('{"provider":"fcm","token":"0123456789abcdef","shows":1}',
     '{"error":{"code":"bad-request","message":"\"shows\" is not true or false"}}', 'a flag that is none'),
    ('{"provider":"apns","token":"00112233445566778899AABBCCDDEEFF00112233","environment":"sandbox"}',
     '{"result":{"provider":"apns","active":false}}', 'apns; no service sends with it here'),
    ('{"provider":"webhook"}', '{"result":{"provider":"webhook","active":false}}', 'a webhook needs nothing')
  ) c (params, expected, why);
select is(pg_temp.rpc('bob:phone', 'push.register', jsonb_build_object('provider', 'webpush', 'endpoint', 'https://push.example.net/x',
    'keys', jsonb_build_object('p256dh', translate(encode('\x04'::bytea || repeat('x', 64)::bytea, 'base64'), E'+/=\n', '-_'),
                               'auth', translate(encode(repeat('a', 16)::bytea, 'base64'), '+/=', '-_')))),
    '{"result":{"provider":"webpush","active":false}}', 'a subscription as a browser gives it');
select is((select count(*) from gnatter.push_registration), 1::bigint, 'each in place of the one before');
select is(pg_temp.rpc('carol:phone', 'push.register', '{"provider":"fcm","token":"0123456789abcdef:one"}') -> 'error', null, 'carol registers');
select is(pg_temp.rpc('bob:phone', 'push.register', '{"provider":"fcm","token":"0123456789abcdef:one"}') -> 'error', null, 'bob has her app now');
select bag_eq('select user_name, device_name, provider from gnatter.push_registrations', $$values ('bob', 'phone', 'fcm')$$,
    'she is not told on it any more');
select gnatter.push_tell('{fcm}', null, false, null, 's');
select is(pg_temp.rpc('bob:phone', 'push.info', '{}') #- '{result,registered,since}',
    '{"result":{"providers":[{"provider":"fcm","active":true}],"registered":{"provider":"fcm","refused":null}}}', 'what there is');
select is(pg_temp.rpc('bob:phone', 'push.unregister', '{}'), '{"result":{}}', 'unregister');
select is((select count(*) from gnatter.push_registration), 0::bigint, 'nothing left');
select lives_ok($$select gnatter.push_register('bob', 'phone', '{"provider":"fcm","token":"0123456789abcdef:two"}')$$, 'by an administrator');
select throws_ok($$select gnatter.push_register('bob', 'toaster', '{"provider":"webhook"}')$$, 'GN006', 'no such device: bob:toaster', 'which device?');
select throws_ok($$select gnatter.push_unregister('nobody', 'phone')$$, 'GN002', 'no such user: nobody', 'whose device?');

-- ---- when ----
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'nothing has been said');
select pg_temp.say('alice:phone', 'd/alice/bob', ago_s => 1);
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'the grace is not over');
select pg_temp.say('alice:phone', 'd/alice/bob', ago_s => 10);
select gnatter.device_live(array[pg_temp.id('bob:phone')]);
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'live');
select pg_temp.gone('bob:phone');
select is(pg_temp.evaluate('{d/alice/bob}'), 1::bigint, 'away: woken');
select is(pg_temp.evaluate('{d/alice/bob}', '{bob:phone}'), 0::bigint, 'once');
select pg_temp.say('alice:phone', 'g/team');
select is(pg_temp.evaluate('{g/team}'), 0::bigint, 'collapsed into the one outstanding');
select bag_eq($$select * from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$,
    $$values ('bob:phone', 3::bigint, 2, null::text, null::text, null::text, 2::bigint, null::text)$$,
    'the wake-up: badge from both conversations, nothing of what was said');
select is_empty($$select * from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$, 'claimed once');
select pg_temp.say('alice:phone', 'd/alice/bob');
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'the conversation has had its wake-up in this absence');
select gnatter.push_finish('other', array[j.job_id], '{sent}', '{0}', '{0}', '{0}', '{late}')
  from gnatter.push_job j where j.device_id = pg_temp.id('bob:phone') and j.finished_at is null;
select is(pg_temp.state('bob:phone'), 'sending', 'who has not claimed it, or no more, says nothing of it');
select pg_temp.finish('bob:phone', 'sent');
select is(pg_temp.state('bob:phone'), 'sent', 'sent');
select is(pg_temp.evaluate('{d/alice/bob,g/team}', '{bob:phone}'), 0::bigint, 'and not again while he is away');
select pg_temp.gone('bob:phone');
select is(pg_temp.evaluate('{}', '{bob:phone}'), 1::bigint, 'came and went without taking it: woken again');
select gnatter.marks_flush('{}', '{}', '{}', array[(select user_id from gnatter.device where device_id = pg_temp.id('bob:phone'))],
    array[pg_temp.conversation('d/alice/bob')], array[3], array[0]);
select gnatter.marks_flush('{}', '{}', '{}', array[(select user_id from gnatter.device where device_id = pg_temp.id('bob:phone'))],
    array[pg_temp.conversation('g/team')], array[2], array[0]);
select is_empty($$select * from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$,
    'delivered on another device meanwhile');
select is(pg_temp.state('bob:phone'), 'needless', 'so it was not needed');
select pg_temp.gone('bob:phone');
select is(pg_temp.evaluate('{d/alice/bob,g/team}', '{bob:phone}'), 0::bigint, 'nor is one made');
select pg_temp.say('bob:laptop', 'd/alice/bob');
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'one''s own message wakes nobody of one''s own');
select gnatter.rename_group('team', 'The Team');
select is(pg_temp.evaluate('{g/team}'), 0::bigint, 'an event wakes nobody');
select is(pg_temp.rpc('bob:laptop', 'conversation.mute', '{"conversation":"u/alice"}'), '{"result":{"muted":true}}', 'mute');
select pg_temp.say('alice:phone', 'd/alice/bob');
select is(pg_temp.evaluate('{d/alice/bob}'), 0::bigint, 'muted');
select is(pg_temp.rpc('bob:laptop', 'conversation.mute', '{"conversation":"u/alice","muted":false}'), '{"result":{"muted":false}}', 'unmute');
select is(pg_temp.evaluate('{d/alice/bob}'), 1::bigint, 'not muted');
select is(pg_temp.rpc('bob:laptop', 'conversation.mute', '{"conversation":"u/alice","until":1}'), '{"result":{"muted":false}}', 'until the past');
select is(pg_temp.rpc('bob:laptop', 'conversation.mute', '{"conversation":"u/alice","until":4102444800000}'),
    '{"result":{"muted":true,"until":4102444800000}}', 'until then');
select is_empty($$select * from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$, 'muted meanwhile');
select is(pg_temp.rpc('carol:phone', 'conversation.mute', '{"conversation":"u/bob"}') #>> '{error,code}', 'bad-request', 'nothing said yet');
select is(pg_temp.rpc('carol:phone', 'conversation.mute', '{"conversation":"g/none"}') #>> '{error,code}', 'no-such-group', 'no such group');
select pg_temp.rpc('bob:laptop', 'conversation.mute', '{"conversation":"u/alice","muted":false}');

-- ---- what it says ----
select pg_temp.gone('bob:phone');
select pg_temp.say('carol:phone', 'g/team', 'see you', 5);
select pg_temp.evaluate('{g/team}');
select bag_eq($$select * from pg_temp.claim('sender') c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$,
    $$values ('bob:phone', 6::bigint, 2, 'g/team', 'The Team', 'carol', 4::bigint, null::text)$$, 'sender');
select pg_temp.finish('bob:phone', 'retry', 0);
select bag_eq($$select * from pg_temp.claim('full') c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$,
    $$values ('bob:phone', 6::bigint, 2, 'g/team', 'The Team', 'carol', 4::bigint, 'see you')$$, 'full');
select is(gnatter.push_text(payload), expected, why)
  from (values
    (convert_to('Grüße, 5 €', 'UTF8'), 'Grüße, 5 €', 'text'),
    (convert_to(E'two\nlines', 'UTF8'), E'two\nlines', 'lines'),
    ('\xff00'::bytea, null, 'bytes'), ('\x6100'::bytea, null, 'a NUL'), ('\x6102'::bytea, null, 'a control character'), (''::bytea, null, 'nothing'),
    (convert_to('{"ciphertext":"x"}', 'UTF8'), null, 'an object'),
    (convert_to(E'-----BEGIN PGP MESSAGE-----\nx', 'UTF8'), null, 'an armour'),
    (convert_to(repeat('QUJD', 20), 'UTF8'), null, 'base64')) c (payload, expected, why);

-- ---- what becomes of it ----
select pg_temp.finish('bob:phone', 'retry', 60000);
select is((select state || attempt || (due_at > now() + interval '59 s') from gnatter.push_job where finished_at is null), 'queued2true', 'retry, later');
update gnatter.push_job set due_at = now() where finished_at is null;
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select pg_temp.finish('bob:phone', 'held', 0);
select is((select state || attempt from gnatter.push_job where finished_at is null), 'held2', 'held: the attempt does not count');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select gnatter.device_live(array[pg_temp.id('bob:laptop')]);
select pg_temp.say('alice:phone', 'd/alice/bob');
delete from gnatter.push_wake;
select is(pg_temp.evaluate('{d/alice/bob}'), 1::bigint, 'something more while it is being sent');
select pg_temp.finish('bob:phone', 'sent');
select is((select state || attempt from gnatter.push_job where finished_at is null), 'queued0', 'once again after that');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select pg_temp.finish('bob:phone', 'gone', 0, 1000);
select is((select count(*) from gnatter.push_registration), 1::bigint, 'gone before it was registered: it stays');
update gnatter.push_job set state = 'queued', finished_at = null, due_at = now() where job_id = (select max(job_id) from gnatter.push_job);
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select pg_temp.finish('bob:phone', 'refused');
select is((select refused_reason from gnatter.push_registrations), 'why', 'refused: kept, and not used');
select is(pg_temp.evaluate('{d/alice/bob}', '{bob:phone}'), 0::bigint, 'no more of these');
select throws_ok($$ select gnatter.push_resume('apsn') $$, 'GN006', 'no such push provider: apsn', 'a provider that there is');
select is(gnatter.push_resume('fcm'), 1::bigint, 'until an operator resumes');
select is((select resumed_ms from gnatter.push_count()), (select floor(extract(epoch from resumed_at) * 1000)::bigint
    from gnatter.push_provider where provider = 'fcm'), 'of which services hear when they count');
select is(pg_temp.evaluate('{d/alice/bob}', '{bob:phone}'), 1::bigint, 'then again, in this absence as well: he has had none');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select pg_temp.finish('bob:phone', 'gone', 0, gnatter.now_ms() + 60000);
select is((select count(*) from gnatter.push_registration), 0::bigint, 'gone since: unregistered');
select gnatter.push_register('bob', 'phone', '{"provider":"fcm","token":"0123456789abcdef:three"}');
select pg_temp.gone('bob:phone');
select is(pg_temp.evaluate('{}', '{bob:phone}'), 1::bigint, 'registered again, and woken');
update gnatter.push_job set created_at = now() - interval '2 hours' where finished_at is null;
update gnatter.message set time_ms = time_ms - 7200000;
select is_empty($$select * from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$, 'too old to be of use');
select is(pg_temp.state('bob:phone'), 'expired', 'and over');
select is(pg_temp.evaluate('{}', '{bob:phone}'), 0::bigint, 'he has had it in this absence');
update gnatter.push_wake set woken_at = woken_at - interval '2 hours';
select is(pg_temp.evaluate('{}', '{bob:phone}'), 1::bigint, 'which is long');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select registration_id as used from gnatter.push_registration \gset
select gnatter.push_register('bob', 'phone', '{"provider":"fcm","token":"0123456789abcdef:four"}');
select gnatter.push_finish('w', array[j.job_id], '{gone}', '{0}', array[:used::bigint], '{0}', '{why}')
  from gnatter.push_job j where j.device_id = pg_temp.id('bob:phone') and j.finished_at is null;
select is((select count(*) from gnatter.push_registration), 1::bigint, 'gone is what was used, not what has come since');
select is(pg_temp.state('bob:phone'), 'queued', 'which the wake-up goes to');
select gnatter.push_unregister('bob', 'phone');
select pg_temp.rpc('carol:phone', 'push.register', '{"provider":"webhook","token":"c"}');
select gnatter.revoke_device('carol', 'phone');
select is((select count(*) from gnatter.push_registration), 0::bigint, 'a revoked device is unregistered');

-- ---- a long absence ----
-- What it costs to wake somebody does not grow with what she lacks: counted is what is read of the log and its indexes.
create function pg_temp.reads(statement text) returns bigint language plpgsql as $$
declare
    log_read constant text := 'select sum(pg_stat_get_xact_tuples_returned(i) + pg_stat_get_xact_tuples_fetched(i)) from ('
        'select ''gnatter.message''::regclass union select indexrelid from pg_index where indrelid = ''gnatter.message''::regclass) t (i)';
    before bigint;
    after bigint;
begin
    execute log_read into before;
    execute statement;
    execute log_read into after;
    return after - before;
end $$;
select gnatter.create_group('full' || i, 'alice', '{bob}') from generate_series(1, 3) i;
insert into gnatter.message select c.conversation_id, s, c.last_time_ms - 60000, pg_temp.u('alice'), pg_temp.id('alice:phone'), 'm' || s, null, 'x'
  from gnatter.conversation c cross join generate_series(2, 5002) s where c.name like 'g/full%';
update gnatter.conversation set last_seq = 5002 where name like 'g/full%';
select gnatter.push_register('bob', 'phone', '{"provider":"webhook"}');
select pg_temp.gone('bob:phone');
select cmp_ok(pg_temp.reads($$select pg_temp.evaluate('{g/full1,g/full2,g/full3}')$$), '<=', 100::bigint, 'it is found from the end');
select is((select state from gnatter.push_job where finished_at is null), 'queued', 'and he is woken');
select cmp_ok(pg_temp.reads($$select gnatter.push_badge(pg_temp.u('bob'))$$), '<=', 25000::bigint, 'counting ends');
select is(gnatter.push_badge(pg_temp.u('bob')), 10000::bigint, 'at 10,000, of all conversations together');

-- ---- the clock was ahead for an hour, and was set back: the log's times stand still until then ----
select gnatter.push_register('carol', 'laptop', '{"provider":"fcm","token":"0123456789abcdef:clock"}');
select pg_temp.gone('carol:laptop');
select pg_temp.say('alice:phone', 'd/alice/carol', 'hello', -3600);
select is(pg_temp.evaluate('{d/alice/carol}'), 1::bigint, 'said ahead of the clock: nobody waits until then');
select bag_has($$select a, f from pg_temp.claim('sender') c (a text, b bigint, c int, d text, e text, f text, g bigint, h text)$$,
    $$values ('carol:laptop', 'alice')$$, 'nor is it needless');

-- ---- a wake-up that waited for long, as its provider was stopped, speaks of what was said meanwhile ----
select pg_temp.finish('carol:laptop', 'sent');
select gnatter.marks_flush('{}', '{}', '{}', array[pg_temp.u('carol')], array[pg_temp.conversation('d/alice/carol')], array[1000], array[0]);
select pg_temp.say('bob:phone', 'd/bob/carol', 'old', 7200);
select pg_temp.gone('carol:laptop');
select is(pg_temp.evaluate('{d/bob/carol}'), 1::bigint, 'one waits');
update gnatter.push_job set created_at = now() - interval '2 hours' where finished_at is null;
select pg_temp.say('bob:phone', 'd/bob/carol', 'new', 5);
select is(pg_temp.evaluate('{d/bob/carol}'), 0::bigint, 'another one is not made');
select is((select array_agg(c.message || (c.created_ms > gnatter.now_ms() - 60000))
             from gnatter.push_claim('{fcm}', 'w', 100, 60000, 3600, 'full') c where c.client_id = 'carol:laptop'),
    array['newtrue'], 'it is as old as what it tells');
select gnatter.push_finish('w', array[j.job_id], '{failed}', '{0}', array[0::bigint], '{0}', '{why}')
  from gnatter.push_job j where j.device_id = pg_temp.id('carol:laptop') and j.finished_at is null;
select is(pg_temp.state('carol:laptop'), 'failed', 'it cannot be sent');
select is(pg_temp.evaluate('{d/bob/carol}'), 1::bigint, 'the next one is tried');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
delete from gnatter.push_wake;
select is(pg_temp.evaluate('{d/bob/carol}'), 1::bigint, 'and what is said while that is being sent');
select pg_temp.finish('carol:laptop', 'failed');
select is(pg_temp.state('carol:laptop'), 'queued', 'is not given up with it');
select count(*) from pg_temp.claim() c (a text, b bigint, c int, d text, e text, f text, g bigint, h text);
select pg_temp.finish('carol:laptop', 'gone', 0, 1000);
select is(pg_temp.state('carol:laptop'), 'gone', 'gone before it was registered: that is over, too');
select is(pg_temp.evaluate('{d/bob/carol}'), 1::bigint, 'and as it stays, the next one is tried');

select * from finish();
rollback;
