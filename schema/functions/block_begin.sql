create or replace function gnatter.block_begin(blocker_id bigint, blocked_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    blocker_name text := (select u.name from gnatter.user_account u where u.user_id = blocker_id);
    conversation gnatter.conversation;
begin
    if blocked_name = blocker_name then
        raise exception 'nobody blocks herself' using errcode = 'GN006';
    end if;
    -- a block is told by seqs, so there is something to number; nobody sees a direct conversation without an item
    conversation := gnatter.direct_hold(blocker_name, blocked_name, true);
    if conversation.conversation_id is null then -- who was removed can be blocked where she has written
        raise exception 'no such user: %', coalesce(left(blocked_name, 80), 'null') using errcode = 'GN002';
    elsif gnatter.block_of(conversation.conversation_id, blocker_id) then
        return;
    elsif (select count(*) from gnatter.block b where b.user_id = blocker_id and b.to_seq is null) >= 10000 then
        raise exception 'at most 10000 users can be blocked' using errcode = 'GN007';
    end if;
    insert into gnatter.block (conversation_id, user_id, from_seq)
    values (conversation.conversation_id, blocker_id, conversation.last_seq + 1);
    perform gnatter.block_changed(conversation.conversation_id, conversation.name, blocker_name, blocked_name);
end
$$;
comment on function gnatter.block_begin(bigint, text) is
    'from the next seq of their direct conversation on, what that one does there is withheld from this one; done before: '
    'nothing. A request that waits for her waits on behind it. GN002, GN006, GN007. Internal';
