create or replace function gnatter.push_registration_put(device_id bigint, params jsonb) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    given_provider text := gnatter.param_text(params, 'provider');
    environment text := coalesce(gnatter.param_text(params, 'environment', false), 'production');
    is_foreign boolean := given_provider in ('webpush', 'unifiedpush');
    made gnatter.push_registration;
begin
    if given_provider not in ('apns', 'fcm', 'webpush', 'unifiedpush', 'webhook') then
        raise exception 'no such push provider: %', left(given_provider, 80) using errcode = 'GN006';
    elsif environment not in ('production', 'sandbox') then
        raise exception '"environment" is production or sandbox' using errcode = 'GN006';
    end if;
    made.device_id := push_registration_put.device_id;
    made.token := gnatter.push_token(given_provider, params);
    made.topic := gnatter.param_text(params, 'topic', false);
    if made.topic !~ '^[A-Za-z0-9.-]{1,128}$' or (made.topic is not null and given_provider <> 'apns') then
        raise exception '"topic" is the bundle id of an app, for apns' using errcode = 'GN006';
    end if;
    made.is_sandbox := environment = 'sandbox';
    made.shows := gnatter.push_flag(params, 'shows', true);
    if is_foreign then
        made.endpoint := made.token;
        made.token := null;
        made.p256dh := gnatter.push_key(params, 'p256dh', 65);
        made.auth := gnatter.push_key(params, 'auth', 16);
    end if;
    loop
        begin
            -- the app has changed hands: whoever had it before is not told on it any more
            delete from gnatter.push_registration r
             where r.device_id <> made.device_id and given_provider <> 'webhook' and r.provider <> 'webhook'
               and sha256(decode(coalesce(r.endpoint, r.token), 'escape'))
                   = sha256(decode(coalesce(made.endpoint, made.token), 'escape'));
            delete from gnatter.push_registration r where r.device_id = made.device_id;
            insert into gnatter.push_registration
                (device_id, user_id, provider, token, endpoint, p256dh, auth, topic, is_sandbox, shows)
            select d.device_id, d.user_id, given_provider, made.token, made.endpoint, made.p256dh, made.auth, made.topic,
                   made.is_sandbox, made.shows
              from gnatter.device d where d.device_id = made.device_id;
            exit;
        exception when unique_violation then
            null; -- registered at the same moment, and committed first: that one is the one before
        end;
    end loop;
    -- a wake-up that waits goes the new way
    update gnatter.push_job j set provider = given_provider, state = 'queued', attempt = 0, due_at = now()
     where j.device_id = made.device_id and j.finished_at is null;
    perform pg_notify('gnatter', 'k ' || made.device_id);
end
$$;
comment on function gnatter.push_registration_put(bigint, jsonb) is
    'registers a device for push, in place of what it had: {provider, token | endpoint, p256dh, auth, topic?, environment?, '
    'shows?}. GN006. Internal';
