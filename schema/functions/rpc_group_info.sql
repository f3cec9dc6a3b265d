create or replace function gnatter.rpc_group_info(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    group_name text := gnatter.param_text(params, 'group');
    conversation gnatter.conversation;
    result jsonb;
begin
    select c.* into conversation from gnatter.conversation c where c.name = 'g/' || group_name and c.deleted_at is null;
    if not found then
        raise exception 'no such group: %', left(group_name, 80) using errcode = 'GN003';
    end if;
    perform gnatter.group_caller(conversation.conversation_id, user_id, '{owner,admin,member}');
    select jsonb_build_object('group', group_name, 'title', conversation.title,
               'created', floor(extract(epoch from conversation.created_at) * 1000)::bigint,
               'last_seq', conversation.last_seq,
               'members', jsonb_agg(jsonb_build_object('user', u.name, 'role', m.role)
                                    order by m.joined_seq, m.member_id))
      into result
      from gnatter.member m
      join gnatter.user_account u on u.user_id = m.user_id
     where m.conversation_id = conversation.conversation_id and m.left_seq is null;
    return result;
end
$$;
comment on function gnatter.rpc_group_info(bigint, bigint, jsonb) is
    'group.info, for members; created in Unix milliseconds, members in the order of joining';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('group.info', 'rpc_group_info', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
