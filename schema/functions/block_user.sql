create or replace function gnatter.block_user(name text, blocked text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.block_begin(gnatter.user_lock(name), blocked);
end
$$;
comment on function gnatter.block_user(text, text) is 'as if that user had blocked the other one. GN002, GN006, GN007';
