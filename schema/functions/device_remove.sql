create or replace function gnatter.device_remove(removed_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    client_id text;
    -- the next full second: a token of this very second is revoked as well
    valid_after timestamptz := date_trunc('second', clock_timestamp()) + interval '1 s';
    owner_id bigint;
begin
    update gnatter.device d
       set removed_at = now(), tokens_valid_after = valid_after, is_live = false
      from gnatter.user_account u
     where d.device_id = removed_id and d.removed_at is null and u.user_id = d.user_id
    returning u.name || ':' || d.name, u.user_id into client_id, owner_id;
    if not found then
        return;
    end if;
    -- in the order in which a flush takes them
    perform from gnatter.cursor k
      where k.device_id = removed_id
        and k.conversation_id in (select m.conversation_id from gnatter.member m where m.user_id = owner_id)
      order by k.conversation_id for update;
    delete from gnatter.cursor k
     where k.device_id = removed_id
       and k.conversation_id in (select m.conversation_id from gnatter.member m where m.user_id = owner_id);
    perform pg_notify('gnatter', 'r ' || client_id);
    perform pg_notify('gnatter', 'd ' || client_id);
end
$$;
comment on function gnatter.device_remove(bigint) is
    'unregisters a device, revokes its tokens and ends its connection; internal';
