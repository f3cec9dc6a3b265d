-- Every object says what it is for, belongs to the owner, and is closed to everybody who was not let in.
begin;
select plan(13);

select is_empty($$
    select c.relname from pg_class c
     where c.relnamespace = 'gnatter'::regnamespace and c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class')
         is null
$$, 'tables and views have a comment');
select is_empty($$
    select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'gnatter'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
       and col_description(c.oid, a.attnum) is null
$$, 'columns have a comment');
select is_empty($$
    select p.oid::regprocedure from pg_proc p
     where p.pronamespace = 'gnatter'::regnamespace and obj_description(p.oid, 'pg_proc') is null
$$, 'functions have a comment');
select is_empty($$
    select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
     where c.relnamespace = 'gnatter'::regnamespace and not t.tgisinternal and obj_description(t.oid, 'pg_trigger')
         is null
$$, 'triggers have a comment');
select is_empty($$
    select t.typname from pg_type t
     where t.typnamespace = 'gnatter'::regnamespace and t.typtype = 'd' and obj_description(t.oid, 'pg_type') is null
$$, 'domains have a comment');
select is_empty($$
    select i.indexrelid::regclass from pg_index i join pg_class c on c.oid = i.indrelid
     where c.relnamespace = 'gnatter'::regnamespace
       and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
       and obj_description(i.indexrelid, 'pg_class') is null
$$, 'indexes that are no constraints have a comment');
select is_empty($$
    select rolname from pg_roles where rolname ~ '^gnatter_' and shobj_description(oid, 'pg_authid') is null
$$, 'roles have a comment');
select isnt(obj_description('gnatter'::regnamespace, 'pg_namespace'), null, 'the schema has a comment');

select is_empty($$
    select c.relname from pg_class c where c.relnamespace = 'gnatter'::regnamespace
        and c.relowner <> 'gnatter_owner'::regrole
    union all
    select p.proname from pg_proc p where p.pronamespace = 'gnatter'::regnamespace
        and p.proowner <> 'gnatter_owner'::regrole
$$, 'everything belongs to gnatter_owner');
select is_empty($$
    select p.oid::regprocedure from pg_proc p
     where p.pronamespace = 'gnatter'::regnamespace and p.prosecdef
       and not coalesce('search_path=pg_catalog, gnatter, pg_temp' = any (p.proconfig), false)
$$, 'a security definer function has its search_path pinned');
select is_empty($$
    select p.oid::regprocedure from pg_proc p, unnest('{gnatter_service,gnatter_admin,gnatter_readonly}'::text[]) as r
     where p.pronamespace = 'gnatter'::regnamespace and not p.prosecdef
       and has_function_privilege(r, p.oid, 'execute')
$$, 'only security definer functions are let out: the others are internal');
select is_empty($$
    select p.oid::regprocedure from pg_proc p
     where p.pronamespace = 'gnatter'::regnamespace and obj_description(p.oid, 'pg_proc') ~ '[iI]nternal$'
         and p.prosecdef
       and p.proname <> 'direct_create'
       and exists (select from unnest('{gnatter_service,gnatter_admin,gnatter_readonly}'::text[]) as r
                    where has_function_privilege(r, p.oid, 'execute'))
$$, 'what calls itself internal is');
select is_empty($$
    select p.oid::regprocedure from pg_proc p, aclexplode(p.proacl) a
     where p.pronamespace = 'gnatter'::regnamespace and a.grantee = 0
    union all
    select c.oid::regclass::text::regprocedure from pg_class c, aclexplode(c.relacl) a
     where c.relnamespace = 'gnatter'::regnamespace and a.grantee = 0
$$, 'nothing is open to public');
select * from finish();
rollback;
