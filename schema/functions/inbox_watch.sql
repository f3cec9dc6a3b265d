create or replace function gnatter.inbox_watch(conversation_ids bigint[], items_max bigint, bytes_max bigint) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    pair_conversations bigint[];
    pair_users bigint[];
    waiting record;
    is_new boolean;
    candidate record;
    fresh int := 0;
begin
    select array_agg(p.conversation_id), array_agg(p.user_id) into pair_conversations, pair_users
      from (select distinct i.id as conversation_id, m.user_id
              from unnest(conversation_ids) as i (id)
              -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
              cross join lateral (
                  select from gnatter.conversation c
                   where c.conversation_id = i.id and c.kind = 'direct'
                     -- a note to oneself fills nobody else's inbox
                     and split_part(c.name, '/', 2) <> split_part(c.name, '/', 3) offset 0) c
              cross join lateral (
                  select m.user_id from gnatter.member m where m.conversation_id = i.id offset 0) m
              cross join lateral (
                  select from gnatter.user_account u where u.user_id = m.user_id and u.removed_at is null offset 0) u
             -- whom she blocks cannot keep others from writing to her
             where not exists (select from gnatter.block b where b.conversation_id = i.id and b.user_id = m.user_id
                                  and b.to_seq is null offset 0)) p;
    if pair_users is null then
        return 0;
    end if;
    perform gnatter.inbox_count(pair_conversations, pair_users, items_max);
    for candidate in
        select i.user_id from (select distinct u.user_id from unnest(pair_users) as u (user_id)) i
         cross join lateral gnatter.inbox_sum(i.user_id) s
         where s.items >= items_max or s.bytes >= bytes_max
         order by i.user_id
    loop
        -- what she has got meanwhile in other conversations counts no more
        waiting := gnatter.inbox_recount(candidate.user_id, items_max);
        continue when waiting.items < items_max and waiting.bytes < bytes_max;
        insert into gnatter.inbox_full as f (user_id) values (candidate.user_id)
        on conflict on constraint inbox_full_pk do nothing
        returning true into is_new;
        if is_new then
            fresh := fresh + 1;
            perform gnatter.inbox_tell(candidate.user_id);
        end if;
    end loop;
    return fresh;
end
$$;
comment on function gnatter.inbox_watch(bigint[], bigint, bigint) is
    'after messages in these conversations: counts what waits for their users in direct ones, and marks those for whom no '
    'more is taken; how many these are';
