create or replace function gnatter.hint_facts(hints text[]) returns setof text
language plpgsql stable security definer
set search_path = pg_catalog, gnatter, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    hint text;
    words text[];
begin
    foreach hint in array hints loop
        words := string_to_array(hint, ' ');
        if words[1] = 'r' then
            return query
            select format('r %s %s', v.name, ceil(extract(epoch from max(v.valid_after)))::bigint)
              from (select u.name::text, u.tokens_valid_after
                      from gnatter.user_account u where u.name = words[2]
                    union all
                    select u.name || ':' || d.name, d.tokens_valid_after
                      from gnatter.user_account u join gnatter.device d on d.user_id = u.user_id
                     where u.name = split_part(words[2], ':', 1) and d.name = split_part(words[2], ':', 2)
                       and d.removed_at is null
                    union all
                    select u.name || ':' || d.name, d.tokens_valid_after
                      from gnatter.user_account u join gnatter.device d on d.user_id = u.user_id
                     where u.name = split_part(words[2], ':', 1) and d.name = split_part(words[2], ':', 2)
                       and d.removed_at is not null) v (name, valid_after)
             where v.valid_after is not null
             group by v.name;
        elsif words[1] = 'd' then
            return query
            select format('d %s:%s %s', u.name, d.name, max(d.device_id))
              from gnatter.user_account u join gnatter.device d on d.user_id = u.user_id
             where u.name = split_part(words[2], ':', 1) and d.name = split_part(words[2], ':', 2)
               and d.removed_at is not null
             group by u.name, d.name;
        elsif hint ~ '^f( [0-9]{1,18}){3}$' then
            return query
            select 'f ' || gnatter.flags_told(f.conversation_id, f.user_id, d.name)
              from gnatter.conversation_flag f join gnatter.device d on d.user_id = f.user_id
             where f.user_id = words[2]::bigint and f.conversation_id = words[3]::bigint
               and d.removed_at is null and d.device_id <> words[4]::bigint;
        end if;
    end loop;
end
$$;
comment on function gnatter.hint_facts(text[]) is
    'what is true of what notifications say, as anybody who is connected can send them: '
    '"r <user or client id>" gives "r <it> <its tokens count from, Unix seconds>" where tokens were revoked, '
    '"d <client id>" gives "d <it> <device id, which is removed, as are lower ones of that name>", '
    '"f <user id> <conversation id> <device id that knows>" gives "f <client id> <conversation> <JSON>" for each other device '
    'of a user who has set flags there. Anything else gives nothing';
