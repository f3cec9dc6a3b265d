create or replace function gnatter.block_changed(conversation_id bigint, name text, a_name text, b_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    -- an append that was decided without it appends nothing
    update gnatter.conversation c set membership_version = c.membership_version + 1
     where c.conversation_id = block_changed.conversation_id;
    perform pg_notify('gnatter', 'c ' || name);
    perform pg_notify('gnatter', 'p ' || a_name);
    perform pg_notify('gnatter', 'p ' || b_name);
end
$$;
comment on function gnatter.block_changed(bigint, text, text, text) is
    'makes a block count at once: for appends, for the service, for presence. The caller holds the conversation''s lock. Internal';
