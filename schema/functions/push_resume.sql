create or replace function gnatter.push_resume(resumed text default null) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    resumed_count bigint;
begin
    if resumed not in ('apns', 'fcm', 'webpush', 'unifiedpush', 'webhook') then
        raise exception 'no such push provider: %', left(resumed, 80) using errcode = 'GN006';
    end if;
    update gnatter.push_registration r set refused_at = null, refused_reason = null
     where r.refused_at is not null and (resumed is null or r.provider = resumed);
    get diagnostics resumed_count = row_count;
    update gnatter.push_job j set state = 'queued', due_at = now()
     where j.state = 'held' and (resumed is null or j.provider = resumed);
    update gnatter.push_provider p set resumed_at = clock_timestamp() where resumed is null or p.provider = resumed;
    perform pg_notify('gnatter', 'k 0'); -- services count, and see it
    return resumed_count;
end
$$;
comment on function gnatter.push_resume(text) is
    'after a wrong key or topic is mended: registrations that a provider (null: any) has refused are tried again; how many. '
    'GN006';
