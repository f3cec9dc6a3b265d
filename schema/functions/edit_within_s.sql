create or replace function gnatter.edit_within_s() returns bigint
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select coalesce(nullif(current_setting('gnatter.edit_within_s', true), '')::bigint, 172800)
$$;
comment on function gnatter.edit_within_s() is
    'how many seconds a message can be edited: the service sets it for its session, from its configuration. Internal';
