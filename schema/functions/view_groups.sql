create or replace view gnatter.groups as
select substr(c.name, 3) as group_name, c.title, c.created_at, c.deleted_at, c.first_seq, c.last_seq,
       (select count(*) from gnatter.member m
         where m.conversation_id = c.conversation_id and m.left_seq is null) as members
  from gnatter.conversation c
 where c.kind = 'group';
comment on view gnatter.groups is 'all groups, deleted ones too: their names stay taken';
comment on column gnatter.groups.group_name is 'the group''s name, without g/';
comment on column gnatter.groups.title is 'what people call it; null: nothing';
comment on column gnatter.groups.created_at is 'when';
comment on column gnatter.groups.deleted_at is 'when; null: not deleted';
comment on column gnatter.groups.first_seq is 'seq of the oldest item kept';
comment on column gnatter.groups.last_seq is 'seq of the newest item';
comment on column gnatter.groups.members is 'how many are in it now';
create or replace trigger refuse instead of insert or update or delete on gnatter.groups
    for each row execute function gnatter.refuse_write('gnatter.create_group, rename_group or delete_group');
comment on trigger refuse on gnatter.groups is 'says which functions to call';
