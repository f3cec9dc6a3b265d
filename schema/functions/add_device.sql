create or replace function gnatter.add_device(user_name text, device_name text, ack_mode text default 'explicit')
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    owner_id bigint;
    made_id bigint;
begin
    perform gnatter.name_check('device', device_name);
    if ack_mode is null or ack_mode not in ('explicit', 'auto') then
        raise exception 'ack mode is explicit or auto, not %', coalesce(ack_mode, 'null') using errcode = 'GN006';
    end if;
    -- a stronger lock than user_lock's: one registration at a time, and no joining meanwhile
    select u.user_id into owner_id from gnatter.user_account u
     where u.name = user_name and u.removed_at is null for no key update;
    if not found then
        raise exception 'no such user: %', coalesce(left(user_name, 80), 'null') using errcode = 'GN002';
    end if;
    if exists (select from gnatter.device d
                where d.user_id = owner_id and d.name = device_name and d.removed_at is null) then
        raise exception 'device exists: %:%', user_name, device_name using errcode = 'GN004';
    end if;
    if (select count(*) from gnatter.device d where d.user_id = owner_id and d.removed_at is null) >= 64 then
        raise exception 'user % has 64 devices, which is the limit', user_name using errcode = 'GN007';
    end if;
    insert into gnatter.device (user_id, name, ack_mode, tokens_valid_after)
    select owner_id, device_name, add_device.ack_mode, max(d.tokens_valid_after)
      from gnatter.device d
     where d.user_id = owner_id and d.name = device_name and d.removed_at is not null
    returning device_id into made_id;
    insert into gnatter.cursor (conversation_id, device_id, acked_seq)
    select c.conversation_id, made_id, c.last_seq
      from gnatter.conversation c
     where c.conversation_id in (select m.conversation_id from gnatter.member m where m.user_id = owner_id);
    return made_id;
end
$$;
comment on function gnatter.add_device(text, text, text) is
    'registers a device, which starts at the present of each of the user''s conversations; ack_mode explicit or auto. '
    'GN002, GN004 when it is registered, GN006, GN007 above 64 devices';
