create or replace function gnatter.param_text(params jsonb, key text, is_required boolean default true) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if not is_required and coalesce(jsonb_typeof(params -> key), 'null') = 'null' then
        return null;
    elsif jsonb_typeof(params -> key) is distinct from 'string' then
        raise exception '"%" is %', key, case when params ? key then 'not a string' else 'missing' end using errcode = 'GN006';
    end if;
    return params ->> key;
end
$$;
comment on function gnatter.param_text(jsonb, text, boolean) is 'a request''s string parameter; GN006. Internal';
