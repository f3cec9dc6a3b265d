-- What every test starts from, inside its own transaction: alice with phone and laptop, bob, carol and dave with a
-- phone
-- each, and the group kitchen of alice (owner), bob and carol.
\set QUIET 1
set search_path = public, tap;
select gnatter.create_user(name) from unnest('{alice,bob,carol,dave}'::text[]) as name \g /dev/null
select gnatter.add_device(name, 'phone') from unnest('{alice,bob,carol,dave}'::text[]) as name \g /dev/null
select gnatter.add_device('alice', 'laptop') \g /dev/null
select gnatter.create_group('kitchen', 'alice', '{bob,carol}', 'The kitchen') \g /dev/null

create function pg_temp.u(user_name text) returns bigint language sql stable
as $$ select u.user_id from gnatter.user_account u where u.name = user_name $$;
create function pg_temp.d(client_id text) returns bigint language sql stable
as $$ select device_id from gnatter.device_open(array[client_id]) $$;
create function pg_temp.c(conversation text) returns bigint language sql stable
as $$ select c.conversation_id from gnatter.conversation c where c.name = conversation $$;
-- One message from a device, as a service sends it; its seq, or what was said instead.
create function pg_temp.say(client_id text, conversation text, id text, body text default 'hello') returns text
language plpgsql as $$
declare
    loaded record;
    sender record;
    answer record;
begin
    select * into loaded from gnatter.conversation_load(array[conversation], '{true}');
    select * into sender from gnatter.device_open(array[client_id]);
    if loaded.state <> 'ok' then
        return loaded.state;
    end if;
    select * into answer from gnatter.append_careful(array[loaded.conversation_id], array[sender.user_id],
        array[sender.device_id], array[id], array[convert_to(body, 'UTF8')]);
    return case answer.state when 'new' then answer.seq::text else answer.state end;
end $$;
-- A group or direct conversation's events from a seq on, in short.
create function pg_temp.log(conversation text, from_seq bigint default 1) returns text[] language sql stable
as $$
    select array_agg(case when p.event_type is null then format('%s %s %s', p.seq, p.sender, p.message_id)
                     else format('%s %s %s %s', p.seq, coalesce(p.sender, '-'), p.event_type,
                                 convert_from(p.payload, 'UTF8')) end
                     order by p.seq)
      from gnatter.log_page(array[pg_temp.c(conversation)], array[from_seq - 1], '{1000}', '{1000000}') p
$$;
create function pg_temp.ask(client_id text, method text, params text, request text default null)
    returns jsonb language sql
as $$ select gnatter.rpc(pg_temp.d(client_id), coalesce(request, gen_random_uuid()::text), method, params::jsonb) $$;
-- The error's code, or the result.
create function pg_temp.code(client_id text, method text, params text) returns text language sql
as $$ select coalesce(a #>> '{error,code}', a ->> 'result') from pg_temp.ask(client_id, method, params) a $$;
create function pg_temp.acked(client_id text, conversation text, seq bigint) returns void language sql
as $$
    select gnatter.marks_flush(array[pg_temp.d(client_id)], array[pg_temp.c(conversation)], array[seq], '{}', '{}',
        '{}', '{}')
$$;
-- The two halves of a scan.
create function pg_temp.behind(device_ids bigint[], shard int, shards int)
    returns table (device_id bigint, conversation_name text, acked_seq bigint) language sql
as $$
    select s.device_id, s.conversation_name, s.acked_seq from gnatter.device_scan(device_ids, shard, shards) s
     where s.acked_seq is not null
$$;
create function pg_temp.told(device_ids bigint[], shard int, shards int)
    returns table (device_id bigint, conversation_name text, user_name text, delivered_seq bigint, read_seq bigint,
                   counts_seq bigint, delivered_count bigint, read_count bigint) language sql
as $$
    select s.device_id, s.conversation_name, s.user_name, s.delivered_seq, s.read_seq, s.counts_seq, s.delivered_count,
           s.read_count
      from gnatter.device_scan(device_ids, shard, shards) s
     where s.acked_seq is null
$$;
create function pg_temp.marked(user_name text, conversation text, delivered bigint, read bigint)
    returns void language sql
as $$
    select gnatter.marks_flush('{}', '{}', '{}', array[pg_temp.u(user_name)], array[pg_temp.c(conversation)],
                               array[delivered], array[read])
$$;
