create or replace function gnatter.purge(older_than interval default null, delivered_to_all boolean default false,
    conversation text default null) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if older_than is null and not coalesce(delivered_to_all, false) then
        raise exception 'purge what: older_than, delivered_to_all or both' using errcode = 'GN006';
    elsif older_than < interval '0' then
        raise exception 'older_than is an age, not %', older_than using errcode = 'GN006'; -- it would be everything
    elsif conversation is not null and not exists (select from gnatter.conversation c where c.name = purge.conversation) then
        raise exception 'no such conversation: %', left(conversation, 80)
            using errcode = 'GN003', hint = 'g/<group>, or d/<user>/<user> with the two names in order';
    end if;
    return gnatter.purge_before(floor(extract(epoch from now() - older_than) * 1000)::bigint, delivered_to_all, conversation);
end
$$;
comment on function gnatter.purge(interval, boolean, text) is
    'retention, only when called: removes from the start of each conversation (or of one, by its server name) what is '
    'older than that and, or, what every device of everybody who may see it has acknowledged; a message that was edited stays '
    'as long as its last edit. Returns how many items. '
    'seq goes on, first_seq says where the log starts now, and devices that missed something are told truncated. '
    'Who writes to a conversation that has lost something waits until the transaction ends: call it for one at a time. '
    'GN003, GN006';
