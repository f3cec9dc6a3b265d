create or replace function gnatter.block_end(blocker_id bigint, blocked_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    blocker_name text := (select u.name from gnatter.user_account u where u.user_id = blocker_id);
    conversation gnatter.conversation := gnatter.direct_hold(blocker_name, blocked_name, false);
begin
    if conversation.conversation_id is null
       and not exists (select from gnatter.user_account u where u.name = blocked_name) then
        raise exception 'no such user: %', coalesce(left(blocked_name, 80), 'null') using errcode = 'GN002';
    elsif not gnatter.block_of(conversation.conversation_id, blocker_id) then
        return;
    elsif (select count(*) from gnatter.block b
            where b.conversation_id = conversation.conversation_id and b.user_id = blocker_id) > 4096 then
        raise exception 'blocked and unblocked too often: this block stays' using errcode = 'GN007';
    end if;
    -- nothing has come since: as if it had never been
    delete from gnatter.block b
     where b.conversation_id = conversation.conversation_id and b.user_id = blocker_id and b.to_seq is null
       and b.from_seq > conversation.last_seq;
    update gnatter.block b set to_seq = conversation.last_seq
     where b.conversation_id = conversation.conversation_id and b.user_id = blocker_id and b.to_seq is null;
    perform gnatter.marks_changed(conversation.conversation_id);
    perform gnatter.block_changed(conversation.conversation_id, conversation.name, blocker_name, blocked_name);
end
$$;
comment on function gnatter.block_end(bigint, text) is
    'what comes from now on is delivered again, what was withheld never; not blocked: nothing. GN002, GN007. Internal';
