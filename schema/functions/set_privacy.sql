create or replace function gnatter.set_privacy(name text, settings jsonb) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    set_id bigint;
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        raise exception 'the settings are not a JSON object' using errcode = 'GN006';
    end if;
    -- a stronger lock than user_lock's, at once: two who share it would wait for each other to change it
    select u.user_id into set_id from gnatter.user_account u
     where u.name = set_privacy.name and u.removed_at is null for no key update;
    if not found then
        raise exception 'no such user: %', coalesce(left(name, 80), 'null') using errcode = 'GN002';
    end if;
    return gnatter.privacy_change(set_id, settings);
end
$$;
comment on function gnatter.set_privacy(text, jsonb) is
    'changes a user''s settings as she could: any of read_receipts (true or false), online, last_seen, profile (everyone, '
    'contacts, nobody), messages, groups (everyone, contacts); returns all of them. GN002, GN006';
