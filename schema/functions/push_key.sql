create or replace function gnatter.push_key(params jsonb, key text, bytes int) returns bytea
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    -- a browser's PushSubscription has them below "keys"
    encoded text := translate(rtrim(gnatter.param_text(
        case jsonb_typeof(params -> 'keys') when 'object' then params -> 'keys' else params end, key), '='), '-_', '+/');
    decoded bytea;
begin
    if encoded ~ '^[A-Za-z0-9+/]{1,128}$' and length(encoded) % 4 <> 1 then
        decoded := decode(encoded || repeat('=', (4 - length(encoded) % 4) % 4), 'base64');
    end if;
    if octet_length(decoded) is distinct from bytes then
        raise exception '"%" is not % bytes in base64url', key, bytes using errcode = 'GN006';
    end if;
    return decoded;
end
$$;
comment on function gnatter.push_key(jsonb, text, int) is 'a request''s parameter of so many bytes in base64url; GN006. Internal';
