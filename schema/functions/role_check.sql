create or replace function gnatter.role_check(conversation_id bigint, user_id bigint, role text) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    old_role text;
begin
    if role is null or role not in ('owner', 'admin', 'member') then
        raise exception 'a role is owner, admin or member, not %', coalesce(left(role, 80), 'null')
            using errcode = 'GN006';
    end if;
    select m.role into old_role from gnatter.member m
     where m.conversation_id = role_check.conversation_id and m.user_id = role_check.user_id and m.left_seq is null;
    if not found then
        raise exception 'not a member of this group' using errcode = 'GN001';
    end if;
    if old_role = 'owner' and role <> 'owner'
       and (select count(*) from gnatter.member m where m.conversation_id = role_check.conversation_id
               and m.left_seq is null and m.role = 'owner') = 1 then
        raise exception 'a group needs an owner: make another one first' using errcode = 'GN005';
    end if;
end
$$;
comment on function gnatter.role_check(bigint, bigint, text) is
    'may this member get this role: GN006 no role, GN001 no member, GN005 the last owner; the caller holds the '
    'group''s lock. Internal';
