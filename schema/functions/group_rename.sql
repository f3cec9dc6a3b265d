create or replace function gnatter.group_rename(conversation_id bigint, title text, actor_id bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.title_check(title);
    update gnatter.conversation c set title = group_rename.title where c.conversation_id = group_rename.conversation_id;
    return gnatter.event_append(conversation_id, actor_id, 'renamed',
                                format('{"title":%s}', coalesce(to_json(title)::text, 'null')), false);
end
$$;
comment on function gnatter.group_rename(bigint, text, bigint) is
    'a new title and its event; the caller holds the group''s lock. Internal';
