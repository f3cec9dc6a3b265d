create or replace function gnatter.group_make(group_name text, group_title text, owner_id bigint, members text[],
    actor_id bigint) returns text
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    -- without a name: 122 random bits, which nobody guesses
    made_name text := coalesce(group_name, replace(gen_random_uuid()::text, '-', ''));
    made_id bigint;
    member_ids bigint[];
    missing text;
begin
    perform gnatter.name_check('group', made_name);
    perform gnatter.title_check(group_title);
    select array_agg(i.user_id order by i.ord), min(i.name) filter (where i.user_id is null)
      into member_ids, missing
      from (select w.name, min(w.ord) as ord, min(u.user_id) as user_id
              from unnest(members) with ordinality as w (name, ord)
              left join gnatter.user_account u on u.name = w.name and u.removed_at is null
             group by w.name) i
     where i.user_id is distinct from owner_id;
    if exists (select from unnest(members) as w (name) where w.name is null) or missing is not null then
        raise exception 'no such user: %', coalesce(left(missing, 80), 'null') using errcode = 'GN002';
    end if;
    if cardinality(member_ids) + 1 > 1024 then
        raise exception 'a group has at most 1024 members' using errcode = 'GN007';
    end if;
    perform from gnatter.user_account u where u.user_id = any (member_ids || owner_id) order by u.user_id for share;
    if exists (select from gnatter.user_account u
                where u.user_id = any (member_ids || owner_id) and u.removed_at is not null) then
        raise exception 'no such user: one was removed just now' using errcode = 'GN002';
    end if;
    perform gnatter.group_willing(member_ids, actor_id);
    insert into gnatter.conversation (name, kind, title, route)
    values ('g/' || made_name, 'group', group_title, gnatter.conversation_route('g/' || made_name))
    on conflict (name) do nothing
    returning conversation_id into made_id;
    if made_id is null then
        raise exception 'group exists or existed: %', made_name using errcode = 'GN004';
    end if;
    perform gnatter.event_append(made_id, actor_id, 'created', format('{"title":%s,"members":[%s]}',
        coalesce(to_json(group_title)::text, 'null'),
        (select string_agg(format('{"user":"%s","role":"%s"}', u.name,
                                  case u.user_id when owner_id then 'owner' else 'member' end), ',' order by i.ord)
           from unnest(owner_id || member_ids) with ordinality as i (user_id, ord)
           join gnatter.user_account u on u.user_id = i.user_id)), true);
    insert into gnatter.member (conversation_id, user_id, joined_seq, role, role_seq)
    select made_id, i.user_id, 1, case i.user_id when owner_id then 'owner' else 'member' end, 1
      from unnest(owner_id || member_ids) with ordinality as i (user_id, ord)
     order by i.ord;
    return made_name;
end
$$;
comment on function gnatter.group_make(text, text, bigint, text[], bigint) is
    'makes a group and its created event; returns its name. GN002, GN004, GN005, GN006, GN007. Internal';
