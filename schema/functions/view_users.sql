create or replace view gnatter.users as
select u.name::text as user_name, u.created_at, u.removed_at, u.tokens_valid_after,
       u.shares_reads as read_receipts, u.shows_online as online, u.shows_last_seen as last_seen,
       u.shows_profile as profile, u.messages_from as messages, u.groups_from as groups,
       p.display_name, p.about, p.avatar
  from gnatter.user_account u
  left join gnatter.profile p on p.user_id = u.user_id;
comment on view gnatter.users is 'all users, removed ones too: their names stay taken';
comment on column gnatter.users.user_name is 'the user''s name';
comment on column gnatter.users.created_at is 'when';
comment on column gnatter.users.removed_at is 'when; null: not removed';
comment on column gnatter.users.tokens_valid_after is 'tokens issued before are void; null: none are';
comment on column gnatter.users.read_receipts is 'others are told what she has read, and she is told';
comment on column gnatter.users.online is 'who sees that she is online: everyone, contacts or nobody';
comment on column gnatter.users.last_seen is 'who sees when she was last seen';
comment on column gnatter.users.profile is 'who sees her profile';
comment on column gnatter.users.messages is 'whose first message is no request: everyone or contacts';
comment on column gnatter.users.groups is 'who may take her into groups: everyone or contacts';
comment on column gnatter.users.display_name is 'how she wants to be called';
comment on column gnatter.users.about is 'a line about her';
comment on column gnatter.users.avatar is 'where her picture is';
create or replace trigger refuse instead of insert or update or delete on gnatter.users
    for each row execute function gnatter.refuse_write('gnatter.create_user, create_users, set_profile, set_privacy, revoke_user or remove_user');
comment on trigger refuse on gnatter.users is 'says which functions to call';
