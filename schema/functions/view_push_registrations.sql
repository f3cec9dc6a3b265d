create or replace view gnatter.push_registrations as
select u.name::text as user_name, d.name::text as device_name, r.provider, r.topic, r.is_sandbox, r.shows, r.registered_at,
       r.refused_at, r.refused_reason,
       -- a name for people: a token or endpoint is a key to the device, and is not shown
       left(encode(sha256(convert_to(coalesce(r.endpoint, r.token, ''), 'UTF8')), 'hex'), 12) as fingerprint,
       split_part(r.endpoint, '/', 3) as host,
       j.state as last_state, j.reason as last_reason
  from gnatter.push_registration r
  join gnatter.device d on d.device_id = r.device_id
  join gnatter.user_account u on u.user_id = r.user_id
  -- of all devices at once: there is no index to find one's
  left join (select distinct on (j.device_id) j.device_id, j.state, j.reason
               from gnatter.push_job j order by j.device_id, j.job_id desc) j on j.device_id = r.device_id;
comment on view gnatter.push_registrations is 'how devices are woken';
comment on column gnatter.push_registrations.user_name is 'whose device';
comment on column gnatter.push_registrations.device_name is 'the device''s name';
comment on column gnatter.push_registrations.provider is 'apns, fcm, webpush, unifiedpush or webhook';
comment on column gnatter.push_registrations.topic is 'apns: the app; null: the first that is configured';
comment on column gnatter.push_registrations.is_sandbox is 'apns: a development build';
comment on column gnatter.push_registrations.shows is 'the app shows a notification for a wake-up';
comment on column gnatter.push_registrations.registered_at is 'when';
comment on column gnatter.push_registrations.refused_at is 'when the provider refused it; null: not refused';
comment on column gnatter.push_registrations.refused_reason is 'why';
comment on column gnatter.push_registrations.fingerprint is 'of the token or endpoint, which is a secret';
comment on column gnatter.push_registrations.host is 'webpush, unifiedpush: of the endpoint';
comment on column gnatter.push_registrations.last_state is 'what became of its last wake-up, for a day';
comment on column gnatter.push_registrations.last_reason is 'what the provider said then';
create or replace trigger refuse instead of insert or update or delete on gnatter.push_registrations
    for each row execute function gnatter.refuse_write('gnatter.push_register or push_unregister');
comment on trigger refuse on gnatter.push_registrations is 'says which functions to call';
