create or replace function gnatter.set_profile(name text, profile jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if jsonb_typeof(profile) is distinct from 'object' then
        raise exception 'the profile is not a JSON object' using errcode = 'GN006';
    end if;
    perform gnatter.profile_change(gnatter.user_lock(name), profile);
end
$$;
comment on function gnatter.set_profile(text, jsonb) is
    'changes a user''s profile as she could: display_name, about, avatar; null takes one away. GN002, GN006, GN007';
