create or replace function gnatter.conversation_notes(conversation_id bigint, user_id bigint, joined_seq bigint,
    left_seq bigint) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'pinned', (select true from gnatter.conversation_flag f
                    where f.conversation_id = conversation_notes.conversation_id
                      and f.user_id = conversation_notes.user_id and f.is_pinned),
        'archived', (select true from gnatter.conversation_flag f
                      where f.conversation_id = conversation_notes.conversation_id
                        and f.user_id = conversation_notes.user_id and f.is_archived),
        'muted', (select true from gnatter.conversation_mute q
                   where q.conversation_id = conversation_notes.conversation_id
                     and q.user_id = conversation_notes.user_id and q.muted_until > now()),
        'timer', (select t.timer_s from gnatter.conversation_timer t
                   where t.conversation_id = conversation_notes.conversation_id and t.to_seq is null
                     and conversation_notes.left_seq is null),
        'reactions', (select gnatter.reaction_counts(conversation_notes.conversation_id, m.seq, conversation_notes.user_id, 8)
                        from (select i.seq, i.event_type, i.sender_user_id from gnatter.message i
                               where i.conversation_id = conversation_notes.conversation_id
                                 and i.seq >= conversation_notes.joined_seq
                                 and i.seq <= coalesce(conversation_notes.left_seq, 9223372036854775807)
                               order by i.seq desc limit 100) m
                       where m.event_type is null
                         and not (m.sender_user_id <> conversation_notes.user_id and gnatter.block_covers(
                                      conversation_notes.conversation_id, conversation_notes.user_id, m.seq))
                       order by m.seq desc limit 1)));
end
$$;
comment on function gnatter.conversation_notes(bigint, bigint, bigint, bigint) is
    'what there is to say of a conversation in the list of a user, of her last membership: her flags, its timer in seconds '
    'unless she has left, and the reactions to the last message, if that is among the last 100 items. Without what there is '
    'not. Internal';
