create or replace function gnatter.push_flag(params jsonb, key text, otherwise boolean) returns boolean
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if coalesce(jsonb_typeof(params -> key), 'null') = 'null' then
        return otherwise;
    elsif jsonb_typeof(params -> key) <> 'boolean' then
        raise exception '"%" is not true or false', key using errcode = 'GN006';
    end if;
    return (params ->> key)::boolean;
end
$$;
comment on function gnatter.push_flag(jsonb, text, boolean) is 'a request''s parameter that is true or false; GN006. Internal';
