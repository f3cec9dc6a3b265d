create or replace function gnatter.push_token(provider text, params jsonb) returns text
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    is_foreign boolean := provider in ('webpush', 'unifiedpush');
    key text := case when is_foreign then 'endpoint' else 'token' end;
    token text := gnatter.param_text(params, key, provider <> 'webhook');
    form text := case provider
        when 'apns' then '^([0-9A-Fa-f]{2}){16,100}$'
        when 'fcm' then '^[A-Za-z0-9_:.-]{16,}$'
        when 'webhook' then '^[^[:cntrl:]]+$'
        -- what is behind the name is looked at again when it is connected to
        else '^https://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?/[!$-;=?-Z_a-z~]*$'
    end;
begin
    if token !~ form or octet_length(token) > (case when is_foreign then 2048 else 1024 end) then
        raise exception '"%" is not one of %', key, provider using errcode = 'GN006';
    end if;
    return case provider when 'apns' then lower(token) else token end;
end
$$;
comment on function gnatter.push_token(text, jsonb) is
    'the token or endpoint of a registration, in the form that its provider gives them; GN006. Internal';
