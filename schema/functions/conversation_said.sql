create or replace function gnatter.conversation_said(user_id bigint, params jsonb) returns gnatter.conversation
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    reference text := gnatter.param_text(params, 'conversation');
    said gnatter.conversation := gnatter.conversation_seen(user_id, reference);
begin
    if said.conversation_id is null then
        raise exception 'nothing has been said yet in %', reference using errcode = 'GN006';
    end if;
    return said;
end
$$;
comment on function gnatter.conversation_said(bigint, jsonb) is
    'conversation_seen of a request''s "conversation", which is to have a message already. GN001, GN002, GN003, GN006. Internal';
