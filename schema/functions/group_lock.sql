create or replace function gnatter.group_lock(group_name text) returns gnatter.conversation
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    locked gnatter.conversation;
begin
    select c.* into locked from gnatter.conversation c
     where c.name = 'g/' || group_name and c.deleted_at is null for no key update;
    if not found then
        raise exception 'no such group: %', coalesce(left(group_name, 80), 'null') using errcode = 'GN003';
    end if;
    return locked;
end
$$;
comment on function gnatter.group_lock(text) is
    'the group''s row, locked: order in a conversation is given under this lock; GN003. Internal';
