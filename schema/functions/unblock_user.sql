create or replace function gnatter.unblock_user(name text, blocked text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.block_end(gnatter.user_lock(name), blocked);
end
$$;
comment on function gnatter.unblock_user(text, text) is 'as if that user had unblocked the other one. GN002, GN007';
