create or replace function gnatter.set_privacy(name text, settings jsonb) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        raise exception 'the settings are not a JSON object' using errcode = 'GN006';
    end if;
    return gnatter.privacy_change(gnatter.user_lock(name), settings);
end
$$;
comment on function gnatter.set_privacy(text, jsonb) is
    'changes a user''s settings as she could: any of read_receipts (true or false), online, last_seen, profile (everyone, '
    'contacts, nobody), messages, groups (everyone, contacts); returns all of them. GN002, GN006';
