create or replace function gnatter.edit_scrub(conversation_id bigint, seqs bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.edit_scrub_withheld(conversation_id, seqs);
    update gnatter.message m
       set payload = convert_to(format('{"seq":%s}', e.seq), 'UTF8')
      from gnatter.message_edit e
     where e.conversation_id = edit_scrub.conversation_id and e.seq = any (seqs)
       and m.conversation_id = e.conversation_id and m.seq = e.edit_seq;
end
$$;
comment on function gnatter.edit_scrub(bigint, bigint[]) is
    'takes the payload out of all edits of these messages: another edit replaces it, or the message goes. Internal';
