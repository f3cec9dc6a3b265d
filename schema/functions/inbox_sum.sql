create or replace function gnatter.inbox_sum(user_id bigint, out items bigint, out bytes bigint)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select coalesce(sum(w.items), 0)::bigint, coalesce(sum(w.bytes), 0)::bigint
      from gnatter.inbox_waiting w where w.user_id = inbox_sum.user_id
$$;
comment on function gnatter.inbox_sum(bigint) is 'what waits for a user in direct conversations, as last counted. Internal';
