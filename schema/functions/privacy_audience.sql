create or replace function gnatter.privacy_audience(settings jsonb, key text, allowed text[]) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    audience text := gnatter.param_text(settings, key, false);
begin
    if audience <> all (allowed) then
        raise exception '"%" is %', key, array_to_string(allowed, ' or ') using errcode = 'GN006';
    end if;
    return audience;
end
$$;
comment on function gnatter.privacy_audience(jsonb, text, text[]) is
    'a setting that says to whom; null: not given; GN006. Internal';
