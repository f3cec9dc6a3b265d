create or replace view gnatter.devices as
select u.name::text as user_name, d.name::text as device_name, d.ack_mode, d.created_at, d.last_seen_at, d.is_live,
       greatest(u.tokens_valid_after, d.tokens_valid_after) as tokens_valid_after
  from gnatter.device d
  join gnatter.user_account u on u.user_id = d.user_id
 where d.removed_at is null;
comment on view gnatter.devices is 'the registered devices';
comment on column gnatter.devices.user_name is 'whose';
comment on column gnatter.devices.device_name is 'the device''s name';
comment on column gnatter.devices.ack_mode is 'explicit or auto';
comment on column gnatter.devices.created_at is 'when it was registered';
comment on column gnatter.devices.last_seen_at is 'when it last came or went; null: never';
comment on column gnatter.devices.is_live is 'connected and subscribed, as far as a service has told';
comment on column gnatter.devices.tokens_valid_after is 'a token must be issued at or after it; null: any';
create or replace trigger refuse instead of insert or update or delete on gnatter.devices
    for each row execute function gnatter.refuse_write('gnatter.add_device or revoke_device');
comment on trigger refuse on gnatter.devices is 'says which functions to call';
