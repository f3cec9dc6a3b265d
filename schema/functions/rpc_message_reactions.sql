create or replace function gnatter.rpc_message_reactions(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    asked bigint := gnatter.param_number(params, 'seq');
    seen gnatter.conversation := gnatter.conversation_seen(user_id, gnatter.param_text(params, 'conversation'));
    result jsonb;
begin
    perform gnatter.message_of(seen.conversation_id, user_id, asked);
    select jsonb_build_object('seq', asked,
               'counts', coalesce(gnatter.reaction_counts(seen.conversation_id, asked, user_id, 100), '{}'),
               'users', coalesce(jsonb_agg(jsonb_build_object('user', n.name, 'reaction', n.reaction)
                                           order by n.event_seq desc), '[]'))
      into result
      from (select u.name::text as name, r.reaction, r.event_seq
              from gnatter.message_reaction r join gnatter.user_account u on u.user_id = r.user_id
             where r.conversation_id = seen.conversation_id and r.seq = asked
               and r.event_seq <= (select gnatter.member_until(seen.conversation_id, rpc_message_reactions.user_id))
               and (r.user_id = rpc_message_reactions.user_id
                    or not exists (select from gnatter.block b
                                    where b.conversation_id = r.conversation_id and b.user_id = rpc_message_reactions.user_id
                                      and r.event_seq between b.from_seq and coalesce(b.to_seq, r.event_seq)))
             order by r.event_seq desc limit 1000) n;
    return result;
end
$$;
comment on function gnatter.rpc_message_reactions(bigint, bigint, jsonb) is
    'message.reactions: who reacted to a message with what, the newest 1,000, and the counts of the 100 most frequent';
insert into gnatter.rpc_method (name, function_name, is_mutating)
values ('message.reactions', 'rpc_message_reactions', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
