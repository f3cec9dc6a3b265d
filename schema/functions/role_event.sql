create or replace function gnatter.role_event(conversation_id bigint, user_id bigint, role text, actor_id bigint)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.event_append(conversation_id, actor_id, 'role-changed',
        (select format('{"user":"%s","role":"%s"}', u.name, role)
           from gnatter.user_account u where u.user_id = role_event.user_id), true);
end
$$;
comment on function gnatter.role_event(bigint, bigint, text, bigint) is
    'the event of a role that changed; the caller holds the group''s lock and keeps its seq in role_seq. Internal';
