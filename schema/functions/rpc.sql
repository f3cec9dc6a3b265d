create or replace function gnatter.rpc(device_id bigint, request_id text, method text, params jsonb) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
-- whatever the planner believes about tables that were small or never analyzed; for the methods, too
set enable_seqscan = off
as $$
#variable_conflict use_variable
declare
    caller_id bigint;
    called gnatter.rpc_method;
    hash bytea;
    reply jsonb;
    code text;
    message text;
begin
    select d.user_id into caller_id
      from gnatter.device d join gnatter.user_account u on u.user_id = d.user_id
     where d.device_id = rpc.device_id and d.removed_at is null and u.removed_at is null;
    if not found then
        return gnatter.rpc_error('GN005', 'this device is not registered');
    end if;
    select m.* into called from gnatter.rpc_method m where m.name = method;
    if not found then
        return gnatter.rpc_error('GN006', 'no such method: ' || left(method, 80));
    elsif jsonb_typeof(params) is distinct from 'object' then
        return gnatter.rpc_error('GN006', 'the parameters are not a JSON object');
    end if;
    begin
        if called.is_mutating then
            hash := sha256(convert_to(method || ' ' || params::text, 'UTF8'));
            reply := gnatter.rpc_remembered(device_id, request_id, hash);
            if reply is not null then
                return reply;
            end if;
        end if;
        execute format('select jsonb_build_object(''result'', gnatter.%I($1, $2, $3))', called.function_name)
          into reply using caller_id, device_id, params;
        if called.is_mutating then
            update gnatter.rpc_answer a set answer = reply
             where a.device_id = rpc.device_id and a.request_id = rpc.request_id;
        end if;
        return reply;
    exception when others then
        get stacked diagnostics code = returned_sqlstate, message = message_text;
        reply := gnatter.rpc_error(code, message);
        if reply is null then
            raise;
        end if;
        return reply;
    end;
end
$$;
comment on function gnatter.rpc(bigint, text, text, jsonb) is
    'a device''s request, done as its user: {"result": ...} or {"error": {"code", "message"}}. A request that changed '
    'something is remembered for a day: the same request id, method and parameters from the same device are answered '
    'the same and not done again. Refusals changed nothing and are not remembered. What is the database''s trouble '
    'and not the device''s (a deadlock, no space) is raised';
