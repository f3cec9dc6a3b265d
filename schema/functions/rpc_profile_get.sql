create or replace function gnatter.rpc_profile_get(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked text := coalesce(gnatter.param_text(params, 'user', false),
                           (select u.name from gnatter.user_account u where u.user_id = rpc_profile_get.user_id));
    shown gnatter.user_account;
    is_visible boolean;
    profile gnatter.profile;
begin
    select u.* into shown from gnatter.user_account u where u.name = asked and u.removed_at is null;
    if not found then
        raise exception 'no such user: %', left(asked, 80) using errcode = 'GN002';
    end if;
    is_visible := shown.user_id = rpc_profile_get.user_id
        or (not gnatter.block_between(shown.user_id, rpc_profile_get.user_id)
            and (shown.shows_profile = 'everyone'
                 or (shown.shows_profile = 'contacts' and gnatter.is_contact(shown.user_id, rpc_profile_get.user_id))));
    -- what is hidden looks like what was never said
    select p.* into profile from gnatter.profile p where p.user_id = shown.user_id and is_visible;
    return jsonb_build_object('user', shown.name, 'display_name', profile.display_name, 'about', profile.about,
                              'avatar', profile.avatar);
end
$$;
comment on function gnatter.rpc_profile_get(bigint, bigint, jsonb) is
    'profile.get: what a user says about herself, as far as the caller may see it; nulls for the rest';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('profile.get', 'rpc_profile_get', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
