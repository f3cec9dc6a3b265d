create or replace function gnatter.edit_scrub_withheld(conversation_id bigint, seqs bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    with gone as (
        delete from gnatter.message_edit_withheld e
         where e.conversation_id = edit_scrub_withheld.conversation_id and e.seq = any (seqs)
        returning e.seq, e.edit_seq
    )
    update gnatter.message m set payload = convert_to(format('{"seq":%s}', g.seq), 'UTF8')
      from gone g where m.conversation_id = edit_scrub_withheld.conversation_id and m.seq = g.edit_seq;
end
$$;
comment on function gnatter.edit_scrub_withheld(bigint, bigint[]) is
    'takes the payload out of those edits of these messages that were withheld from somebody, which are in the log only. Internal';
