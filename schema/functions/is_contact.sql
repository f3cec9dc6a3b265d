create or replace function gnatter.is_contact(user_id bigint, other_id bigint) returns boolean
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    return exists (
        -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
        -- left_seq outside, or all of the index of open memberships might be read: it begins with the conversation
        select from (select a.conversation_id, a.left_seq from gnatter.member a
                      where a.user_id = is_contact.other_id offset 0) a
         cross join lateral (select from gnatter.member b
                              where b.conversation_id = a.conversation_id and b.user_id = is_contact.user_id
                                and b.left_seq is null offset 0) b
         cross join lateral (select from gnatter.conversation c
                              where c.conversation_id = a.conversation_id and c.last_seq > 0 offset 0) c
         where a.left_seq is null
           and not exists (select from gnatter.request r where r.conversation_id = a.conversation_id offset 0));
end
$$;
comment on function gnatter.is_contact(bigint, bigint) is
    'whether two users share a conversation in which something was said and which is not a request. Internal';
