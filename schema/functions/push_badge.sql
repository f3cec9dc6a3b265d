create or replace function gnatter.push_badge(counted_id bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return coalesce((
        select sum(gnatter.unread_count(c.conversation_id, counted_id, coalesce(k.read_seq, 0)))
          from (select distinct m.conversation_id from gnatter.member m where m.user_id = counted_id) m
          join gnatter.conversation c on c.conversation_id = m.conversation_id
          left join gnatter.mark k on k.conversation_id = m.conversation_id and k.user_id = counted_id
         where c.last_seq > coalesce(k.read_seq, 0)
           and not exists (select from gnatter.request r
                            where r.conversation_id = c.conversation_id and r.user_id = counted_id)), 0);
end
$$;
comment on function gnatter.push_badge(bigint) is 'a user''s unread messages in all conversations, as method conversations counts them, requests left out. Internal';
