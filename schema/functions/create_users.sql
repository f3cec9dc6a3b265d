create or replace function gnatter.create_users(names text[], device_name text)
returns table (ord int, valid_after_s bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    refused text;
    ids bigint[];
begin
    perform gnatter.name_check('device', device_name);
    perform gnatter.name_check('user', n.name) from unnest(names) as n (name);
    insert into gnatter.user_account (name)
    select distinct n.name from unnest(names) as n (name) order by n.name
    on conflict on constraint user_account_name_once do nothing;
    -- as in add_device: one registration at a time
    select array_agg(l.user_id) into ids from (
        select u.user_id from gnatter.user_account u
         where u.name in (select n.name collate "C" from unnest(names) as n (name)) and u.removed_at is null
         order by u.user_id for no key update) l;
    select u.name into refused from gnatter.user_account u
     where u.name in (select n.name collate "C" from unnest(names) as n (name)) and u.removed_at is not null
     order by u.name limit 1;
    if found then
        raise exception 'user existed and was removed: %', refused using errcode = 'GN004';
    end if;
    if exists (select from gnatter.device d where d.user_id = any (ids) and d.removed_at is null
                  and d.name <> device_name
                group by d.user_id having count(*) >= 64) then
        raise exception 'a user has at most 64 devices' using errcode = 'GN007';
    end if;
    with added as (
        insert into gnatter.device (user_id, name, tokens_valid_after)
        select i.user_id, device_name, max(d.tokens_valid_after)
          from unnest(ids) as i (user_id)
          left join gnatter.device d on d.user_id = i.user_id and d.name = device_name
         group by i.user_id
        having count(*) filter (where d.device_id is not null and d.removed_at is null) = 0
        returning device_id, user_id
    )
    insert into gnatter.cursor (conversation_id, device_id, acked_seq)
    select distinct c.conversation_id, a.device_id, c.last_seq
      from added a
      join gnatter.member m on m.user_id = a.user_id
      join gnatter.conversation c on c.conversation_id = m.conversation_id;
    return query
    select n.ord::int,
           coalesce(ceil(extract(epoch from greatest(u.tokens_valid_after, d.tokens_valid_after)))::bigint, 0)
      from unnest(names) with ordinality as n (name, ord)
      join gnatter.user_account u on u.name = n.name
      join gnatter.device d on d.user_id = u.user_id and d.name = device_name and d.removed_at is null
     order by n.ord;
end
$$;
comment on function gnatter.create_users(text[], text) is
    'many users at once, each with a device of that name; those that exist are left as they are. Returns, by the '
    'place in names, the Unix second from which tokens of that device count (0: any). GN004 for a removed user, '
    'GN006, GN007';
