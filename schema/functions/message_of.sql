create or replace function gnatter.message_of(conversation_id bigint, user_id bigint, seq bigint)
returns gnatter.message
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    item gnatter.message;
begin
    select m.* into item from gnatter.message m
     where m.conversation_id = message_of.conversation_id and m.seq = message_of.seq
       and exists (select from gnatter.member v
                    where v.conversation_id = m.conversation_id and v.user_id = message_of.user_id
                      and m.seq between v.joined_seq and coalesce(v.left_seq, m.seq))
       and not (m.sender_user_id is distinct from message_of.user_id
                and gnatter.block_covers(m.conversation_id, message_of.user_id, m.seq));
    if not found then
        raise exception 'there is no message %', seq using errcode = 'GN006';
    elsif item.event_type is not null then
        raise exception '% is not a message, or no more', seq using errcode = 'GN006';
    end if;
    return item;
end
$$;
comment on function gnatter.message_of(bigint, bigint, bigint) is
    'a message that a user may see; GN006 for what she may not, for an event and for what has been deleted. Internal';
