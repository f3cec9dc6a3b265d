create or replace function gnatter.edit_places(conversation_id bigint) returns table (seq bigint, edit_seq bigint)
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select e.seq, e.edit_seq from gnatter.message_edit e where e.conversation_id = edit_places.conversation_id
    union all
    select e.seq, e.edit_seq from gnatter.message_edit_withheld e where e.conversation_id = edit_places.conversation_id
$$;
comment on function gnatter.edit_places(bigint) is
    'the messages of a conversation that were edited, and where the edits are that still say what: the last one, and the last '
    'of those that were withheld. Internal';
