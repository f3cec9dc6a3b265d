create or replace function gnatter.group_add(group_name text, user_name text, role text, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    joined_id bigint := gnatter.user_lock(user_name);
    conversation gnatter.conversation := gnatter.group_lock(group_name);
    event_seq bigint;
begin
    if role is null or role not in ('owner', 'admin', 'member') then
        raise exception 'a role is owner, admin or member, not %', coalesce(left(role, 80), 'null')
            using errcode = 'GN006';
    end if;
    perform gnatter.group_willing(array[joined_id], actor_id);
    event_seq := gnatter.member_join(conversation.conversation_id, joined_id, role, actor_id);
    insert into gnatter.member (conversation_id, user_id, joined_seq, role, role_seq)
    values (conversation.conversation_id, joined_id, event_seq,
            gnatter.role_joining(conversation.conversation_id, role), event_seq);
    return event_seq;
end
$$;
comment on function gnatter.group_add(text, text, text, bigint) is
    'add_member in the name of an actor, who has been checked; internal';
