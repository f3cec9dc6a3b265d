create or replace function gnatter.create_bench(prefix text, users int) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    pubs text[];
    subs text[];
begin
    -- a prefix nobody chose, so that what carries it is nobody else's
    if prefix is null or prefix !~ '^bench-[0-9a-f]{6}$' or users is null or users not between 1 and 1000000 then
        raise exception 'a bench has a prefix like bench-0a1b2c and 1 to 1000000 users' using errcode = 'GN006';
    end if;
    select array_agg(prefix || '-pub-' || n order by n), array_agg(prefix || '-sub-' || n order by n)
      into pubs, subs from generate_series(1, users) as n;
    perform gnatter.create_users(pubs || subs, 'd');
    -- load generators acknowledge nothing; no service has seen these devices yet
    update gnatter.device d set ack_mode = 'auto'
      from gnatter.user_account u
     where u.user_id = d.user_id and u.name = any (pubs || subs);
    perform gnatter.create_group(prefix, subs[1], subs[2:1000] || pubs[1:24], null);
end
$$;
comment on function gnatter.create_bench(text, int) is
    'for bench mode: users <prefix>-pub-1 ... and <prefix>-sub-1 ..., each with a device d that acknowledges by itself, '
    'and a group <prefix> with the first of both. GN004 when they are there, GN006';
