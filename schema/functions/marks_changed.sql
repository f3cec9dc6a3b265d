create or replace function gnatter.marks_changed(conversation_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    -- in the order in which a flush takes them
    perform from gnatter.mark k where k.conversation_id = marks_changed.conversation_id order by k.user_id for no key update;
    update gnatter.mark k set changed_at = clock_timestamp() where k.conversation_id = marks_changed.conversation_id;
end
$$;
comment on function gnatter.marks_changed(bigint) is
    'what marks have moved in a conversation while nobody was told of them is told when a device comes back. The caller holds the conversation''s lock. Internal';
