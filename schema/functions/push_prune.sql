create or replace function gnatter.push_prune(jobs_max int) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    pruned bigint;
begin
    delete from gnatter.push_job j
     using (select o.job_id from gnatter.push_job o
             where o.finished_at < now() - interval '1 day'
             order by o.finished_at limit jobs_max for update skip locked) old
     where j.job_id = old.job_id;
    get diagnostics pruned = row_count;
    return pruned;
end
$$;
comment on function gnatter.push_prune(int) is 'forgets some of the jobs that ended more than a day ago; how many';
