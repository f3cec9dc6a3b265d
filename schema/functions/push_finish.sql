create or replace function gnatter.push_finish(worker text, job_ids bigint[], states text[], after_ms bigint[],
    registration_ids bigint[], before_ms bigint[], reasons text[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    item record;
begin
    for item in
        select i.*, j.device_id, j.is_again
          from unnest(job_ids, states, after_ms, registration_ids, before_ms, reasons)
               as i (job_id, state, after_ms, registration_id, before_ms, reason)
          join gnatter.push_job j on j.job_id = i.job_id
         order by i.job_id
    loop
        if item.state = 'gone' then
            delete from gnatter.push_registration r
             where r.device_id = item.device_id and r.registration_id = item.registration_id
               and (item.before_ms = 0 or r.registered_at < to_timestamp(item.before_ms / 1000.0));
            -- one that was registered since stays, and was told nothing
            delete from gnatter.push_wake w where w.device_id = item.device_id;
        elsif item.state = 'refused' then
            update gnatter.push_registration r set refused_at = now(), refused_reason = item.reason
             where r.device_id = item.device_id and r.registration_id = item.registration_id;
            if found then -- until then she was told nothing
                delete from gnatter.push_wake w where w.device_id = item.device_id;
            end if;
        elsif item.state = 'failed' then -- the next message tries again
            delete from gnatter.push_wake w where w.device_id = item.device_id;
        end if;
        update gnatter.push_job j
           set state = case when item.state in ('retry', 'defer') or (item.state in ('sent', 'failed') and j.is_again)
                            then 'queued' else item.state end,
               finished_at = case when item.state in ('retry', 'defer', 'held')
                                    or (item.state in ('sent', 'failed') and j.is_again) then null else now() end,
               -- not the provider's doing: the attempt does not count
               attempt = case when item.state in ('defer', 'held') then greatest(j.attempt - 1, 0)
                              when item.state = 'sent' or (item.state = 'failed' and j.is_again) then 0 else j.attempt end,
               due_at = now() + make_interval(secs => item.after_ms / 1000.0),
               is_again = false, reason = item.reason
         where j.job_id = item.job_id and j.claimed_by = worker and j.state = 'sending';
    end loop;
end
$$;
comment on function gnatter.push_finish(text, bigint[], text[], bigint[], bigint[], bigint[], text[]) is
    'what became of a worker''s jobs: sent, retry (after so many ms), defer and held (the same, and the attempt does not '
    'count), gone (registered before before_ms, 0: whenever), refused or failed. What concerns a registration does so only while '
    'it is still the one that was used';
