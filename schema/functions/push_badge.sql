create or replace function gnatter.push_badge(counted_id bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    counts_max constant bigint := 10000;
    counted record;
    unread bigint := 0;
begin
    for counted in
        select c.conversation_id, coalesce(k.read_seq, 0) as read_seq
          from (select distinct m.conversation_id from gnatter.member m where m.user_id = counted_id) m
          join gnatter.conversation c on c.conversation_id = m.conversation_id
          left join gnatter.mark k on k.conversation_id = m.conversation_id and k.user_id = counted_id
         where c.last_seq > coalesce(k.read_seq, 0)
           and not exists (select from gnatter.request r
                            where r.conversation_id = c.conversation_id and r.user_id = counted_id)
    loop
        unread := unread + gnatter.unread_count(counted.conversation_id, counted_id, counted.read_seq);
        -- no more than in one conversation: what a wake-up costs does not grow with how many are full
        exit when unread >= counts_max;
    end loop;
    return least(unread, counts_max);
end
$$;
comment on function gnatter.push_badge(bigint) is
    'a user''s unread messages in all conversations, as method conversations counts them, requests left out; counting '
    'ends at 10,000. Internal';
