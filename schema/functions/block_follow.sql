create or replace function gnatter.block_follow(conversation_id bigint, actor_id bigint, target_seq bigint, event_seq bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    other_id bigint;
begin
    -- found nearly always: nobody blocks here, and nobody did
    if not exists (select from gnatter.block b where b.conversation_id = block_follow.conversation_id) then
        return;
    end if;
    select m.user_id into other_id from gnatter.member m
     where m.conversation_id = block_follow.conversation_id and m.user_id <> actor_id;
    if not gnatter.block_covers(conversation_id, other_id, target_seq)
       or gnatter.block_covers(conversation_id, other_id, event_seq)
       or other_id = (select m.sender_user_id from gnatter.message m
                       where m.conversation_id = block_follow.conversation_id and m.seq = target_seq) then
        return;
    elsif (select count(*) from gnatter.block b
            where b.conversation_id = block_follow.conversation_id and b.user_id = other_id) >= 4096 then
        raise exception 'this message cannot be changed any more' using errcode = 'GN005';
    end if;
    insert into gnatter.block (conversation_id, user_id, from_seq, to_seq)
    values (block_follow.conversation_id, other_id, event_seq, event_seq);
    update gnatter.conversation c set membership_version = c.membership_version + 1
     where c.conversation_id = block_follow.conversation_id;
end
$$;
comment on function gnatter.block_follow(bigint, bigint, bigint, bigint) is
    'an event that says something new of a message: it is withheld from whom the message was withheld from. The caller holds the conversation''s lock. GN005. Internal';
