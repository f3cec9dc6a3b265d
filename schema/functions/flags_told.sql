create or replace function gnatter.flags_told(conversation_id bigint, user_id bigint, device_name text) returns text
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return (
        select u.name || ':' || device_name || ' ' || gnatter.conversation_view(c.name, u.name) || ' '
               || jsonb_strip_nulls(jsonb_build_object('pinned', coalesce(f.is_pinned, false),
                      'archived', coalesce(f.is_archived, false), 'muted', coalesce(q.muted_until > now(), false),
                      'until', case when q.muted_until > now() and q.muted_until < 'infinity'
                                    then floor(extract(epoch from q.muted_until) * 1000)::bigint end))
          from gnatter.conversation c
          join gnatter.user_account u on u.user_id = flags_told.user_id
          left join gnatter.conversation_flag f on f.conversation_id = c.conversation_id and f.user_id = u.user_id
          left join gnatter.conversation_mute q on q.conversation_id = c.conversation_id and q.user_id = u.user_id
         where c.conversation_id = flags_told.conversation_id);
end
$$;
comment on function gnatter.flags_told(bigint, bigint, text) is
    'how a user keeps a conversation, as the service takes it for one of her devices: <client id> <conversation> <JSON>. '
    'Internal';
