create or replace function gnatter.group_hold(conversation_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation;
begin
    select c.* into conversation from gnatter.conversation c
     where c.conversation_id = group_hold.conversation_id and c.deleted_at is null for no key update;
    if not found then
        raise exception 'no such group: %', conversation_id using errcode = 'GN003';
    elsif conversation.kind <> 'group' then
        raise exception 'nobody joins or leaves a direct conversation' using errcode = 'GN006';
    end if;
end
$$;
comment on function gnatter.group_hold(bigint) is
    'locks a group''s row by id: GN003, or GN006 for a direct conversation. Internal';
