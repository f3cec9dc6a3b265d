create or replace function gnatter.push_claim(providers text[], worker text, jobs_max int, lease_ms int, ttl_s int, content text)
returns table (job_id bigint, attempt int, created_ms bigint, device_id bigint, user_id bigint, client_id text,
               registration_id bigint, token text, endpoint text, p256dh bytea, auth bytea, topic text, is_sandbox boolean,
               shows boolean, badge bigint, conversations int, conversation text, title text, sender text, seq bigint,
               time_ms bigint, message text)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    claimed bigint[];
    oldest_ms bigint := gnatter.now_ms() - ttl_s * 1000::bigint;
begin
    with picked as (
        select j.job_id from gnatter.push_job j
         where j.finished_at is null and j.due_at <= now() and j.provider = any (push_claim.providers)
         order by j.due_at limit jobs_max
           for update skip locked
    ), taken as (
        update gnatter.push_job j
           set state = 'sending', attempt = j.attempt + 1, claimed_by = worker, is_again = false,
               due_at = clock_timestamp() + make_interval(secs => lease_ms / 1000.0)
          from picked p where j.job_id = p.job_id
        returning j.job_id
    )
    select array_agg(t.job_id) into claimed from taken t;
    if claimed is null then
        return;
    end if;
    return query
    with pair as (
        select j.job_id, r.device_id, m.conversation_id
          from gnatter.push_job j
          join gnatter.push_registration r on r.device_id = j.device_id and r.refused_at is null
           and r.provider = j.provider
          -- see is_contact
          cross join lateral (select m.conversation_id, m.left_seq from gnatter.member m where m.user_id = r.user_id offset 0) m
         where m.left_seq is null and j.job_id = any (claimed)
    ), found as (
        select w.device_id, w.conversation_id, w.seq, w.absent_since, i.time_ms, i.sender_user_id, i.payload,
               row_number() over (partition by w.device_id order by i.time_ms desc, w.conversation_id) as place,
               count(*) over (partition by w.device_id)::int as conversations
          from gnatter.push_waiting((select array_agg(p.device_id order by p.job_id, p.conversation_id) from pair p),
                                    (select array_agg(p.conversation_id order by p.job_id, p.conversation_id) from pair p),
                                    gnatter.now_ms()) w
          cross join lateral (
              select i.time_ms, i.sender_user_id, i.payload from gnatter.message i
               where i.conversation_id = w.conversation_id and i.seq = w.seq offset 0) i
    ), dated as (
        -- it is as old as what it tells: one that has waited for long may speak of what was said just now
        select j.job_id, j.device_id, greatest(floor(extract(epoch from j.created_at) * 1000)::bigint, f.time_ms) as created_ms
          from gnatter.push_job j join found f on f.device_id = j.device_id and f.place = 1
         where j.job_id = any (claimed)
    ), waiting as (
        select f.*, d.job_id, d.created_ms
          from found f join dated d on d.device_id = f.device_id and d.created_ms >= oldest_ms
    ), covered as (
        -- it speaks of all of them: what is still in its grace needs no other one
        insert into gnatter.push_wake as k (conversation_id, device_id, absent_since, woken_at)
        select w.conversation_id, w.device_id, w.absent_since, clock_timestamp()
          from waiting w order by w.conversation_id, w.device_id
        on conflict on constraint push_wake_pk do update
           set absent_since = excluded.absent_since, woken_at = excluded.woken_at
         where k.absent_since is distinct from excluded.absent_since
    ), needless as (
        update gnatter.push_job j
           set state = case when j.job_id in (select d.job_id from dated d) then 'expired' else 'needless' end,
               finished_at = now()
         where j.job_id = any (claimed) and j.job_id not in (select w.job_id from waiting w)
        returning j.job_id
    )
    select j.job_id, j.attempt, w.created_ms, r.device_id, r.user_id,
           u.name || ':' || d.name, r.registration_id, r.token, r.endpoint, r.p256dh, r.auth, r.topic, r.is_sandbox, r.shows,
           gnatter.push_badge(r.user_id), w.conversations,
           case when content <> 'wake' then gnatter.conversation_view(c.name, u.name) end,
           case when content <> 'wake' then c.title end,
           case when content <> 'wake' then s.name::text end,
           w.seq, w.time_ms,
           case when content = 'full' then gnatter.push_text(w.payload) end
      from waiting w
      join gnatter.push_job j on j.job_id = w.job_id
      join gnatter.push_registration r on r.device_id = w.device_id
      join gnatter.device d on d.device_id = w.device_id
      join gnatter.user_account u on u.user_id = r.user_id
      join gnatter.conversation c on c.conversation_id = w.conversation_id
      join gnatter.user_account s on s.user_id = w.sender_user_id
     where w.place = 1;
end
$$;
comment on function gnatter.push_claim(text[], text, int, int, int, text) is
    'the next wake-ups of these providers, for this worker alone until the lease (ms) is over, each with what its message '
    'says: content wake, sender or full. Those whose device is back or has nothing to fetch are ended, as are those that '
    'are older than ttl_s, as is what they tell';
