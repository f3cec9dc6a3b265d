create or replace function gnatter.rpc_remembered(device_id bigint, request_id text, hash bytea) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
#variable_conflict use_column
declare
    remembered jsonb;
begin
    -- each request that adds one forgets some that are old: the table stays small without anybody's help
    delete from gnatter.rpc_answer a
     using (select o.device_id, o.request_id from gnatter.rpc_answer o
             where o.at < now() - interval '1 day' order by o.at limit 10 for update skip locked) old
     where a.device_id = old.device_id and a.request_id = old.request_id;
    -- waits for a transaction that is doing the same request right now
    insert into gnatter.rpc_answer as a (device_id, request_id, request_hash)
    values (rpc_remembered.device_id, rpc_remembered.request_id, hash)
    on conflict (device_id, request_id) do update
       set request_hash = excluded.request_hash, answer = null, at = now()
     where a.request_hash <> excluded.request_hash or a.at < now() - interval '1 day';
    if not found then
        select a.answer into remembered from gnatter.rpc_answer a
         where a.device_id = rpc_remembered.device_id and a.request_id = rpc_remembered.request_id;
    end if;
    return remembered;
end
$$;
comment on function gnatter.rpc_remembered(bigint, text, bytea) is
    'the answer this request has had; null: it is new, and the caller keeps its answer in the row that now waits for '
    'it. Internal';
