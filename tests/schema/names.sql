-- Names have one form (docs/protocol.md), in the functions as in the domains.
begin;
\ir fixture.sql
select * from no_plan();

-- ---- users ----
select ok(gnatter.create_user(repeat('x', 32)) > 0, '32 characters are a user');
select lives_ok(format('select gnatter.create_user(%L)', n), n || ' is a user')
    from unnest('{a,0,a.b-c_d,9.-_}'::text[]) as n;
select throws_ok(format('select gnatter.create_user(%L)', n), 'GN006', null, coalesce(replace(quote_literal(n), e'\n',
    '\n'), 'null') || ' is no user')
  from unnest(array['', 'A', '.a', '-a', '_a', 'a b', 'a/b', 'a:b', 'ä', 'a+', '#', repeat('x', 33), e'a\n', null])
      as n;
select throws_ok($$ select gnatter.create_user('alice') $$, 'GN004', null, 'a user once');
select throws_ok(format('select gnatter.add_device(''alice'', %L)', n), 'GN006', null, coalesce(n,
    'null') || ' is no device')
  from unnest(array['', 'P', 'a:b', repeat('x', 33), null]) as n;
select lives_ok(format('select gnatter.create_group(%L, ''alice'')', n), n || ' is a group')
  from unnest(array['g', repeat('x', 64), '0.-_']) as n;
select throws_ok(format('select gnatter.create_group(%L, ''alice'')', n), 'GN006', null, n || ' is no group')
  from unnest(array['', 'G', 'a/b', repeat('x', 65)]) as n;
select matches(gnatter.create_group(null, 'alice'), '^[0-9a-f]{32}$', 'without a name: one that nobody guesses');

-- ---- domains: what the functions would let through, the tables do not ----
select throws_ok(format('select %L::gnatter.conversation_name', n), '23514', null, n || ' is no conversation')
  from unnest('{g/,g/A,d/a,d/b/a,d/a/b/c,u/a,x,d/a/,d//b}'::text[]) as n;
select lives_ok(format('select %L::gnatter.conversation_name', n), n || ' is a conversation')
  from unnest('{g/a,d/a/a,d/a/b,d/a-b/a.b}'::text[]) as n;
select throws_ok($$ select ''::gnatter.message_id $$, '23514', null, 'a message id is not empty');
select throws_ok($$ select repeat('x', 37)::gnatter.message_id $$, '23514', null, 'a message id has at most 36 bytes');
select throws_ok($$ select repeat('ä', 129)::gnatter.title $$, '23514', null, 'a title has at most 256 bytes');
select throws_ok($$ select 'king'::gnatter.role_name $$, '23514', null, 'there is no king');

-- ---- routes: as conversation_route() of clients/protocol ----
select is((select route from gnatter.conversation where name = 'g/kitchen'),
          get_byte(sha256('g/kitchen'), 0) * 256 + get_byte(sha256('g/kitchen'), 1),
              'a route is made of two bytes of SHA-256');
select * from finish();
rollback;
