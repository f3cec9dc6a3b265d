create or replace function gnatter.conversation_load(names text[], creates boolean[], senders bigint[] default null)
returns table (ord int, state text, conversation_id bigint, last_seq bigint, first_seq bigint,
               membership_version bigint, is_group boolean, is_deleted boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    is_read_only boolean := current_setting('transaction_read_only')::boolean;
begin
    if not is_read_only and true = any (creates) then
        perform gnatter.direct_create(names, creates);
        -- in the order of names, as they are locked
        perform gnatter.request_begin(n.name, n.sender_id)
           from (select n.name, n.sender_id from unnest(names, creates, senders) as n (name, creates, sender_id)
                  where n.creates and n.sender_id is not null and n.name like 'd/%' order by n.name offset 0) n;
    end if;
    return query
    select n.ord::int,
           case when c.conversation_id is not null then 'ok'
                when n.name like 'g/%' then 'no-such-group'
                when is_read_only and n.creates then 'read-only'
                else 'no-such-user' end,
           c.conversation_id, c.last_seq, c.first_seq, c.membership_version, c.kind = 'group', c.deleted_at is not null
      from unnest(names, creates) with ordinality as n (name, creates, ord)
      -- "offset 0": looked up one by one, whatever the planner believes about tables that were never analyzed
      left join lateral (select * from gnatter.conversation c where c.name = n.name offset 0) c on true
     order by n.ord;
end
$$;
comment on function gnatter.conversation_load(text[], boolean[], bigint[]) is
    'conversations by their server names, a row for each (state ok, no-such-user, no-such-group, or read-only for one '
    'that would have to be made where nothing can be written); a direct one is '
    'made where creates is true and both users are there, and may become a request when nothing has been said in it '
    'and a message of this sender waits. A deleted group is ok: its log is still to be delivered.';
