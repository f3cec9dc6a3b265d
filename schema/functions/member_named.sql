create or replace function gnatter.member_named(conversation_id bigint, user_name text) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    found_id bigint;
begin
    select u.user_id into found_id from gnatter.user_account u where u.name = user_name;
    if not found then
        raise exception 'no such user: %', coalesce(left(user_name, 80), 'null') using errcode = 'GN002';
    end if;
    if not exists (select from gnatter.member m where m.conversation_id = member_named.conversation_id
                      and m.user_id = found_id and m.left_seq is null) then
        raise exception '% is not a member', user_name using errcode = 'GN001';
    end if;
    return found_id;
end
$$;
comment on function gnatter.member_named(bigint, text) is 'the id of a present member by name; GN001, GN002. Internal';
