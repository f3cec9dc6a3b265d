create or replace function gnatter.edit_scrub_withheld(conversation_id bigint, seqs bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    -- found nearly always: nobody blocks here, and nobody did
    if not exists (select from gnatter.block b where b.conversation_id = edit_scrub_withheld.conversation_id) then
        return;
    end if;
    update gnatter.message m
       set payload = convert_to(format('{"seq":%s}', convert_from(m.payload, 'UTF8')::jsonb ->> 'seq'), 'UTF8')
     where m.conversation_id = edit_scrub_withheld.conversation_id and m.event_type is not null
       and m.event_type = 'message-edited' and (convert_from(m.payload, 'UTF8')::jsonb ->> 'seq')::bigint = any (seqs)
       and not exists (select from gnatter.message_edit e
                        where e.conversation_id = m.conversation_id and e.edit_seq = m.seq and e.seq = any (seqs));
end
$$;
comment on function gnatter.edit_scrub_withheld(bigint, bigint[]) is
    'takes the payload out of those edits of these messages that were withheld from somebody, which are in the log only. Internal';
