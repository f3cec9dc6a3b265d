-- What is true of what notifications say: anybody who is connected can send them.
begin;
\ir fixture.sql
select plan(14);

create function pg_temp.facts(variadic hints text[]) returns text[] language sql
as $$ select coalesce(array_agg(f.fact order by f.fact collate "C"), '{}') from gnatter.hint_facts(hints) as f (fact) $$;
create function pg_temp.after(name text) returns text language sql
as $$ select format('r %s %s', r.name, r.valid_after_s) from gnatter.revocations(null) r where r.name = after.name $$;

select is(pg_temp.facts('', ' ', 'r', 'r ', 'd', 'd :', 'f', 'f 1', 'f 1 1', 'f 1 1 x', 'f -1 -1 -1', 'x y', null, 'r alice 1', E'f 1 1 1\n',
                        'f 9999999999999999999 1 1', 'd alice', 'r alice:', 'r :phone', repeat('r', 8000)), '{}', 'what is no hint');
select is(pg_temp.facts('r alice', 'r alice:phone', 'd alice:phone', 'r nobody', 'd nobody:phone'), '{}',
          'nothing was revoked, nobody is removed');
select pg_temp.d('bob:phone') as first_id \gset
select gnatter.revoke_user('alice'), gnatter.revoke_device('bob', 'phone') \g /dev/null
select is(pg_temp.facts('r alice 9999999999'), array[pg_temp.after('alice')], 'since when is what the table says');
select is(pg_temp.facts('r alice:phone'), '{}', 'the device itself was not');
select is(pg_temp.facts('r bob:phone'), array[pg_temp.after('bob:phone')], 'a device');
select is(pg_temp.facts('d bob:phone'), array['d bob:phone ' || :first_id], 'is removed');
select gnatter.add_device('bob', 'phone') \g /dev/null
select cmp_ok(pg_temp.d('bob:phone'), '>', :first_id::bigint, 'registered anew it has a higher id');
select is(pg_temp.facts('d bob:phone', 'r bob:phone'), array['d bob:phone ' || :first_id, pg_temp.after('bob:phone')],
          'and what is told is the one that was removed');
select gnatter.revoke_device('bob', 'phone') \g /dev/null
select gnatter.add_device('bob', 'phone'), gnatter.add_device('bob', 'tablet') \g /dev/null
select is(pg_temp.facts('d bob:phone'), array[(select 'd bob:phone ' || max(d.device_id) from gnatter.device d
    where d.user_id = pg_temp.u('bob') and d.name = 'phone' and d.removed_at is not null)], 'the last one');

select pg_temp.ask('alice:phone', 'conversation.pin', '{"conversation":"g/kitchen"}') \g /dev/null
create function pg_temp.hint(user_name text, conversation text, knows text) returns text language sql
as $$ select format('f %s %s %s', pg_temp.u(user_name), pg_temp.c(conversation), pg_temp.d(knows)) $$;
select is(pg_temp.facts(pg_temp.hint('alice', 'g/kitchen', 'alice:phone')),
          array['f alice:laptop g/kitchen {"muted": false, "pinned": true, "archived": false}'], 'flags, for her other device');
select is(pg_temp.facts(pg_temp.hint('alice', 'g/kitchen', 'bob:phone')),
          array['f alice:laptop g/kitchen {"muted": false, "pinned": true, "archived": false}',
                'f alice:phone g/kitchen {"muted": false, "pinned": true, "archived": false}'], 'for all but the one that knows');
select is(pg_temp.facts(pg_temp.hint('bob', 'g/kitchen', 'alice:phone')), '{}', 'of somebody who has set none: nothing');
select is(pg_temp.facts(pg_temp.hint('dave', 'g/kitchen', 'alice:phone')), '{}', 'who is no member, neither');
select is(pg_temp.facts(variadic array(select 'r alice' from generate_series(1, 512))),
          array(select pg_temp.after('alice') from generate_series(1, 512)), 'as many as a service asks at once');
select * from finish();
rollback;
