create or replace function gnatter.content_notes(conversation_id bigint, user_id bigint, seqs bigint[]) returns jsonb
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'edited', (select jsonb_agg(e.seq order by e.seq) from gnatter.message_edit e
                    where e.conversation_id = content_notes.conversation_id and e.seq = any (seqs)),
        'reactions', (select jsonb_agg(jsonb_build_object('seq', s.seq, 'counts', k.counts, 'own', o.reaction)
                                          order by s.seq)
                        from (select distinct r.seq from gnatter.message_reaction r
                               where r.conversation_id = content_notes.conversation_id and r.seq = any (seqs)) s
                       cross join lateral (
                           select gnatter.reaction_counts(content_notes.conversation_id, s.seq,
                                                          content_notes.user_id, 8) as counts) k
                        left join gnatter.message_reaction o
                          on o.conversation_id = content_notes.conversation_id and o.seq = s.seq
                         and o.user_id = content_notes.user_id
                       where k.counts is not null)));
end
$$;
comment on function gnatter.content_notes(bigint, bigint, bigint[]) is
    'what there is to say of these messages besides themselves: which were edited, and the reactions (the 8 most frequent '
    'kinds, and the user''s own). Without what there is not. Internal';
