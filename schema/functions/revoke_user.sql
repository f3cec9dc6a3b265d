create or replace function gnatter.revoke_user(name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    -- the next full second: a token of this very second is revoked as well
    valid_after timestamptz := date_trunc('second', clock_timestamp()) + interval '1 s';
begin
    update gnatter.user_account u set tokens_valid_after = valid_after
     where u.name = revoke_user.name and u.removed_at is null;
    if not found then
        raise exception 'no such user: %', coalesce(left(name, 80), 'null') using errcode = 'GN002';
    end if;
    perform pg_notify('gnatter', 'r ' || name);
    return extract(epoch from valid_after)::bigint;
end
$$;
comment on function gnatter.revoke_user(text) is
    'revokes all tokens a user''s devices have and ends their connections; the devices stay, new tokens are good. '
    'Returns the Unix second from which tokens count. GN002';
