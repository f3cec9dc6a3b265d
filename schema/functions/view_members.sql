create or replace view gnatter.members as
select c.name::text as conversation, case c.kind when 'group' then substr(c.name, 3) end as group_name,
       u.name::text as user_name, m.role::text as role, m.joined_seq,
       coalesce(k.delivered_seq, 0) as delivered_seq, coalesce(k.read_seq, 0) as read_seq
  from gnatter.member m
  join gnatter.conversation c on c.conversation_id = m.conversation_id
  join gnatter.user_account u on u.user_id = m.user_id
  left join gnatter.mark k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
 where m.left_seq is null;
comment on view gnatter.members is
    'who is in which conversation now. insert (group_name or conversation, user_name, role), update of role and '
    'delete work for groups and are ordered events in the group''s log; the first one in an empty group is its owner';
comment on column gnatter.members.conversation is 'g/<group> or d/<user>/<user>';
comment on column gnatter.members.group_name is 'the group''s name; null in a direct conversation';
comment on column gnatter.members.user_name is 'who';
comment on column gnatter.members.role is 'owner, admin or member';
comment on column gnatter.members.joined_seq is 'seq of the event that let her in';
comment on column gnatter.members.delivered_seq is 'at least one device holds everything up to here';
comment on column gnatter.members.read_seq is 'she has read everything up to here';
create or replace trigger members_change instead of insert or update or delete on gnatter.members
    for each row execute function gnatter.members_change();
comment on trigger members_change on gnatter.members is 'DML on the view becomes ordered events';
