create or replace function gnatter.rpc_blocked(user_id bigint, device_id bigint, params jsonb) returns jsonb
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select jsonb_build_object('blocked', coalesce(jsonb_agg(jsonb_build_object(
               'user', b.name, 'since', floor(extract(epoch from b.blocked_at) * 1000)::bigint)
               order by b.blocked_at, b.name), '[]'))
      from (select o.name::text as name, b.blocked_at
              from gnatter.block b
              join gnatter.member m on m.conversation_id = b.conversation_id and m.user_id <> b.user_id
              join gnatter.user_account o on o.user_id = m.user_id
             where b.user_id = rpc_blocked.user_id and b.to_seq is null
             order by b.blocked_at, o.name limit 10000) b
$$;
comment on function gnatter.rpc_blocked(bigint, bigint, jsonb) is 'blocked: whom the user blocks, since when (Unix milliseconds)';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('blocked', 'rpc_blocked', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
