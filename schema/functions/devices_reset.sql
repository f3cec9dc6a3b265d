create or replace function gnatter.devices_reset() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    update gnatter.device d set is_live = false where d.is_live;
end
$$;
comment on function gnatter.devices_reset() is 'no device is live: for a service that starts and knows no session yet';
