create or replace function gnatter.flags_set(conversation_id bigint, user_id bigint, device_id bigint,
    pinned boolean default null, archived boolean default null) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    insert into gnatter.conversation_flag as f (conversation_id, user_id, is_pinned, is_archived)
    values (flags_set.conversation_id, flags_set.user_id, coalesce(pinned, false), coalesce(archived, false))
    on conflict on constraint conversation_flag_pk do update
       set is_pinned = coalesce(pinned, f.is_pinned), is_archived = coalesce(archived, f.is_archived),
           changed_at = clock_timestamp();
    perform pg_notify('gnatter', format('f %s %s %s', flags_set.user_id, flags_set.conversation_id, flags_set.device_id));
end
$$;
comment on function gnatter.flags_set(bigint, bigint, bigint, boolean, boolean) is
    'how a user keeps a conversation (null: as before), and tells her other devices when the transaction commits; without '
    'both, that conversation_mute has changed. Internal';
