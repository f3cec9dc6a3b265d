create or replace function gnatter.delete_group(name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    conversation gnatter.conversation := gnatter.group_lock(name);
    event_seq bigint := gnatter.event_append(conversation.conversation_id, null, 'deleted', '{}', true);
begin
    update gnatter.conversation c set deleted_at = now() where c.conversation_id = conversation.conversation_id;
    update gnatter.member m set left_seq = event_seq
     where m.conversation_id = conversation.conversation_id and m.left_seq is null;
    return event_seq;
end
$$;
comment on function gnatter.delete_group(text) is
    'ends a group: everybody''s membership ends with its deleted event, whose seq is returned; the log and the name '
    'stay. GN003';
