create or replace function gnatter.device_open(client_ids text[])
returns table (ord int, device_id bigint, user_id bigint, ack_auto boolean)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    return query
    select c.ord::int, d.device_id, d.user_id, d.ack_mode = 'auto'
      from unnest(client_ids) with ordinality as c (client_id, ord)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      cross join lateral (
          select u.user_id, u.name from gnatter.user_account u
           where u.name = split_part(c.client_id, ':', 1) and u.removed_at is null offset 0) u
      cross join lateral (
          select d.device_id, d.user_id, d.name, d.ack_mode from gnatter.device d
           where d.user_id = u.user_id and d.name = split_part(c.client_id, ':', 2) and d.removed_at is null offset 0) d
     where c.client_id = u.name || ':' || d.name;
end
$$;
comment on function gnatter.device_open(text[]) is
    'the ids behind client ids (ord: place in the array, from 1); no row for one that is unknown or removed';
