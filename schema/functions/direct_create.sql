create or replace function gnatter.direct_create(names text[], creates boolean[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    with wanted as (
        select distinct n.name, a.user_id as a_id, b.user_id as b_id
          from unnest(names, creates) as n (name, creates)
          join gnatter.user_account a on a.name = split_part(n.name, '/', 2) and a.removed_at is null
          join gnatter.user_account b on b.name = split_part(n.name, '/', 3) and b.removed_at is null
         where n.creates
           and n.name = 'd/' || a.name || '/' || b.name
           and a.name <= b.name
           and not exists (select from gnatter.conversation c where c.name = n.name)
    ), made as (
        insert into gnatter.conversation (name, kind, route)
        select w.name, 'direct', gnatter.conversation_route(w.name) from wanted w order by w.name
        on conflict (name) do nothing
        returning conversation_id, name
    )
    insert into gnatter.member (conversation_id, user_id, joined_seq, role_seq)
    select distinct m.conversation_id, u.user_id, 1, 1
      from made m
      join wanted w on w.name = m.name
      cross join lateral (values (w.a_id), (w.b_id)) as u (user_id);
end
$$;
comment on function gnatter.direct_create(text[], boolean[]) is
    'makes the direct conversations that are not there yet, where creates is true and both users are there; internal';
