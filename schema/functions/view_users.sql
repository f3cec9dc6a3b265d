create or replace view gnatter.users as
select u.name::text as user_name, u.created_at, u.removed_at, u.tokens_valid_after
  from gnatter.user_account u;
comment on view gnatter.users is 'all users, removed ones too: their names stay taken';
comment on column gnatter.users.user_name is 'the user''s name';
comment on column gnatter.users.created_at is 'when';
comment on column gnatter.users.removed_at is 'when; null: not removed';
comment on column gnatter.users.tokens_valid_after is 'tokens issued before are void; null: none are';
