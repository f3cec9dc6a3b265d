create or replace function gnatter.request_of(user_id bigint, sender_name text) returns gnatter.conversation
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    own_name text := (select u.name from gnatter.user_account u where u.user_id = request_of.user_id);
    conversation gnatter.conversation := gnatter.direct_hold(own_name, sender_name, false);
begin
    if not exists (select from gnatter.user_account u where u.name = sender_name) then
        raise exception 'no such user: %', coalesce(left(sender_name, 80), 'null') using errcode = 'GN002';
    elsif gnatter.block_of(conversation.conversation_id, request_of.user_id) -- declined
       or not exists (select from gnatter.request r where r.conversation_id = conversation.conversation_id
                         and r.user_id = request_of.user_id) then
        raise exception 'no request of % waits for you', sender_name using errcode = 'GN006';
    end if;
    return conversation;
end
$$;
comment on function gnatter.request_of(bigint, text) is
    'the direct conversation in which this sender''s request waits for the user, who does not block him, locked; GN002, GN006. Internal';
