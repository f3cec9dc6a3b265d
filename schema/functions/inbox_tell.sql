create or replace function gnatter.inbox_tell(user_id bigint) returns void
language sql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select pg_notify('gnatter', 'u ' || user_id)
$$;
comment on function gnatter.inbox_tell(bigint) is
    'more is taken for this user, or no more is: tells the services when the transaction commits. Internal';
