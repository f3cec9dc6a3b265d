-- verify() sees what must not be: each kind of damage is made by hand and named.
begin;
\ir fixture.sql
select * from no_plan();
select pg_temp.say('alice:phone', 'g/kitchen', 'm' || i), pg_temp.say('alice:phone', 'd/alice/bob', 'm' || i)
    from generate_series(1, 4) i \g /dev/null
select gnatter.add_member('kitchen', 'dave'), gnatter.remove_member('kitchen', 'carol') \g /dev/null
select pg_temp.marked('bob', 'g/kitchen', 3, 3), pg_temp.acked('bob:phone', 'g/kitchen', 3) \g /dev/null
select is_empty('select * from gnatter.verify()', 'all is well');
-- the triggers would mend it
set local session_replication_role = replica;
-- What verify says after some damage, which is undone.
create function pg_temp.after(damage text) returns text language plpgsql as $$
declare
    said text;
begin
    begin
        execute damage;
        select coalesce(string_agg(concat_ws(' ', v.invariant, v.conversation, v.detail), '; ' order by v.detail),
            'nothing') into said from gnatter.verify() v;
        raise exception using errcode = 'XX999';
    exception when sqlstate 'XX999' then
        return said;
    end;
end $$;
select matches(pg_temp.after(damage), said, said)
  from (values
    ('delete from gnatter.message where seq = 3 and conversation_id = pg_temp.c(''g/kitchen'')',
        '^log g/kitchen the log has 6 items from 1 to 7, and should have 1 to 7$'),
    ('delete from gnatter.message where seq = 4 and conversation_id = pg_temp.c(''d/alice/bob'')',
        'log d/alice/bob the log has 3 items from 1 to 3, and should have 1 to 4'),
    ('update gnatter.conversation set last_seq = 8 where name = ''g/kitchen''',
        'log g/kitchen the log has 7 items from 1 to 7, and should have 1 to 8'),
    ('update gnatter.conversation set first_seq = 2 where name = ''g/kitchen''',
        'log g/kitchen the log has 7 items from 1 to 7, and should have 2 to 7'),
    ('insert into gnatter.message values (0, 1, 1, 1, 1, ''x'', null, '''')', 'log 1 items belong to no conversation'),
    ('update gnatter.message set time_ms = 1 where seq = 2 and conversation_id = pg_temp.c(''g/kitchen'')',
        'log g/kitchen item 2 is older than the one before'),
    ('update gnatter.message set sender_user_id = pg_temp.u(''bob'') where seq = 2 and conversation_id =
        pg_temp.c(''g/kitchen'')',
     'log g/kitchen message 2 was sent by a device of somebody else'),
    ('update gnatter.message set sender_user_id = null, sender_device_id = null where seq = 2 and conversation_id =
        pg_temp.c(''g/kitchen'')',
     'log g/kitchen message 2 has no sender, device or id'),
    ('update gnatter.message set message_id = null where seq = 2 and conversation_id = pg_temp.c(''g/kitchen'')',
     '^log g/kitchen message 2 has no sender, device or id$'),
    ('update gnatter.conversation set route = (route + 1) % 65536 where name = ''g/kitchen''',
        '^log g/kitchen a group conversation of route \d+, and should be of \d+$'),
    ('update gnatter.conversation set kind = ''direct'' where name = ''g/kitchen''',
        'log g/kitchen a direct conversation of route'),
    ('alter table gnatter.message drop constraint message_id_once; update gnatter.message set message_id =
        ''m1'' where message_id = ''m2''',
     'log g/kitchen message id m1 of device \d+ is there 2 times'),
    ('update gnatter.mark set delivered_seq = 99', 'marks g/kitchen marks of bob: delivered 99, read 3, last seq 7'),
    ('update gnatter.cursor set acked_seq = 99', 'marks g/kitchen cursor of device \d+: 99, last seq 7'),
    ('insert into gnatter.mark select conversation_id, pg_temp.u(''carol'') from gnatter.conversation where
        kind = ''direct''',
     'marks d/alice/bob carol has marks and never was a member'),
    ('update gnatter.member set left_seq = 99 where left_seq is not null',
        'members g/kitchen carol joined at 1, left at 99, last seq 7'),
    ('update gnatter.member set joined_seq = 99, role_seq = 99 where user_id = pg_temp.u(''dave'')',
        'members g/kitchen dave joined at 99'),
    ('insert into gnatter.member select conversation_id, user_id, 3, null, ''member'', 3 from gnatter.member
        where user_id = pg_temp.u(''carol'')',
     'carol joined at 3 without having left'),
    ('update gnatter.member set user_id = pg_temp.u(''carol'') where user_id = pg_temp.u(''bob'') and
        conversation_id = pg_temp.c(''d/alice/bob'')',
     'members d/alice/bob the members are not those of its name'),
    ('delete from gnatter.member where conversation_id = pg_temp.c(''d/alice/bob'')',
        'members d/alice/bob the members are not those of its name'),
    ('update gnatter.member set role = ''member''', 'members g/kitchen has members and no owner'),
    ('update gnatter.user_account set removed_at = now() where name = ''bob''',
        'members g/kitchen bob was removed and is a member still'),
    ('update gnatter.member set joined_seq = 6, role_seq = 6 where user_id = pg_temp.u(''alice'') and
        conversation_id = pg_temp.c(''g/kitchen'')',
     'members g/kitchen item 2 is of alice, who was not a member'),
    ('update gnatter.conversation set deleted_at = now() where name = ''g/kitchen''',
        'members g/kitchen alice joined at 1'),
    ('update gnatter.member set joined_seq = 5 where user_id = pg_temp.u(''dave'')',
        'events g/kitchen dave joined at 5, which is a message'),
    ('update gnatter.member set left_seq = 5 where user_id = pg_temp.u(''carol'')',
        'events g/kitchen carol left at 5, which is a message'),
    ('delete from gnatter.member where user_id = pg_temp.u(''dave'')',
        'events g/kitchen event 6 says that somebody joined, and nobody did'),
    ('update gnatter.member set left_seq = null where user_id = pg_temp.u(''carol'')',
        'events g/kitchen event 7 says that somebody left, and nobody did'),
    ('update gnatter.message set event_type = ''created'' where seq = 6', 'events g/kitchen item 6 is created'),
    ('update gnatter.message set event_type = ''renamed'' where seq = 1 and conversation_id = pg_temp.c(''g/kitchen'')',
        'events g/kitchen a group whose log does not start with created'),
    ('update gnatter.message set message_id = ''x'' where seq = 6', '^events g/kitchen event 6 \(member-added\) has a device or an id$'),
    ('update gnatter.message set sender_device_id = pg_temp.d(''bob:phone'') where seq = 7',
        '^events g/kitchen event 7 \(member-removed\) has a device or an id$'),
    ('update gnatter.message set event_type = ''message-deleted'', message_id = null where seq = 3 and conversation_id =
        pg_temp.c(''g/kitchen'')',
     '^events g/kitchen event 3 \(message-deleted\) has a device or an id$'),
    ('update gnatter.message set event_type = ''deleted'' where seq = 7', 'events g/kitchen item 7 is deleted'))
        as t (damage, said);
set local session_replication_role = origin;
select is_empty('select * from gnatter.verify()', 'all is well again');
select * from finish();
rollback;
