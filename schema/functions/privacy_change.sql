create or replace function gnatter.privacy_change(changed_id bigint, settings jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    all_of text[] := '{everyone,contacts,nobody}';
    unknown text := (select min(k) from jsonb_object_keys(settings) k
                      where k <> all ('{read_receipts,online,last_seen,profile,messages,groups}'));
    before gnatter.user_account;
    after gnatter.user_account;
begin
    if unknown is not null then
        raise exception 'there is no setting %', left(unknown, 80) using errcode = 'GN006';
    end if;
    select u.* into before from gnatter.user_account u where u.user_id = changed_id for no key update;
    update gnatter.user_account u
       set shares_reads = gnatter.push_flag(settings, 'read_receipts', u.shares_reads),
           shows_online = coalesce(gnatter.privacy_audience(settings, 'online', all_of), u.shows_online),
           shows_last_seen = coalesce(gnatter.privacy_audience(settings, 'last_seen', all_of), u.shows_last_seen),
           shows_profile = coalesce(gnatter.privacy_audience(settings, 'profile', all_of), u.shows_profile),
           messages_from = coalesce(gnatter.privacy_audience(settings, 'messages', '{everyone,contacts}'), u.messages_from),
           groups_from = coalesce(gnatter.privacy_audience(settings, 'groups', '{everyone,contacts}'), u.groups_from)
     where u.user_id = changed_id
    returning u.* into after;
    if before.shares_reads <> after.shares_reads then
        perform pg_notify('gnatter', 'u ' || changed_id);
    end if;
    if (before.shows_online, before.shows_last_seen) <> (after.shows_online, after.shows_last_seen) then
        perform pg_notify('gnatter', 'p ' || after.name);
        perform pg_notify('gnatter', format('w %s:%s', after.name, d.name))
           from gnatter.device d where d.user_id = changed_id and d.removed_at is null;
    end if;
    return gnatter.privacy_of(changed_id);
end
$$;
comment on function gnatter.privacy_change(bigint, jsonb) is
    'changes what is given of read_receipts, online, last_seen, profile, messages and groups, tells the service, and returns '
    'all of it; GN006. Internal';
