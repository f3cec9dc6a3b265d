create or replace function gnatter.push_device_removed() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.push_forget(new.device_id);
    return null;
end
$$;
comment on function gnatter.push_device_removed() is 'a device that is removed is not woken any more. Trigger';
create or replace trigger device_push_removed after update of removed_at on gnatter.device
    for each row when (new.removed_at is not null and old.removed_at is null)
    execute function gnatter.push_device_removed();
comment on trigger device_push_removed on gnatter.device is 'a device that is removed is not woken any more';
