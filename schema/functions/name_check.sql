create or replace function gnatter.name_check(what text, name text) returns void
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if name is null
       or name !~ '^[a-z0-9][a-z0-9._-]*$'
       or length(name) > (case what when 'group' then 64 else 32 end)
    then
        raise exception 'not the name of a %: %', what, coalesce(left(name, 80), 'null')
            using errcode = 'GN006',
                  hint = format('at most %s of a-z, 0-9, ".", "_" and "-", and the first a letter or a digit',
                                case what when 'group' then 64 else 32 end);
    end if;
end
$$;
comment on function gnatter.name_check(text, text) is 'GN006 unless it is a name of a user, device or group; internal';
