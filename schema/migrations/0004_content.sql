-- What happens to messages after they were sent: edits, reactions, disappearing; a user's own flags on a conversation;
-- whose inbox is full.
-- This comes back with another column.
drop function if exists gnatter.conversation_members(bigint[]);

alter domain gnatter.event_type drop constraint event_type_known;
-- a superset of what was allowed: nothing stored has to be looked at
alter domain gnatter.event_type add constraint event_type_known check (value in ('created', 'member-added',
    'member-removed', 'member-left', 'role-changed', 'renamed', 'message-deleted', 'deleted', 'withheld',
    'message-edited', 'message-reacted', 'timer-changed', 'messages-expired', 'request', 'request-accepted')) not valid;

create table gnatter.message_edit (
    conversation_id bigint not null,
    seq bigint not null,
    edit_seq bigint not null,
    constraint message_edit_pk primary key (conversation_id, seq),
    constraint message_edit_comes_later check (edit_seq > seq)
);
comment on table gnatter.message_edit is 'messages that were edited; the new payload is in the message''s own place';
comment on column gnatter.message_edit.conversation_id is 'of what';
comment on column gnatter.message_edit.seq is 'which message';
comment on column gnatter.message_edit.edit_seq is 'the last message-edited event about it, the only one with a payload';

create table gnatter.message_reaction (
    conversation_id bigint not null,
    seq bigint not null,
    user_id bigint not null,
    reaction text collate "C" not null,
    event_seq bigint not null,
    constraint message_reaction_pk primary key (conversation_id, seq, user_id),
    constraint message_reaction_short check (octet_length(reaction) between 1 and 32),
    constraint message_reaction_comes_later check (event_seq > seq)
);
comment on table gnatter.message_reaction is 'reactions to messages that stand now, one per user and message';
comment on column gnatter.message_reaction.conversation_id is 'of what';
comment on column gnatter.message_reaction.seq is 'which message';
comment on column gnatter.message_reaction.user_id is 'who reacted';
comment on column gnatter.message_reaction.reaction is 'with what: up to 32 bytes that mean nothing to the server';
comment on column gnatter.message_reaction.event_seq is 'the message-reacted event that said so';

create table gnatter.conversation_flag (
    conversation_id bigint not null,
    user_id bigint not null,
    is_pinned boolean not null default false,
    is_archived boolean not null default false,
    changed_at timestamptz not null default clock_timestamp(),
    constraint conversation_flag_pk primary key (conversation_id, user_id)
) with (fillfactor = 70);
create index conversation_flag_of_user on gnatter.conversation_flag (user_id, changed_at);
comment on table gnatter.conversation_flag is 'how a user keeps a conversation on all her devices; no row: nothing special';
comment on column gnatter.conversation_flag.conversation_id is 'which';
comment on column gnatter.conversation_flag.user_id is 'whose';
comment on column gnatter.conversation_flag.is_pinned is 'kept on top';
comment on column gnatter.conversation_flag.is_archived is 'kept out of sight';
comment on column gnatter.conversation_flag.changed_at is
    'when one of these, or conversation_mute, last changed: her devices that were not live then are told';
comment on index gnatter.conversation_flag_of_user is 'what changed while a device was away';

create table gnatter.conversation_timer (
    conversation_id bigint not null,
    from_seq bigint not null,
    to_seq bigint,
    timer_s int not null,
    gone_seq bigint not null,
    due_ms bigint not null,
    constraint conversation_timer_pk primary key (conversation_id, from_seq),
    constraint conversation_timer_positive check (timer_s > 0),
    constraint conversation_timer_in_order check (gone_seq >= from_seq and to_seq > from_seq)
) with (fillfactor = 70);
create unique index conversation_timer_once on gnatter.conversation_timer (conversation_id) where to_seq is null;
create index conversation_timer_due on gnatter.conversation_timer (due_ms);
comment on table gnatter.conversation_timer is
    'stretches of a log whose messages disappear; one that has nothing left and has ended is removed';
comment on column gnatter.conversation_timer.conversation_id is 'of what';
comment on column gnatter.conversation_timer.from_seq is 'the timer-changed event that began it';
comment on column gnatter.conversation_timer.to_seq is 'the one that ended it; null: it goes on';
comment on column gnatter.conversation_timer.timer_s is 'a message disappears so many seconds after its time';
comment on column gnatter.conversation_timer.gone_seq is 'all up to here have disappeared';
comment on column gnatter.conversation_timer.due_ms is 'Unix milliseconds when the next can have, at the earliest';
comment on index gnatter.conversation_timer_once is 'one timer that runs, per conversation';
comment on index gnatter.conversation_timer_due is 'what to look at next';

create table gnatter.message_timer (
    conversation_id bigint not null,
    seq bigint not null,
    due_ms bigint not null,
    constraint message_timer_pk primary key (conversation_id, seq)
);
create index message_timer_due on gnatter.message_timer (due_ms);
comment on table gnatter.message_timer is 'single messages that disappear by their sender''s wish; a row goes when its time has come';
comment on column gnatter.message_timer.conversation_id is 'of what';
comment on column gnatter.message_timer.seq is 'which message; it may be gone already';
comment on column gnatter.message_timer.due_ms is 'Unix milliseconds when it disappears';
comment on index gnatter.message_timer_due is 'what to look at next';

create table gnatter.inbox_waiting (
    conversation_id bigint not null,
    user_id bigint not null,
    after_seq bigint not null,
    to_seq bigint not null,
    items bigint not null,
    bytes bigint not null,
    constraint inbox_waiting_pk primary key (conversation_id, user_id)
) with (fillfactor = 70);
create index inbox_waiting_of_user on gnatter.inbox_waiting (user_id);
comment on table gnatter.inbox_waiting is
    'what waits in direct conversations for users none of whose devices has it, counted a little at a time and only where '
    'a quota is configured; no row: nothing';
comment on column gnatter.inbox_waiting.conversation_id is 'a direct conversation';
comment on column gnatter.inbox_waiting.user_id is 'for whom';
comment on column gnatter.inbox_waiting.after_seq is 'counted from here, her delivered mark then';
comment on column gnatter.inbox_waiting.to_seq is 'counted up to here';
comment on column gnatter.inbox_waiting.items is 'how many messages of the other one';
comment on column gnatter.inbox_waiting.bytes is 'their payloads together';
comment on index gnatter.inbox_waiting_of_user is 'all that waits for a user';

create table gnatter.inbox_full (
    user_id bigint not null,
    since timestamptz not null default clock_timestamp(),
    counted_at timestamptz not null default clock_timestamp(),
    constraint inbox_full_pk primary key (user_id)
);
create index inbox_full_age on gnatter.inbox_full (counted_at);
comment on table gnatter.inbox_full is
    'users for whom so much waits in direct conversations that no more is taken for them there';
comment on column gnatter.inbox_full.user_id is 'who';
comment on column gnatter.inbox_full.since is 'since when';
comment on column gnatter.inbox_full.counted_at is 'when it was last looked whether that is still so';
comment on index gnatter.inbox_full_age is 'whom to look at next';
