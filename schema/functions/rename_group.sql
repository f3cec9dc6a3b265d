create or replace function gnatter.rename_group(group_name text, title text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return gnatter.group_rename((gnatter.group_lock(group_name)).conversation_id, title, null);
end
$$;
comment on function gnatter.rename_group(text, text) is
    'gives a group a title (null: none); returns the seq of renamed. GN003, GN007';
