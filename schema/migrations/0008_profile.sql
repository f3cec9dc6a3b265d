-- Of users who were removed before their profile went with them.
delete from gnatter.profile p
 where exists (select from gnatter.user_account u where u.user_id = p.user_id and u.removed_at is not null);
