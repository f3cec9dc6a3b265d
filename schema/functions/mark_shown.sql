create or replace function gnatter.mark_shown(conversation_id bigint, user_id bigint, seq bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    shown bigint := seq;
    covering_seq bigint;
begin
    loop
        select b.from_seq into covering_seq from gnatter.block b
         where b.conversation_id = mark_shown.conversation_id and b.user_id = mark_shown.user_id
           and shown between b.from_seq and coalesce(b.to_seq, shown);
        exit when not found or shown = 0;
        shown := covering_seq - 1;
    end loop;
    return shown;
end
$$;
comment on function gnatter.mark_shown(bigint, bigint, bigint) is
    'a mark of this user as others are told it: never on something that was withheld from her. Internal';
