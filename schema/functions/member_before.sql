create or replace function gnatter.member_before() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        new.role := coalesce(new.role, 'member');
        new.joined_seq := gnatter.member_join(new.conversation_id, new.user_id, new.role, null);
        new.role := gnatter.role_joining(new.conversation_id, new.role);
        new.role_seq := new.joined_seq;
        return new;
    elsif tg_op = 'UPDATE' then
        if old.left_seq is not null then
            return null; -- what was is left alone
        end if;
        perform gnatter.group_hold(new.conversation_id);
        perform gnatter.role_check(new.conversation_id, new.user_id, new.role);
        new.role_seq := gnatter.role_event(new.conversation_id, new.user_id, new.role, null);
        return new;
    elsif tg_op = 'TRUNCATE' then
        raise exception 'delete memberships one group at a time: each end of one is an event' using errcode = 'GN005';
    end if;
    if old.left_seq is not null then
        raise exception 'a membership that has ended stays: it says who may see what' using errcode = 'GN005';
    end if;
    perform gnatter.group_hold(old.conversation_id);
    return old;
end
$$;
comment on function gnatter.member_before() is
    'plain DML on memberships: checks, locks the group, writes the ordered event. A row that brings its seq was '
    'written by one of the functions, which has done all that.';
create or replace trigger member_insert before insert on gnatter.member
    for each row when (new.joined_seq is null) execute function gnatter.member_before();
comment on trigger member_insert on gnatter.member is 'joining by plain DML is an ordered event';
create or replace trigger member_update before update of role on gnatter.member
    for each row when (old.role is distinct from new.role and old.role_seq = new.role_seq)
    execute function gnatter.member_before();
comment on trigger member_update on gnatter.member is 'a role changed by plain DML is an ordered event';
create or replace trigger member_delete before delete on gnatter.member
    for each row execute function gnatter.member_before();
comment on trigger member_delete on gnatter.member is 'a membership that has ended cannot be deleted';
create or replace trigger member_truncate before truncate on gnatter.member
    for each statement execute function gnatter.member_before();
comment on trigger member_truncate on gnatter.member is 'memberships do not end without a word';
