create or replace function gnatter.profile_text(params jsonb, key text, bytes_max int) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    said text := gnatter.param_text(params, key, false);
begin
    if octet_length(said) > bytes_max then
        raise exception '"%" has at most % bytes', key, bytes_max using errcode = 'GN007';
    elsif said ~ (case key when 'about' then e'[\x01-\x09\x0b-\x1f\x7f]' else e'[\x01-\x1f\x7f]' end) then
        raise exception '"%" has no control characters', key using errcode = 'GN006';
    end if;
    return nullif(said, '');
end
$$;
comment on function gnatter.profile_text(jsonb, text, int) is
    'a line of a profile; null and the empty string: none; about may have several lines. GN006, GN007. Internal';
