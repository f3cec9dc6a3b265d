create or replace function gnatter.user_lock(name text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    found_id bigint;
begin
    select u.user_id into found_id from gnatter.user_account u
     where u.name = user_lock.name and u.removed_at is null for share;
    if not found then
        raise exception 'no such user: %', coalesce(left(name, 80), 'null') using errcode = 'GN002';
    end if;
    return found_id;
end
$$;
comment on function gnatter.user_lock(text) is
    'the id of a user, who cannot be removed before this transaction ends; GN002. Users are locked before '
    'conversations. Internal';
