create or replace function gnatter.members_change() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation;
begin
    if tg_op = 'INSERT' then
        if (new.group_name is null and new.conversation !~ '^g/') or new.conversation <> 'g/' || new.group_name then
            raise exception 'members are put into a group: group_name, or conversation g/<group>'
                using errcode = 'GN006';
        end if;
        new.group_name := coalesce(new.group_name, substr(new.conversation, 3));
        perform gnatter.group_add(new.group_name, new.user_name, coalesce(new.role, 'member'), null);
        select v.* into new from gnatter.members v
         where v.conversation = 'g/' || new.group_name and v.user_name = new.user_name;
        return new;
    end if;
    if old.group_name is null then
        raise exception 'nobody joins or leaves a direct conversation' using errcode = 'GN006';
    end if;
    conversation := gnatter.group_lock(old.group_name);
    if tg_op = 'DELETE' then
        perform gnatter.member_close(conversation.conversation_id,
                                     gnatter.member_named(conversation.conversation_id, old.user_name), null);
        return old;
    end if;
    if to_jsonb(new) - 'role' <> to_jsonb(old) - 'role' then
        raise exception 'only the role of a member can be changed' using errcode = 'GN006';
    end if;
    perform gnatter.group_role(conversation.conversation_id,
                               gnatter.member_named(conversation.conversation_id, old.user_name), new.role, null);
    return new;
end
$$;
comment on function gnatter.members_change() is
    'DML on the view gnatter.members: what the functions of the same meaning do';
