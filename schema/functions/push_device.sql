create or replace function gnatter.push_device(user_name text, device_name text) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    found_id bigint;
begin
    if not exists (select from gnatter.user_account u where u.name = user_name and u.removed_at is null) then
        raise exception 'no such user: %', coalesce(left(user_name, 80), 'null') using errcode = 'GN002';
    end if;
    select d.device_id into found_id
      from gnatter.device d join gnatter.user_account u on u.user_id = d.user_id
     where u.name = user_name and d.name = device_name and d.removed_at is null;
    if not found then
        raise exception 'no such device: %:%', user_name, coalesce(left(device_name, 80), 'null') using errcode = 'GN006';
    end if;
    return found_id;
end
$$;
comment on function gnatter.push_device(text, text) is 'the id of a registered device by names; GN002, GN006. Internal';
