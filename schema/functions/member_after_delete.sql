create or replace function gnatter.member_after_delete() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    insert into gnatter.member (conversation_id, user_id, joined_seq, left_seq, role, role_seq, member_id)
    overriding system value
    values (old.conversation_id, old.user_id, old.joined_seq,
            gnatter.member_leave(old.conversation_id, old.user_id, null), old.role, old.role_seq, old.member_id);
    perform gnatter.ownership_pass(old.conversation_id, null);
    return null;
end
$$;
comment on function gnatter.member_after_delete() is
    'a membership deleted by plain DML is ended by an ordered event, and its interval stays';
create or replace trigger member_deleted after delete on gnatter.member
    for each row execute function gnatter.member_after_delete();
comment on trigger member_deleted on gnatter.member is 'leaving by plain DML is an ordered event';
