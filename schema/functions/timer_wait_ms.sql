create or replace function gnatter.timer_wait_ms(seconds bigint) returns bigint
language sql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select seconds * 1000 + least(seconds * 1000 / 60, 3600000)
$$;
comment on function gnatter.timer_wait_ms(bigint) is
    'how long after a message its timer is looked at: a sixtieth more, at most an hour, so that a busy conversation''s go '
    'together. Internal';
