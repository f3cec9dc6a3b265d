create or replace view gnatter.blocks as
select u.name::text as user_name, o.name::text as blocked, b.blocked_at
  from gnatter.block b
  join gnatter.user_account u on u.user_id = b.user_id
  join gnatter.member m on m.conversation_id = b.conversation_id and m.user_id <> b.user_id
  join gnatter.user_account o on o.user_id = m.user_id
 where b.to_seq is null;
comment on view gnatter.blocks is 'who blocks whom now';
comment on column gnatter.blocks.user_name is 'who blocks';
comment on column gnatter.blocks.blocked is 'whose direct messages are withheld from her';
comment on column gnatter.blocks.blocked_at is 'since when';
create or replace trigger refuse instead of insert or update or delete on gnatter.blocks
    for each row execute function gnatter.refuse_write('gnatter.block_user or unblock_user');
comment on trigger refuse on gnatter.blocks is 'says which functions to call';
