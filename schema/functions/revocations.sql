create or replace function gnatter.revocations(max_age interval)
returns table (name text, valid_after_s bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return query
    select r.name, ceil(extract(epoch from max(r.valid_after)))::bigint
      from (select u.name::text, u.tokens_valid_after
              from gnatter.user_account u
            union all
            select u.name || ':' || d.name, d.tokens_valid_after
              from gnatter.device d join gnatter.user_account u on u.user_id = d.user_id) r (name, valid_after)
     where r.valid_after > coalesce(now() - max_age, '-infinity')
     group by r.name;
end
$$;
comment on function gnatter.revocations(interval) is
    'users and client ids whose tokens issued before valid_after_s (Unix seconds) are revoked; max_age: how long a '
    'token can live, null: all';
