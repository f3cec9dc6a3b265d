create or replace function gnatter.profile_change(changed_id bigint, params jsonb) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    unknown text := (select min(k) from jsonb_object_keys(params) k where k <> all ('{display_name,about,avatar}'));
begin
    if unknown is not null then
        raise exception 'a profile has no %', left(unknown, 80) using errcode = 'GN006';
    end if;
    insert into gnatter.profile as p (user_id, display_name, about, avatar)
    values (changed_id, gnatter.profile_text(params, 'display_name', 128), gnatter.profile_text(params, 'about', 512),
            gnatter.profile_text(params, 'avatar', 1024))
    on conflict on constraint profile_pk do update
       set display_name = case when params ? 'display_name' then excluded.display_name else p.display_name end,
           about = case when params ? 'about' then excluded.about else p.about end,
           avatar = case when params ? 'avatar' then excluded.avatar else p.avatar end,
           changed_at = now();
end
$$;
comment on function gnatter.profile_change(bigint, jsonb) is
    'changes what is given of display_name, about and avatar; null takes it away. GN006, GN007. Internal';
