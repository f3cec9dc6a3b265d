create or replace function gnatter.content_forget(conversation_id bigint, seqs bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    perform gnatter.edit_scrub(conversation_id, seqs);
    delete from gnatter.message_edit e
     where e.conversation_id = content_forget.conversation_id and e.seq = any (seqs);
    delete from gnatter.message_reaction r
     where r.conversation_id = content_forget.conversation_id and r.seq = any (seqs);
end
$$;
comment on function gnatter.content_forget(bigint, bigint[]) is
    'these messages are erased: nothing that was said with them or about them stays. Internal';
