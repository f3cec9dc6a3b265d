create or replace function gnatter.push_tell(providers text[], public_key text, is_stopped boolean, reason text, worker text)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
#variable_conflict use_column
begin
    insert into gnatter.push_provider as p (provider, public_key, is_stopped, reason, told_by)
    select i.provider, push_tell.public_key, push_tell.is_stopped, push_tell.reason, worker
      from unnest(providers) as i (provider) order by i.provider
    on conflict on constraint push_provider_pk do update
       set public_key = excluded.public_key, is_stopped = excluded.is_stopped, reason = excluded.reason,
           told_by = excluded.told_by, told_at = now();
    if not push_tell.is_stopped then
        update gnatter.push_job j set state = 'queued', due_at = now()
         where j.state = 'held' and j.provider = any (push_tell.providers);
    end if;
end
$$;
comment on function gnatter.push_tell(text[], text, boolean, text, text) is
    'a worker tells what it sends with, or why it does not; when it does, what was held goes again';
