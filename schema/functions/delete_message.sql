create or replace function gnatter.delete_message(conversation text, seq bigint) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    found_id bigint;
begin
    select c.conversation_id into found_id from gnatter.conversation c
     where c.name = conversation and c.deleted_at is null for no key update;
    if not found then
        raise exception 'no such conversation: %', coalesce(left(conversation, 80), 'null')
            using errcode = 'GN003', hint = 'g/<group>, or d/<user>/<user> with the two names in order';
    end if;
    return gnatter.message_erase(found_id, seq, null);
end
$$;
comment on function gnatter.delete_message(text, bigint) is
    'erases a message of g/<group> or d/<user>/<user>; returns the seq of message-deleted. GN003, GN006';
