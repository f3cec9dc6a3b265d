create or replace function gnatter.privacy_of(user_id bigint) returns jsonb
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select jsonb_build_object('read_receipts', u.shares_reads, 'online', u.shows_online, 'last_seen', u.shows_last_seen,
                              'profile', u.shows_profile, 'messages', u.messages_from, 'groups', u.groups_from)
      from gnatter.user_account u where u.user_id = privacy_of.user_id
$$;
comment on function gnatter.privacy_of(bigint) is 'what a user shows to whom, as method privacy.get tells it. Internal';
