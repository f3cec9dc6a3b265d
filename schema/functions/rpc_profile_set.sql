create or replace function gnatter.rpc_profile_set(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    -- who is being removed leaves no profile behind
    perform gnatter.profile_change(gnatter.user_lock((select u.name from gnatter.user_account u
                                                       where u.user_id = rpc_profile_set.user_id)), params);
    return '{}';
end
$$;
comment on function gnatter.rpc_profile_set(bigint, bigint, jsonb) is 'profile.set: changes what is given of the profile';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('profile.set', 'rpc_profile_set', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
