create or replace function gnatter.message_payload(params jsonb, out bytes bytea, out member text)
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    body text := gnatter.param_text(params, 'payload', false);
    encoded text := gnatter.param_text(params, 'payload_base64', false);
begin
    if (body is null) = (encoded is null) then
        raise exception 'one of "payload" and "payload_base64"' using errcode = 'GN006';
    elsif body is not null then
        bytes := convert_to(body, 'UTF8');
        member := format('"payload":%s', to_json(body));
        return;
    end if;
    begin
        bytes := decode(encoded, 'base64');
    exception when invalid_parameter_value then
        raise exception '"payload_base64" is not base64' using errcode = 'GN006';
    end;
    member := format('"payload_base64":"%s"', translate(encode(bytes, 'base64'), e'\n', ''));
end
$$;
comment on function gnatter.message_payload(jsonb) is
    'a message''s payload out of a request: "payload", a string whose UTF-8 is meant, or "payload_base64"; and the same as '
    'member of an event, in its one spelling. GN006. Internal';
