create or replace function gnatter.member_until(conversation_id bigint, user_id bigint) returns bigint
language sql stable
set search_path = pg_catalog, gnatter, pg_temp
as $$
    select case when bool_and(m.left_seq is not null) then max(m.left_seq) else 9223372036854775807 end
      from gnatter.member m
     where m.conversation_id = member_until.conversation_id and m.user_id = member_until.user_id
$$;
comment on function gnatter.member_until(bigint, bigint) is
    'the seq after which nothing that happens in a conversation is told to this user: she left with it; the highest there can '
    'be where she has not. Internal';
