create or replace function gnatter.conversation_seen(user_id bigint, reference text) returns gnatter.conversation
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    own_name text := (select u.name from gnatter.user_account u where u.user_id = conversation_seen.user_id);
    other_name text := substr(reference, 3);
    seen gnatter.conversation;
begin
    if reference ~ '^g/[a-z0-9][a-z0-9._-]{0,63}$' then
        select c.* into seen from gnatter.conversation c where c.name = reference;
        if not found then
            raise exception 'no such group: %', other_name using errcode = 'GN003';
        end if;
    elsif reference ~ '^u/[a-z0-9][a-z0-9._-]{0,31}$' then
        select c.* into seen from gnatter.conversation c
         where c.name = 'd/' || least(own_name collate "C", other_name collate "C") || '/'
                             || greatest(own_name collate "C", other_name collate "C");
        if not found or seen.last_seq = 0 then
            if exists (select from gnatter.user_account u where u.name = other_name and u.removed_at is null) then
                return null; -- nothing has been said yet
            end if;
            raise exception 'no such user: %', other_name using errcode = 'GN002';
        end if;
    else
        raise exception 'not a conversation: %', coalesce(left(reference, 80), 'null') using errcode = 'GN006';
    end if;
    if not exists (select from gnatter.member m where m.conversation_id = seen.conversation_id
                      and m.user_id = conversation_seen.user_id) then
        raise exception 'not a member of %', reference using errcode = 'GN001';
    end if;
    return seen;
end
$$;
comment on function gnatter.conversation_seen(bigint, text) is
    'the conversation that a user calls u/<user> or g/<group> and is or was in; null for a direct one without a '
    'message yet. GN001, GN002, GN003, GN006. Internal';
