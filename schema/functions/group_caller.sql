create or replace function gnatter.group_caller(conversation_id bigint, user_id bigint, allowed text[]) returns text
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    has_role text;
begin
    select m.role into has_role from gnatter.member m
     where m.conversation_id = group_caller.conversation_id and m.user_id = group_caller.user_id and m.left_seq is null;
    if not found then
        raise exception 'not a member of this group' using errcode = 'GN001';
    elsif has_role <> all (allowed) then
        raise exception 'this needs the role of %', array_to_string(allowed, ' or ') using errcode = 'GN005';
    end if;
    return has_role;
end
$$;
comment on function gnatter.group_caller(bigint, bigint, text[]) is
    'the role of who asks: GN001 when not a member, GN005 when the role is not one of these. Internal';
