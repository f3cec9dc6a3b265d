create or replace function gnatter.push_text(payload bytea) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    message text;
begin
    if octet_length(payload) = 0 or position('\x00'::bytea in payload) > 0 then
        return null;
    end if;
    begin
        message := convert_from(payload, 'UTF8');
    exception when others then
        return null;
    end;
    -- what a person has typed has blanks and no controls; ciphertext in letters, an armour or an object has not
    if message ~ '[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]' or message ~ '^\s*[{]' or message ~ '^-----BEGIN '
       or message ~ '^[A-Za-z0-9+/_=.-]{48,}$' then
        return null;
    end if;
    return message;
end
$$;
comment on function gnatter.push_text(bytea) is
    'a message as text for people; null when it is sealed (encrypted) or may be: no UTF-8, control characters, an object, an '
    'armour, or one long word. In doubt it is sealed. Internal';
