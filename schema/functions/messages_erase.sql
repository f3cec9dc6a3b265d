create or replace function gnatter.messages_erase(conversation_id bigint, seqs bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    perform gnatter.content_forget(conversation_id, seqs);
    update gnatter.message m
       set event_type = 'messages-expired', sender_user_id = null,
           payload = convert_to(format('{"from":%s,"to":%s}', m.seq, m.seq), 'UTF8')
     where m.conversation_id = messages_erase.conversation_id and m.seq = any (seqs);
end
$$;
comment on function gnatter.messages_erase(bigint, bigint[]) is
    'these messages have disappeared: their places say so. The caller holds the conversation''s lock. Internal';
