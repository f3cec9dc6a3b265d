create or replace function gnatter.ownership_pass(conversation_id bigint, actor_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    heir record;
begin
    if exists (select from gnatter.member m where m.conversation_id = ownership_pass.conversation_id
                  and m.left_seq is null and m.role = 'owner') then
        return;
    end if;
    select m.user_id into heir from gnatter.member m
     where m.conversation_id = ownership_pass.conversation_id and m.left_seq is null
     order by m.role = 'admin' desc, m.role_seq, m.joined_seq, m.member_id limit 1;
    if found then
        perform gnatter.member_role(conversation_id, heir.user_id, 'owner', actor_id);
    end if;
end
$$;
comment on function gnatter.ownership_pass(bigint, bigint) is
    'a group without an owner gets one: who has been admin longest, else member longest; the caller holds the '
    'group''s lock. Internal';
