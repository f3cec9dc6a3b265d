-- Privacy: who blocks whom, whose first messages wait as a request, what people show of themselves and to whom.
-- These come back with other columns.
drop function if exists gnatter.append_careful(bigint[], bigint[], bigint[], text[], bytea[]);
drop function if exists gnatter.conversation_members(bigint[]);
drop function if exists gnatter.conversation_load(text[], boolean[]);
drop function if exists gnatter.presence_state(bigint[], text[]);
drop view if exists gnatter.users;

alter domain gnatter.event_type drop constraint event_type_known;
alter domain gnatter.event_type add constraint event_type_known check (value in ('created', 'member-added',
    'member-removed', 'member-left', 'role-changed', 'renamed', 'message-deleted', 'deleted', 'request',
    'request-accepted', 'withheld', 'message-edited', 'message-reacted', 'timer-changed', 'messages-expired')) not valid;

create table gnatter.block (
    conversation_id bigint not null,
    user_id bigint not null,
    from_seq bigint not null,
    to_seq bigint,
    blocked_at timestamptz not null default now(),
    constraint block_pk primary key (conversation_id, user_id, from_seq),
    constraint block_conversation_known foreign key (conversation_id)
        references gnatter.conversation (conversation_id),
    constraint block_user_known foreign key (user_id) references gnatter.user_account (user_id),
    constraint block_ends_behind_its_start check (to_seq >= from_seq)
);
create unique index block_once on gnatter.block (conversation_id, user_id) where to_seq is null;
create index block_of_user on gnatter.block (user_id) where to_seq is null;
comment on table gnatter.block is
    'who blocks the other one of a direct conversation, as intervals of seq: what the other one did in them is withheld '
    'from her for ever';
comment on column gnatter.block.conversation_id is 'a direct conversation';
comment on column gnatter.block.user_id is 'who blocks';
comment on column gnatter.block.from_seq is 'the first seq that is withheld';
comment on column gnatter.block.to_seq is 'the last one; null: she still blocks';
comment on column gnatter.block.blocked_at is 'since when';
comment on index gnatter.block_once is 'one block at a time';
comment on index gnatter.block_of_user is 'whom a user blocks';

create table gnatter.request (
    conversation_id bigint not null,
    user_id bigint not null,
    asked_at timestamptz not null default now(),
    constraint request_pk primary key (conversation_id),
    constraint request_conversation_known foreign key (conversation_id)
        references gnatter.conversation (conversation_id),
    constraint request_user_known foreign key (user_id) references gnatter.user_account (user_id)
);
create index request_of_user on gnatter.request (user_id);
comment on table gnatter.request is 'direct conversations that a stranger began and that wait to be accepted or declined';
comment on column gnatter.request.conversation_id is 'which';
comment on column gnatter.request.user_id is 'whom it waits for';
comment on column gnatter.request.asked_at is 'since when';
comment on index gnatter.request_of_user is 'the requests that wait for a user';

alter table gnatter.user_account
    add column shares_reads boolean not null default true,
    add column shows_online text not null default 'contacts',
    add column shows_last_seen text not null default 'contacts',
    add column shows_profile text not null default 'everyone',
    add column messages_from text not null default 'everyone',
    add column groups_from text not null default 'everyone',
    add constraint user_account_shows_online check (shows_online in ('everyone', 'contacts', 'nobody')),
    add constraint user_account_shows_last_seen check (shows_last_seen in ('everyone', 'contacts', 'nobody')),
    add constraint user_account_shows_profile check (shows_profile in ('everyone', 'contacts', 'nobody')),
    add constraint user_account_messages_from check (messages_from in ('everyone', 'contacts')),
    add constraint user_account_groups_from check (groups_from in ('everyone', 'contacts'));
create index user_account_hides_reads on gnatter.user_account (user_id) where not shares_reads;
comment on column gnatter.user_account.shares_reads is 'others are told what she has read, and in direct conversations she is told';
comment on column gnatter.user_account.shows_online is 'who sees that she is online';
comment on column gnatter.user_account.shows_last_seen is 'who sees when she was';
comment on column gnatter.user_account.shows_profile is 'who sees her profile';
comment on column gnatter.user_account.messages_from is 'whose first message is delivered as any other; a stranger''s is a request';
comment on column gnatter.user_account.groups_from is 'who may take her into a group';
comment on index gnatter.user_account_hides_reads is 'the few whose reads are not counted';

create table gnatter.profile (
    user_id bigint not null,
    display_name text,
    about text,
    avatar text,
    changed_at timestamptz not null default now(),
    constraint profile_pk primary key (user_id),
    constraint profile_user_known foreign key (user_id) references gnatter.user_account (user_id),
    constraint profile_display_name_short check (octet_length(display_name) <= 128),
    constraint profile_about_short check (octet_length(about) <= 512),
    constraint profile_avatar_short check (octet_length(avatar) <= 1024)
);
comment on table gnatter.profile is 'what users say about themselves; no row: nothing';
comment on column gnatter.profile.user_id is 'who';
comment on column gnatter.profile.display_name is 'how she wants to be called';
comment on column gnatter.profile.about is 'a line about her';
comment on column gnatter.profile.avatar is 'where her picture is: a reference that clients understand; never fetched here';
comment on column gnatter.profile.changed_at is 'when it was last set';
comment on column gnatter.conversation.membership_version is
    'goes up with every change of who is in it or blocks in it, under this row''s lock';
