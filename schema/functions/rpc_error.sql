create or replace function gnatter.rpc_error(sqlstate_code text, message text) returns jsonb
language sql immutable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select jsonb_build_object('error', jsonb_build_object('code', k.code, 'message', message))
      from (select case
                when sqlstate_code = 'GN001' then 'not-member'
                when sqlstate_code = 'GN002' then 'no-such-user'
                when sqlstate_code = 'GN003' then 'no-such-group'
                when sqlstate_code = 'GN004' then 'exists'
                when sqlstate_code = 'GN005' then 'denied'
                when sqlstate_code = 'GN006' then 'bad-request'
                when sqlstate_code = 'GN007' then 'too-large'
                when sqlstate_code in ('GN008', '25006') then 'read-only'
                -- data exceptions and violated checks that no function of ours saw coming
                when sqlstate_code like '22%' or sqlstate_code = '23514' then 'bad-request'
            end) as k (code)
     where k.code is not null
$$;
comment on function gnatter.rpc_error(text, text) is
    'the answer for an SQLSTATE, null for one that is not the device''s doing. The codes of class GN: 001 not-member, '
    '002 no-such-user, 003 no-such-group, 004 exists, 005 denied, 006 bad-request, 007 too-large, 008 read-only. '
    'Internal';
