create or replace function gnatter.rpc_block(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.block_begin(user_id, gnatter.param_text(params, 'user'));
    return '{}';
end
$$;
comment on function gnatter.rpc_block(bigint, bigint, jsonb) is 'block: nothing of that user''s direct messages from now on';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('block', 'rpc_block', true)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
