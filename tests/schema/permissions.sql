-- Who may do what: each role exactly what schema/api.sql lists.
begin;
\ir fixture.sql
select plan(39);

-- the whole list of functions per role, so that a new grant is noticed
prepare granted as
    select p.proname::text from pg_proc p
     where p.pronamespace = 'gnatter'::regnamespace and has_function_privilege($1::text, p.oid, 'execute');
select set_eq('execute granted(''gnatter_service'')',
    '{device_open,conversation_load,conversation_members,conversation_cursors,
    append,append_careful,log_page,log_senders,marks_flush,server,service_claim,device_scan,device_live,device_gone,
    devices_reset,
    cursors_set,presence_state,revocations,hint_facts,rpc,history_items,timer_sweep,inbox_watch,inbox_release,inbox_open,push_evaluate,push_claim,push_finish,push_tell,push_count,
    push_sweep,push_prune}'::text[], 'the service has its functions');
select set_eq('execute granted(''gnatter_admin'')',
    '{create_user,create_users,remove_user,revoke_user,add_device,revoke_device,create_group,
    rename_group,delete_group,add_member,remove_member,set_role,delete_message,set_timer,purge,verify,revocations,push_register,
    push_unregister,push_resume,create_bench,remove_bench,block_user,unblock_user,set_privacy,set_profile}'::text[],
    'an administrator has hers');
select is_empty('execute granted(''gnatter_readonly'')', 'a reader has none');

select is_empty($$
    select c.relname, v from pg_class c, unnest('{select,insert,update,delete,truncate}'::text[]) as v
     where c.relnamespace = 'gnatter'::regnamespace and c.relkind = 'r' and c.relname <> 'migration'
       and has_table_privilege('gnatter_service', c.oid, v)
$$, 'the service touches no table');
select is_empty($$
    select c.relname, v from pg_class c, unnest('{insert,update,delete,truncate}'::text[]) as v
     where c.relnamespace = 'gnatter'::regnamespace and has_table_privilege('gnatter_readonly', c.oid, v)
$$, 'a reader writes nothing');
select set_eq($$
    select c.relname::text from pg_class c
     where c.relnamespace = 'gnatter'::regnamespace and c.relkind in ('r', 'v')
       and has_table_privilege('gnatter_readonly', c.oid, 'select')
$$, '{users,devices,groups,members,messages,migration,push_registrations,full_inboxes,push_provider,blocks}'::text[], 'a reader reads the views');
select set_eq($$
    select c.relname::text from pg_class c
     where c.relnamespace = 'gnatter'::regnamespace and c.relkind in ('r', 'v')
       and has_table_privilege('gnatter_admin', c.oid, 'select')
$$, '{users,devices,groups,members,messages,migration,push_registrations,full_inboxes,push_provider,blocks,member}'::text[],
    'an administrator reads the views and memberships');
select ok(not has_column_privilege('gnatter_admin', 'gnatter.member', column_name, 'insert')
          and not has_column_privilege('gnatter_admin', 'gnatter.member', column_name, 'update'),
          column_name || ' is nobody''s to write')
  from unnest('{joined_seq,left_seq,role_seq,member_id}'::text[]) as column_name;

select is(array(select r from unnest('{public,gnatter_owner,gnatter_service,gnatter_admin,gnatter_readonly}'::text[]) r
                 where has_database_privilege(r, current_database(), 'connect')),
          '{gnatter_owner,gnatter_service,gnatter_admin,gnatter_readonly}', 'who connects can notify: the roles, and nobody else');

-- what users write reaches the log by other ways than a message, too
select pg_temp.say('alice:phone', 'd/alice/bob', 'm1', 'hush'), pg_temp.say('alice:phone', 'd/alice/bob', 'm2', 'hush'),
       pg_temp.ask('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":1,"payload":"hush"}'),
       pg_temp.ask('alice:phone', 'message.edit', '{"conversation":"u/bob","seq":2,"payload_base64":"aHVzaA=="}'),
       pg_temp.ask('bob:phone', 'message.react', '{"conversation":"u/alice","seq":1,"reaction":"hush"}') \g /dev/null
set local role gnatter_readonly;
select lives_ok('select * from gnatter.messages', 'a reader reads messages');
select is_empty($$ select * from gnatter.messages m where m::text ~ 'hush|aHVzaA' $$,
    'without a word of what was written, edited or reacted');
select set_eq($$ select event_type, event::text from gnatter.messages where conversation = 'd/alice/bob' and kind = 'event' $$,
    $$ values ('message-edited', '{"seq": 1}'), ('message-edited', '{"seq": 2}'), ('message-reacted', '{"seq": 1}') $$,
    'but with what happened to which message');
select throws_ok('select * from gnatter.message', '42501', null, 'but not what was written');
select throws_ok($$ select gnatter.create_user('eve') $$, '42501', null, 'and makes no user');
select throws_ok($$ delete from gnatter.members $$, '42501', null, 'and changes no membership');
reset role;
set local role gnatter_service;
select lives_ok($$ select * from gnatter.conversation_load('{d/alice/bob}', '{true}') $$, 'the service loads');
select throws_ok('select * from gnatter.messages', '42501', null, 'and reads no view');
select throws_ok($$ select gnatter.create_user('eve') $$, '42501', null, 'and makes no user');
select throws_ok($$ select gnatter.event_append(1, null, 'renamed', '{}', false) $$, '42501', null,
    'and calls nothing internal');
select throws_ok($$ create table gnatter.mine () $$, '42501', null, 'and creates nothing');
reset role;
set local role gnatter_admin;
select lives_ok($$ select gnatter.create_user('eve') $$, 'an administrator makes a user');
select lives_ok($$ insert into gnatter.members (group_name, user_name) values ('kitchen', 'eve') $$,
    'and takes her into a group');
select throws_ok('select * from gnatter.message', '42501', null, 'but does not read what was written');
select throws_ok(format('insert into gnatter.%s default values', view), 'GN006', format('gnatter.%s is only read: no insert', view),
                 view || ' is only read')
  from unnest('{users,devices,groups,messages,blocks,push_registrations}'::text[]) as view;
select throws_ok($$ update gnatter.users set online = 'nobody' $$, 'GN006', 'gnatter.users is only read: no update', 'no update');
select throws_ok($$ delete from gnatter.messages $$, 'GN006', 'gnatter.messages is only read: no delete', 'no delete');
create function pg_temp.hint_of(statement text) returns text language plpgsql as $$
declare
    advice text;
begin
    execute statement;
    return null;
exception when others then
    get stacked diagnostics advice = pg_exception_hint;
    return advice;
end
$$;
select is(pg_temp.hint_of($$ insert into gnatter.users (user_name) values ('sam') $$),
    'Call gnatter.create_user, create_users, set_profile, set_privacy, revoke_user or remove_user.', 'and what to call is said');
select matches(pg_temp.hint_of($$ select gnatter.create_user('Sam') $$), '^at most 32 of a-z', 'and how a name is made');
select throws_ok($$ select gnatter.rpc(1, 'x', 'devices', '{}') $$, '42501', null, 'and does not speak as a device');
select throws_ok($$ update gnatter.member set left_seq = 1 $$, '42501', null, 'and does not touch intervals');
select throws_ok($$ select gnatter.append('{}', '{}', '{}', '{}', '{}', '{}', '{}') $$, '42501', null,
    'and appends nothing');
reset role;
select * from finish();
rollback;
