create or replace function gnatter.append_careful(conversation_ids bigint[], user_ids bigint[], device_ids bigint[],
    message_ids text[], payloads bytea[], refuses_blocked boolean default false)
returns table (ord int, state text, seq bigint, time_ms bigint, membership_version bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    now_ms bigint := gnatter.now_ms();
    item record;
begin
    perform from gnatter.conversation c where c.conversation_id = any (conversation_ids)
      order by c.conversation_id for no key update;
    for item in
        select i.ord, i.conversation_id, i.user_id, i.device_id, i.message_id, i.payload
          from unnest(conversation_ids, user_ids, device_ids, message_ids, payloads)
               with ordinality as i (conversation_id, user_id, device_id, message_id, payload, ord)
         order by i.ord
    loop
        ord := item.ord;
        membership_version := null;
        select m.seq, m.time_ms into seq, time_ms
          from gnatter.message m
         where m.conversation_id = item.conversation_id and m.sender_device_id = item.device_id
           and m.message_id = item.message_id;
        if found then
            state := 'duplicate';
            return next;
            continue;
        end if;
        if refuses_blocked and exists (
            select from (select b.user_id, b.to_seq from gnatter.block b
                          where b.conversation_id = item.conversation_id offset 0) b
             where b.user_id <> item.user_id and b.to_seq is null)
        then
            state := 'blocked';
            return next;
            continue;
        end if;
        -- for the other one of a direct conversation no more is taken
        select case when u.is_removed then 'no-such-user' else 'full' end into state
          from gnatter.conversation c
         cross join lateral (
             select m.user_id from gnatter.member m
              where m.conversation_id = c.conversation_id and m.user_id <> item.user_id offset 0) m
         cross join lateral (
             select u.removed_at is not null as is_removed from gnatter.user_account u
              where u.user_id = m.user_id offset 0) u
         where c.conversation_id = item.conversation_id and c.kind = 'direct'
           and (u.is_removed or exists (select from gnatter.inbox_full x where x.user_id = m.user_id));
        if found then
            return next;
            continue;
        end if;
        if exists (select from gnatter.request r
                    where r.conversation_id = item.conversation_id and r.user_id = item.user_id) then
            -- who answers has accepted
            perform gnatter.request_accept(item.conversation_id, item.user_id);
        end if;
        update gnatter.conversation c
           set last_seq = c.last_seq + 1, last_time_ms = greatest(c.last_time_ms, now_ms)
         where c.conversation_id = item.conversation_id and c.deleted_at is null
           and exists (select from gnatter.member m
                        where m.conversation_id = item.conversation_id and m.user_id = item.user_id
                          and m.left_seq is null)
        returning c.last_seq, c.last_time_ms, c.membership_version into seq, time_ms, membership_version;
        if not found then
            state := 'not-member';
            return next;
            continue;
        end if;
        insert into gnatter.message
            (conversation_id, seq, time_ms, sender_user_id, sender_device_id, message_id, payload)
        values (item.conversation_id, seq, time_ms, item.user_id, item.device_id, item.message_id, item.payload);
        state := 'new';
        return next;
    end loop;
end
$$;
comment on function gnatter.append_careful(bigint[], bigint[], bigint[], text[], bytea[], boolean) is
    'appends messages one by one, in order, deciding membership and duplicates here: new (with the membership version it '
    'was decided with), duplicate (with the seq and time it has), not-member, full (the inbox of the other one '
    'of a direct conversation), no-such-user (she was removed) or, if asked to refuse these, blocked. For what append refused.';
