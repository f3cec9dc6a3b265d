create or replace function gnatter.timer_event(seconds bigint) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if seconds is null or (seconds <> 0 and seconds not between 30 and 31536000) then
        raise exception 'a timer has from 30 to 31536000 seconds, or 0' using errcode = 'GN006';
    end if;
    return format('{"seconds":%s}', seconds);
end
$$;
comment on function gnatter.timer_event(bigint) is 'the payload of timer-changed; GN006. Internal';
