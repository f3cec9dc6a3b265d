create or replace function gnatter.push_count() returns table (registrations bigint, waiting bigint, oldest_s bigint,
                                                        resumed_ms bigint)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return query
    select (select count(*) from gnatter.push_registration),
           count(*), coalesce(floor(extract(epoch from now() - min(j.created_at))), 0)::bigint,
           (select coalesce(floor(extract(epoch from max(p.resumed_at)) * 1000), 0)::bigint from gnatter.push_provider p)
      from gnatter.push_job j where j.finished_at is null;
end
$$;
comment on function gnatter.push_count() is
    'for metrics: registrations, wake-ups that wait, and the age of the oldest of these; and when (Unix milliseconds) an operator '
    'last had a provider go on, 0: never';
