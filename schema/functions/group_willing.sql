create or replace function gnatter.group_willing(taken_ids bigint[], actor_id bigint) returns void
language plpgsql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    unwilling text;
begin
    -- she who blocks the actor is refused in the same words as she who takes part with contacts only
    select min(u.name::text) into unwilling
      from gnatter.user_account u
     where u.user_id = any (taken_ids) and u.user_id <> actor_id
       and (gnatter.block_between(u.user_id, actor_id)
            or (u.groups_from = 'contacts' and not gnatter.is_contact(u.user_id, actor_id)));
    if unwilling is not null then
        raise exception '% cannot be taken into a group by you', unwilling using errcode = 'GN005';
    end if;
end
$$;
comment on function gnatter.group_willing(bigint[], bigint) is
    'GN005 when one of these does not let this user take her into groups; an administrator may (null). Internal';
