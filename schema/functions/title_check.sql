create or replace function gnatter.title_check(title text) returns void
language plpgsql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if octet_length(title) > 256 then
        raise exception 'a title has at most 256 bytes' using errcode = 'GN007';
    end if;
end
$$;
comment on function gnatter.title_check(text) is 'GN007 when a title is too long; internal';
