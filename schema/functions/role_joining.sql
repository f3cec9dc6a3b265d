create or replace function gnatter.role_joining(conversation_id bigint, role text) returns text
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select case when exists (select from gnatter.member m
                              where m.conversation_id = role_joining.conversation_id and m.left_seq is null)
                then role else 'owner' end
$$;
comment on function gnatter.role_joining(bigint, text) is
    'the role of who joins a group and was to have this one: the first in an empty group is its owner; the caller holds the '
    'group''s lock. Internal';
