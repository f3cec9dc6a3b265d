create or replace function gnatter.set_timer(conversation text, seconds bigint) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    found_id bigint;
begin
    select c.conversation_id into found_id from gnatter.conversation c
     where c.name = conversation and c.deleted_at is null for no key update;
    if not found then
        raise exception 'no such conversation: %', coalesce(left(conversation, 80), 'null')
            using errcode = 'GN003', hint = 'g/<group>, or d/<user>/<user> with the two names in order';
    end if;
    return gnatter.timer_set(found_id, seconds, null);
end
$$;
comment on function gnatter.set_timer(text, bigint) is
    'messages of g/<group> or d/<user>/<user> disappear so many seconds after they were sent, from now on; 0: they stay. '
    'Returns the seq of timer-changed. GN003, GN006';
