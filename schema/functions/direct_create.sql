create or replace function gnatter.direct_create(names text[], creates boolean[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    with wanted as (
        select distinct n.name
          from unnest(names, creates) as n (name, creates)
          -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
          left join lateral (
              select c.conversation_id from gnatter.conversation c where c.name = n.name offset 0) c on true
          cross join lateral (
              select a.user_id, a.name from gnatter.user_account a
               where a.name = split_part(n.name, '/', 2) and a.removed_at is null offset 0) a
          cross join lateral (
              select b.user_id, b.name from gnatter.user_account b
               where b.name = split_part(n.name, '/', 3) and b.removed_at is null offset 0) b
         where n.creates
           and c.conversation_id is null
           and n.name = 'd/' || a.name || '/' || b.name
           and a.name <= b.name
    ), made as (
        insert into gnatter.conversation (name, kind, route)
        select w.name, 'direct', gnatter.conversation_route(w.name) from wanted w order by w.name
        on conflict (name) do nothing
        returning conversation_id, name
    )
    insert into gnatter.member (conversation_id, user_id, joined_seq, role_seq)
    select distinct m.conversation_id, u.user_id, 1, 1
      from made m
      cross join lateral (values (split_part(m.name, '/', 2)), (split_part(m.name, '/', 3))) as n (name)
      cross join lateral (select u.user_id from gnatter.user_account u where u.name = n.name offset 0) u;
end
$$;
comment on function gnatter.direct_create(text[], boolean[]) is
    'makes the direct conversations that are not there yet, where creates is true and both users are there; internal';
