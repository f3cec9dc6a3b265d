create or replace function gnatter.param_number(params jsonb, key text, is_required boolean default true) returns bigint
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    value numeric;
begin
    if not is_required and coalesce(jsonb_typeof(params -> key), 'null') = 'null' then
        return null;
    elsif jsonb_typeof(params -> key) is distinct from 'number' then
        raise exception '"%" is %', key, case when params ? key then 'not a number' else 'missing' end using errcode = 'GN006';
    end if;
    value := (params ->> key)::numeric;
    if value <> trunc(value) or value not between 0 and 9223372036854775807 then
        raise exception '"%" is not a whole number from 0 up', key using errcode = 'GN006';
    end if;
    return value::bigint;
end
$$;
comment on function gnatter.param_number(jsonb, text, boolean) is
    'a request''s parameter that is a seq or a count; GN006. Internal';
