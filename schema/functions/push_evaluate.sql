create or replace function gnatter.push_evaluate(conversation_ids bigint[], device_ids bigint[], grace_ms int, ttl_s int)
returns table (provider text, jobs bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    pair_devices bigint[];
    pair_conversations bigint[];
begin
    -- from the registrations: who has none costs one look into an index
    select array_agg(p.device_id), array_agg(p.conversation_id) into pair_devices, pair_conversations
      from (select r.device_id, m.conversation_id
              from unnest(push_evaluate.conversation_ids) as i (id)
              join gnatter.member m on m.conversation_id = i.id and m.left_seq is null
              join gnatter.push_registration r on r.user_id = m.user_id and r.refused_at is null
            union
            select r.device_id, m.conversation_id
              from unnest(push_evaluate.device_ids) as i (id)
              join gnatter.push_registration r on r.device_id = i.id and r.refused_at is null
              -- see is_contact
              cross join lateral (
                  select m.conversation_id, m.left_seq from gnatter.member m where m.user_id = r.user_id offset 0) m
             where m.left_seq is null) p;
    if pair_devices is null then
        return;
    end if;
    return query
    with waiting as (
        select w.* from gnatter.push_waiting(pair_devices, pair_conversations, gnatter.now_ms() - grace_ms) w
    ), woken as (
        -- once per conversation and absence: who is second here, or in another service, gets no row back
        insert into gnatter.push_wake as k (conversation_id, device_id, absent_since, woken_at)
        select w.conversation_id, w.device_id, w.absent_since, clock_timestamp()
          from waiting w order by w.conversation_id, w.device_id
        on conflict on constraint push_wake_pk do update
           set absent_since = excluded.absent_since, woken_at = excluded.woken_at
         where k.absent_since is distinct from excluded.absent_since
            or k.woken_at < excluded.woken_at - make_interval(secs => ttl_s)
        returning k.device_id
    ), made as (
        insert into gnatter.push_job as j (device_id, provider)
        select r.device_id, r.provider
          from (select distinct w.device_id from woken w) w
          cross join lateral (
              select r.device_id, r.provider from gnatter.push_registration r where r.device_id = w.device_id offset 0) r
         order by r.device_id
        on conflict (device_id) where finished_at is null do update
           set is_again = true
         where j.state = 'sending'
        returning j.provider
    )
    select m.provider, count(*) from made m group by m.provider;
end
$$;
comment on function gnatter.push_evaluate(bigint[], bigint[], int, int) is
    'makes the wake-ups that these conversations, and these devices in all of theirs, call for: for messages older than the '
    'grace; one per device and conversation while it is away or for so many seconds, collapsed into the job that is '
    'outstanding for the device. How many are new, by provider';
