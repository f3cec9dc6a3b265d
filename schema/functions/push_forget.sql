create or replace function gnatter.push_forget(forgotten_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    was_registered boolean;
begin
    delete from gnatter.push_registration r where r.device_id = forgotten_id;
    was_registered := found;
    delete from gnatter.push_wake w where w.device_id = forgotten_id;
    update gnatter.push_job j set state = 'needless', finished_at = now(), reason = 'unregistered'
     where j.device_id = forgotten_id and j.finished_at is null;
    return was_registered;
end
$$;
comment on function gnatter.push_forget(bigint) is 'unregisters a device from push; whether it was registered. Internal';
