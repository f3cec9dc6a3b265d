create or replace function gnatter.create_user(name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    made_id bigint;
begin
    perform gnatter.name_check('user', name);
    insert into gnatter.user_account (name) values (create_user.name)
    on conflict on constraint user_account_name_once do nothing
    returning user_id into made_id;
    if made_id is null then
        raise exception 'user exists or existed: %', name using errcode = 'GN004';
    end if;
    return made_id;
end
$$;
comment on function gnatter.create_user(text) is
    'makes a user; GN004 when the name is taken, also by one that was removed; GN006 when it is no name';
