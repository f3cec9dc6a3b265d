-- The roles: one that owns, three that are let in. Run before everything else, as often as wanted.
-- They may log in, but have no password until the administrator gives one.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'gnatter_owner') then
        create role gnatter_owner nologin;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'gnatter_service') then
        create role gnatter_service login;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'gnatter_admin') then
        create role gnatter_admin login;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'gnatter_readonly') then
        create role gnatter_readonly login;
    end if;
end
$$;

comment on role gnatter_owner is 'owns everything in schema gnatter; nobody logs in as it';
comment on role gnatter_service is 'the sync service: may call the service functions, nothing else';
comment on role gnatter_admin is 'an administrator: admin functions, views, and plain DML on memberships';
comment on role gnatter_readonly is 'may read the views';
