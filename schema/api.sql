-- The table of contents: what is there for whom. Run after everything else, as often as wanted.
do $$
declare
    object record;
begin
    execute 'alter schema gnatter owner to gnatter_owner';
    for object in
        select format('alter %s %s owner to gnatter_owner',
                      case c.relkind when 'v' then 'view' else 'table' end, c.oid::regclass) as change
          from pg_catalog.pg_class c
         where c.relnamespace = 'gnatter'::regnamespace and c.relkind in ('r', 'p', 'v')
           and c.relowner <> 'gnatter_owner'::regrole
        union all
        select format('alter function %s owner to gnatter_owner', p.oid::regprocedure)
          from pg_catalog.pg_proc p
         where p.pronamespace = 'gnatter'::regnamespace and p.proowner <> 'gnatter_owner'::regrole
        union all
        select format('alter domain %s owner to gnatter_owner', t.oid::regtype)
          from pg_catalog.pg_type t
         where t.typnamespace = 'gnatter'::regnamespace and t.typtype = 'd' and t.typowner <> 'gnatter_owner'::regrole
    loop
        execute object.change;
    end loop;
end
$$;

revoke all on schema gnatter from public;
revoke all on all tables in schema gnatter from public, gnatter_service, gnatter_admin, gnatter_readonly;
revoke all on all functions in schema gnatter from public, gnatter_service, gnatter_admin, gnatter_readonly;
grant usage on schema gnatter to gnatter_service, gnatter_admin, gnatter_readonly;

-- ---- for the sync service ----
grant execute on function
    -- the journey of a message
    gnatter.device_open(text[]),
    gnatter.conversation_load(text[], boolean[], bigint[]),
    gnatter.conversation_members(bigint[]),
    gnatter.conversation_cursors(bigint[]),
    gnatter.append(bigint[], bigint[], int[], bigint[], bigint[], text[], bytea[]),
    gnatter.append_careful(bigint[], bigint[], bigint[], text[], bytea[], boolean),
    gnatter.log_page(bigint[], bigint[], int[], int[], bigint[]),
    gnatter.log_senders(bigint[], bigint[], bigint[]),
    gnatter.marks_flush(bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]),
    gnatter.server(),
    gnatter.service_claim(),
    -- devices that come and go
    gnatter.device_scan(bigint[], int, int),
    gnatter.device_live(bigint[]),
    gnatter.device_gone(bigint[], bigint[]),
    gnatter.devices_reset(),
    gnatter.cursors_set(bigint[], bigint[], bigint[]),
    gnatter.presence_state(bigint[], text[], boolean),
    gnatter.revocations(interval),
    gnatter.hint_facts(text[]),
    -- what devices ask for: the methods are in gnatter.rpc_method, each with its function rpc_...
    gnatter.rpc(bigint, text, text, jsonb),
    gnatter.history_items(bigint, text, bigint, bigint, int),
    -- the clerk's work
    gnatter.timer_sweep(int, int),
    gnatter.inbox_watch(bigint[], bigint, bigint),
    gnatter.inbox_release(int, bigint, bigint),
    gnatter.inbox_open(),
    -- push notifications
    gnatter.push_evaluate(bigint[], bigint[], int, int),
    gnatter.push_sweep(bigint, int),
    gnatter.push_claim(text[], text, int, int, int, text),
    gnatter.push_finish(text, bigint[], text[], bigint[], bigint[], bigint[], text[]),
    gnatter.push_tell(text[], text, boolean, text, text),
    gnatter.push_prune(int),
    gnatter.push_count()
to gnatter_service;

-- ---- for administrators ----
grant execute on function
    gnatter.create_user(text),
    gnatter.create_users(text[], text),
    gnatter.create_bench(text, int),
    gnatter.remove_bench(text),
    gnatter.remove_user(text),
    gnatter.revoke_user(text),
    gnatter.add_device(text, text, text),
    gnatter.revoke_device(text, text),
    gnatter.create_group(text, text, text[], text),
    gnatter.rename_group(text, text),
    gnatter.delete_group(text),
    gnatter.add_member(text, text, text),
    gnatter.remove_member(text, text),
    gnatter.set_role(text, text, text),
    gnatter.delete_message(text, bigint),
    gnatter.set_timer(text, bigint),
    gnatter.block_user(text, text),
    gnatter.unblock_user(text, text),
    gnatter.set_privacy(text, jsonb),
    gnatter.set_profile(text, jsonb),
    gnatter.purge(interval, boolean, text),
    gnatter.push_register(text, text, jsonb),
    gnatter.push_unregister(text, text),
    gnatter.push_resume(text),
    gnatter.verify(),
    gnatter.revocations(interval)
to gnatter_admin;
-- The view's triggers and the table's make the same ordered events. joined_seq, left_seq and role_seq are nobody's to
-- write.
grant insert, update, delete on gnatter.members to gnatter_admin;
-- These refuse all of it, and say which function to call; without the privilege PostgreSQL would advise a trigger.
grant insert, update, delete on gnatter.users, gnatter.devices, gnatter.groups, gnatter.messages, gnatter.blocks,
    gnatter.push_registrations to gnatter_admin;
grant select, insert (conversation_id, user_id, role), update (role), delete on gnatter.member to gnatter_admin;

-- ---- to read ----
grant select on gnatter.users, gnatter.devices, gnatter.groups, gnatter.members, gnatter.messages,
    gnatter.push_registrations, gnatter.full_inboxes, gnatter.push_provider, gnatter.blocks
to gnatter_admin, gnatter_readonly;
grant select on gnatter.migration to gnatter_service, gnatter_admin, gnatter_readonly;
