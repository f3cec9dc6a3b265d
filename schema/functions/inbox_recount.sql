create or replace function gnatter.inbox_recount(user_id bigint, items_max bigint, out items bigint, out bytes bigint)
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    -- whom she blocks takes no room, neither with what he wrote before
    delete from gnatter.inbox_waiting w
     where w.user_id = inbox_recount.user_id and gnatter.block_of(w.conversation_id, w.user_id);
    perform gnatter.inbox_count(array_agg(w.conversation_id), array_agg(w.user_id), items_max)
       from gnatter.inbox_waiting w where w.user_id = inbox_recount.user_id;
    select s.items, s.bytes into items, bytes from gnatter.inbox_sum(inbox_recount.user_id) s;
end
$$;
comment on function gnatter.inbox_recount(bigint, bigint) is
    'what waits for a user in direct conversations, counted now wherever something waited and she does not block the other '
    'one. Internal';
