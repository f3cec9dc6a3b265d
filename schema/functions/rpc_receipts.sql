create or replace function gnatter.rpc_receipts(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    item gnatter.message;
    is_direct boolean := seen.kind = 'direct';
    result jsonb;
begin
    select m.* into item from gnatter.message m where m.conversation_id = seen.conversation_id and m.seq = asked;
    if not found then
        raise exception 'there is no item %', asked using errcode = 'GN006';
    elsif not exists (select from gnatter.member v
                       where v.conversation_id = seen.conversation_id and v.user_id = rpc_receipts.user_id
                         and asked between v.joined_seq and coalesce(v.left_seq, asked)) then
        raise exception 'not a member at %', asked using errcode = 'GN001';
    end if;
    perform gnatter.group_caller(seen.conversation_id, user_id, '{owner,admin,member}');
    select jsonb_build_object('seq', asked, 'delivered', count(*) filter (where r.delivered),
               'read', count(*) filter (where r.read),
               'members', coalesce(jsonb_agg(
                   jsonb_build_object('user', r.name, 'delivered', r.delivered, 'read', r.read) order by r.name), '[]'))
      into result
      from (select u.name::text as name, coalesce(k.delivered_seq >= asked, false) and s.is_told as delivered,
                   coalesce(k.read_seq >= asked, false) and s.is_told and s.shares_reads as read
              from gnatter.member v
              join gnatter.user_account u on u.user_id = v.user_id
              left join gnatter.mark k on k.conversation_id = v.conversation_id and k.user_id = v.user_id
             cross join lateral (
                 select not is_direct or not (gnatter.conversation_is_quiet(v.conversation_id)
                                              or gnatter.block_covers(v.conversation_id, v.user_id, asked)) as is_told,
                        u.shares_reads and (not is_direct or o.shares_reads) as shares_reads
                   from gnatter.user_account o where o.user_id = rpc_receipts.user_id) s
             where v.conversation_id = seen.conversation_id
               and asked between v.joined_seq and coalesce(v.left_seq, asked)
               and v.user_id is distinct from item.sender_user_id) r;
    return result;
end
$$;
comment on function gnatter.rpc_receipts(bigint, bigint, jsonb) is
    'receipts: who of those that were members at this seq holds it and has read it, the sender left out';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('receipts', 'rpc_receipts', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
