create or replace function gnatter.request_begin(direct_name text, sender_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    conversation gnatter.conversation;
    asked gnatter.user_account;
begin
    select c.* into conversation from gnatter.conversation c where c.name = direct_name and c.last_seq = 0;
    if not found then
        return;
    end if;
    select u.* into asked
      from gnatter.member m join gnatter.user_account u on u.user_id = m.user_id
     where m.conversation_id = conversation.conversation_id and m.user_id <> sender_id;
    if asked.user_id is null or asked.messages_from = 'everyone' or gnatter.is_contact(asked.user_id, sender_id) then
        return;
    end if;
    perform from gnatter.conversation c
      where c.conversation_id = conversation.conversation_id and c.last_seq = 0 for no key update;
    if not found then
        return;
    end if;
    insert into gnatter.request (conversation_id, user_id)
    values (conversation.conversation_id, asked.user_id)
    on conflict on constraint request_pk do nothing;
    perform gnatter.event_append(conversation.conversation_id, sender_id, 'request', '{}', true);
end
$$;
comment on function gnatter.request_begin(text, bigint) is
    'before the first message of a direct conversation: from somebody the other one does not take messages from, it waits as '
    'a request, which is its first event, withheld from her if she blocks him. Internal';
