create or replace function gnatter.rpc_group_create(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    members jsonb := coalesce(params -> 'members', '[]');
    made_name text;
begin
    if jsonb_typeof(members) <> 'array' or jsonb_path_exists(members, 'strict $[*] ? (@.type() != "string")') then
        raise exception '"members" is not an array of strings' using errcode = 'GN006';
    end if;
    made_name := gnatter.group_make(
        gnatter.param_text(params, 'group', false), gnatter.param_text(params, 'title', false), user_id,
        array(select jsonb_array_elements_text(members)), user_id);
    return jsonb_build_object('group', made_name, 'seq', 1);
end
$$;
comment on function gnatter.rpc_group_create(bigint, bigint, jsonb) is 'group.create: the caller is the owner';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.create', 'rpc_group_create', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
