create or replace function gnatter.member_join(conversation_id bigint, user_id bigint, role text, actor_id bigint)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    user_name text;
begin
    select u.name into user_name from gnatter.user_account u
     where u.user_id = member_join.user_id and u.removed_at is null for share;
    if not found then
        raise exception 'no such user: %', user_id using errcode = 'GN002';
    end if;
    perform gnatter.group_hold(conversation_id);
    if exists (select from gnatter.member m where m.conversation_id = member_join.conversation_id
                  and m.user_id = member_join.user_id and m.left_seq is null) then
        raise exception '% is a member already', user_name using errcode = 'GN004';
    end if;
    if (select count(*) from gnatter.member m
         where m.conversation_id = member_join.conversation_id and m.left_seq is null) >= 1024 then
        raise exception 'a group has at most 1024 members' using errcode = 'GN007';
    end if;
    return gnatter.event_append(conversation_id, actor_id, 'member-added',
                                format('{"user":"%s","role":"%s"}', user_name,
                                       gnatter.role_joining(conversation_id, role)), true);
end
$$;
comment on function gnatter.member_join(bigint, bigint, text, bigint) is
    'the event of somebody joining, after all checks; the caller inserts the row with its seq and role_joining. GN002, GN004, GN006, '
    'GN007. Internal';
