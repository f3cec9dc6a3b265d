create or replace function gnatter.remove_user(name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    removed_id bigint;
    valid_after timestamptz := date_trunc('second', clock_timestamp()) + interval '1 s';
    item record;
begin
    update gnatter.user_account u set removed_at = now(), tokens_valid_after = valid_after
     where u.name = remove_user.name and u.removed_at is null
    returning u.user_id into removed_id;
    if not found then
        raise exception 'no such user: %', coalesce(left(name, 80), 'null') using errcode = 'GN002';
    end if;
    -- nobody could take it away any more
    delete from gnatter.profile p where p.user_id = removed_id;
    for item in select d.device_id from gnatter.device d
                 where d.user_id = removed_id and d.removed_at is null order by d.device_id
    loop
        perform gnatter.device_remove(item.device_id);
    end loop;
    -- Nobody can take her in any more, but somebody may be putting her out: look again under each group's lock.
    for item in select c.conversation_id from gnatter.conversation c
                  join gnatter.member m on m.conversation_id = c.conversation_id
                 where m.user_id = removed_id and m.left_seq is null and c.kind = 'group' and c.deleted_at is null
                 order by c.conversation_id
    loop
        perform from gnatter.conversation c where c.conversation_id = item.conversation_id for no key update;
        if exists (select from gnatter.member m where m.conversation_id = item.conversation_id
                      and m.user_id = removed_id and m.left_seq is null) then
            perform gnatter.member_close(item.conversation_id, removed_id, null);
        end if;
    end loop;
    perform gnatter.inbox_tell(removed_id);
    perform pg_notify('gnatter', 'r ' || name);
end
$$;
comment on function gnatter.remove_user(text) is
    'removes a user: her devices are revoked, she leaves her groups (member-removed), her profile goes, her messages stay, '
    'nobody writes to her any more and her name is never given again. GN002';
