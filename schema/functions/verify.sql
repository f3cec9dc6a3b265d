create or replace function gnatter.verify() returns table (invariant text, conversation text, detail text)
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    return query select 'log', v.* from gnatter.verify_log() v;
    return query select 'marks', v.* from gnatter.verify_marks() v;
    return query select 'members', v.* from gnatter.verify_members() v;
    return query select 'events', v.* from gnatter.verify_events() v;
    return query select 'blocks', v.* from gnatter.verify_blocks() v;
    return query select 'content', v.* from gnatter.verify_content() v;
end
$$;
comment on function gnatter.verify() is
    'checks the stored state against the design''s invariants; a row for each thing that does not hold, none when all '
    'is well. Reads everything';
