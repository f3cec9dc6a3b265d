create or replace function gnatter.reaction_counts(conversation_id bigint, seq bigint, user_id bigint, kinds int)
returns jsonb
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select jsonb_object_agg(k.reaction, k.users)
      from (select r.reaction, count(*) as users
              from gnatter.message_reaction r
             where r.conversation_id = reaction_counts.conversation_id and r.seq = reaction_counts.seq
               and r.event_seq <= (select gnatter.member_until(reaction_counts.conversation_id, reaction_counts.user_id))
               and (r.user_id = reaction_counts.user_id
                    or not exists (select from gnatter.block b
                                    where b.conversation_id = r.conversation_id and b.user_id = reaction_counts.user_id
                                      and r.event_seq between b.from_seq and coalesce(b.to_seq, r.event_seq)))
             group by r.reaction order by count(*) desc, r.reaction limit kinds) k
$$;
comment on function gnatter.reaction_counts(bigint, bigint, bigint, int) is
    'how many users have reacted to a message with what, as far as this one may see: the most frequent kinds; null: nobody '
    'has. Internal';
