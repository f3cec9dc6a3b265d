create or replace function gnatter.device_until(live_until timestamptz) returns timestamptz
language sql volatile
as $$ select case when live_until <= clock_timestamp() then live_until else '-infinity' end $$;
comment on function gnatter.device_until(timestamptz) is
    'from when on a device has to be told what changed: a time to come is of a clock that was ahead, and says nothing. Internal';
