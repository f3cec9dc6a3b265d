create or replace function gnatter.rpc_history(user_id bigint, device_id bigint, params jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation text := gnatter.param_text(params, 'conversation');
    before bigint := gnatter.param_number(params, 'before', false);
    after bigint := gnatter.param_number(params, 'after', false);
    lim bigint := gnatter.param_number(params, 'limit', false);
    seen gnatter.conversation := gnatter.conversation_seen(user_id, conversation);
    messages bigint[];
    result jsonb;
begin
    if before is not null and after is not null then
        raise exception 'before or after, not both' using errcode = 'GN006';
    end if;
    select jsonb_build_object('conversation', conversation, 'count', count(*), 'first_seq', min(i.seq),
                              'last_seq', max(i.seq), 'more', coalesce(bool_or(i.more), false)),
           array_agg(i.seq) filter (where i.kind = 'chat')
      into result, messages
      from gnatter.history_items(user_id, conversation, before, after,
                                 (case when lim > 200 then 200 else lim end)::int) i;
    return result || gnatter.content_notes(seen.conversation_id, user_id, messages);
end
$$;
comment on function gnatter.rpc_history(bigint, bigint, jsonb) is
    'history: which items there are; what to send before it is history_items with before last_seq + 1, after '
    'first_seq - 1 and limit count. edited and reactions of these, where there are any: content_notes';
insert into gnatter.rpc_method (name, function_name, is_mutating) values ('history', 'rpc_history', false)
on conflict (name) do update set function_name = excluded.function_name, is_mutating = excluded.is_mutating;
