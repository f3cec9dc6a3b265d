-- The tables. Every name of a table that holds something of a conversation starts its key with conversation_id, so that
-- conversations can be spread over several databases later.
create schema gnatter;
comment on schema gnatter is 'Gnatter: the only durable truth about users, devices, conversations and messages';

create table gnatter.migration (
    version int not null,
    name text not null,
    applied_at timestamptz not null default now(),
    constraint migration_pk primary key (version)
);
comment on table gnatter.migration is 'which numbered files of schema/migrations this database has taken';
comment on column gnatter.migration.version is 'the number at the start of the file''s name';
comment on column gnatter.migration.name is 'the file''s name';
comment on column gnatter.migration.applied_at is 'when';

-- ---- names: the grammar of docs/protocol.md; "C" because order and equality are those of bytes ----
create domain gnatter.user_name as text collate "C"
    constraint user_name_form check (value ~ '^[a-z0-9][a-z0-9._-]{0,31}$');
comment on domain gnatter.user_name is 'a user''s name';
create domain gnatter.device_name as text collate "C"
    constraint device_name_form check (value ~ '^[a-z0-9][a-z0-9._-]{0,31}$');
comment on domain gnatter.device_name is 'a device''s name, unique per user';
create domain gnatter.conversation_name as text collate "C"
    constraint conversation_name_form check (
        value ~ '^g/[a-z0-9][a-z0-9._-]{0,63}$'
        or (value ~ '^d/[a-z0-9][a-z0-9._-]{0,31}/[a-z0-9][a-z0-9._-]{0,31}$'
            and split_part(value, '/', 2) collate "C" <= split_part(value, '/', 3) collate "C"));
comment on domain gnatter.conversation_name is
    'a conversation as the server names it: g/<group>, or d/<user>/<user> with the two in byte order';
create domain gnatter.role_name as text collate "C"
    constraint role_name_known check (value in ('owner', 'admin', 'member'));
comment on domain gnatter.role_name is 'what a member may do in a group';
create domain gnatter.conversation_kind as text collate "C"
    constraint conversation_kind_known check (value in ('direct', 'group'));
comment on domain gnatter.conversation_kind is 'what a conversation is';
create domain gnatter.title as text
    constraint title_short check (octet_length(value) <= 256);
comment on domain gnatter.title is 'what people call a group';
-- The characters are checked where a topic is parsed: a regular expression would cost more than the rest of an insert.
create domain gnatter.message_id as text collate "C"
    constraint message_id_short check (octet_length(value) between 1 and 36);
comment on domain gnatter.message_id is 'the sender''s id of a message, or a device''s of a request';
create domain gnatter.event_type as text collate "C"
    constraint event_type_known check (value in ('created', 'member-added', 'member-removed', 'member-left',
        'role-changed', 'renamed', 'message-deleted', 'deleted'));
comment on domain gnatter.event_type is 'the events that are in a log (truncated and withheld are made on delivery)';

-- ---- users and devices ----
create table gnatter.user_account (
    user_id bigint not null generated always as identity,
    name gnatter.user_name not null,
    created_at timestamptz not null default now(),
    removed_at timestamptz,
    tokens_valid_after timestamptz,
    constraint user_account_pk primary key (user_id),
    constraint user_account_name_once unique (name)
);
comment on table gnatter.user_account is 'users; a row stays for ever, so that a name is never given twice';
comment on column gnatter.user_account.user_id is 'key';
comment on column gnatter.user_account.name is 'the user''s name';
comment on column gnatter.user_account.created_at is 'when the user was created';
comment on column gnatter.user_account.removed_at is 'when the user was removed; null: not removed';
comment on column gnatter.user_account.tokens_valid_after is 'tokens issued before are revoked; null: none are';

create table gnatter.device (
    device_id bigint not null generated always as identity,
    user_id bigint not null,
    name gnatter.device_name not null,
    ack_mode text not null default 'explicit',
    is_live boolean not null default false,
    created_at timestamptz not null default now(),
    live_until timestamptz not null default now(),
    last_seen_at timestamptz,
    removed_at timestamptz,
    tokens_valid_after timestamptz,
    constraint device_pk primary key (device_id),
    constraint device_user_known foreign key (user_id) references gnatter.user_account (user_id),
    constraint device_ack_mode_known check (ack_mode in ('explicit', 'auto'))
) with (fillfactor = 70);
create unique index device_name_once on gnatter.device (user_id, name) where removed_at is null;
create index device_removed on gnatter.device (user_id, name) where removed_at is not null;
comment on table gnatter.device is
    'devices; registering a removed name again makes a new row, which inherits tokens_valid_after';
comment on column gnatter.device.device_id is 'key';
comment on column gnatter.device.user_id is 'whose';
comment on column gnatter.device.name is 'the device''s name, unique among the user''s devices that are not removed';
comment on column gnatter.device.ack_mode is
    'explicit: it publishes acks; auto: what was handed to its connection is acknowledged';
comment on column gnatter.device.is_live is
    'a service has told that it is connected and subscribed; a hint, stale after a crash';
comment on column gnatter.device.created_at is 'when it was registered';
comment on column gnatter.device.live_until is 'marks that changed later are told when it becomes live again';
comment on column gnatter.device.last_seen_at is 'when its last connection ended; null: never connected';
comment on column gnatter.device.removed_at is 'when it was revoked; null: registered';
comment on column gnatter.device.tokens_valid_after is 'tokens issued before are revoked; null: none are';
comment on index gnatter.device_name_once is 'a client id names one device';
comment on index gnatter.device_removed is 'what a device that is registered again inherits';

-- ---- conversations ----
-- The row that every append updates: narrow, no changing column in an index, room on the page for the new version. Its
-- guards are in the domains of the columns that do not change: a check constraint or a generated column here is parsed
-- again for every batch (measured: 60 of 220 us of an append of one message). gnatter.verify() checks the rest.
create table gnatter.conversation (
    conversation_id bigint not null generated always as identity,
    last_seq bigint not null default 0,
    last_time_ms bigint not null default 0,
    first_seq bigint not null default 1,
    membership_version bigint not null default 1,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    route int not null,
    kind gnatter.conversation_kind not null,
    name gnatter.conversation_name not null,
    title gnatter.title,
    constraint conversation_pk primary key (conversation_id),
    constraint conversation_name_once unique (name)
) with (fillfactor = 50);
comment on table gnatter.conversation is 'conversations; a row stays for ever, so that a name is never given twice';
comment on column gnatter.conversation.conversation_id is 'key';
comment on column gnatter.conversation.last_seq is 'seq of the newest item; given under this row''s lock';
comment on column gnatter.conversation.last_time_ms is
    'time of the newest item; times never go back within a conversation';
comment on column gnatter.conversation.first_seq is 'seq of the oldest item that retention has kept';
comment on column gnatter.conversation.membership_version is
    'goes up with every change of who is in it, under this row''s lock';
comment on column gnatter.conversation.created_at is 'when';
comment on column gnatter.conversation.deleted_at is 'when the group was deleted; null: it is there';
comment on column gnatter.conversation.route is 'conversation_route(name); route % shards is the shard';
comment on column gnatter.conversation.kind is 'direct or group';
comment on column gnatter.conversation.name is 'g/<group> or d/<user>/<user>';
comment on column gnatter.conversation.title is 'a group''s title; null: none';

create table gnatter.member (
    conversation_id bigint not null,
    user_id bigint not null,
    joined_seq bigint not null,
    left_seq bigint,
    role gnatter.role_name not null default 'member',
    role_seq bigint not null,
    member_id bigint not null generated always as identity,
    constraint member_pk primary key (conversation_id, user_id, joined_seq),
    constraint member_conversation_known foreign key (conversation_id)
        references gnatter.conversation (conversation_id),
    constraint member_user_known foreign key (user_id) references gnatter.user_account (user_id),
    constraint member_leaves_after_joining check (left_seq >= joined_seq),
    constraint member_role_within check (role_seq >= joined_seq)
);
create unique index member_once on gnatter.member (conversation_id, user_id) where left_seq is null;
create index member_of_user on gnatter.member (user_id, conversation_id);
comment on table gnatter.member is
    'memberships, as intervals of seq: several rows per user and conversation after a rejoin, at most one of them open';
comment on column gnatter.member.conversation_id is 'of what';
comment on column gnatter.member.user_id is 'who';
comment on column gnatter.member.joined_seq is 'seq of the event that let her in; 1 in a direct conversation';
comment on column gnatter.member.left_seq is 'seq of the event that ended it, which she still gets; null: a member now';
comment on column gnatter.member.role is 'her role, the last one when she has left';
comment on column gnatter.member.role_seq is 'seq of the event that gave the role: who has had it longest';
comment on column gnatter.member.member_id is 'order of joining among those who joined with the same event';
comment on index gnatter.member_once is 'one open membership per user and conversation';
comment on index gnatter.member_of_user is 'a user''s conversations';

-- No foreign keys from here on: these are written with every batch, and a key check would lock the conversation's row.
create table gnatter.mark (
    conversation_id bigint not null,
    user_id bigint not null,
    delivered_seq bigint not null default 0,
    read_seq bigint not null default 0,
    changed_at timestamptz not null default now(),
    constraint mark_pk primary key (conversation_id, user_id),
    constraint mark_read_is_delivered check (read_seq between 0 and delivered_seq)
) with (fillfactor = 70);
comment on table gnatter.mark is 'how far a user has got in a conversation; no row: nothing';
comment on column gnatter.mark.conversation_id is 'of what';
comment on column gnatter.mark.user_id is 'whose';
comment on column gnatter.mark.delivered_seq is 'at least one device holds everything up to here';
comment on column gnatter.mark.read_seq is 'the user has read everything up to here';
comment on column gnatter.mark.changed_at is 'when one of them last grew';

create table gnatter.cursor (
    conversation_id bigint not null,
    device_id bigint not null,
    acked_seq bigint not null,
    constraint cursor_pk primary key (conversation_id, device_id),
    constraint cursor_not_negative check (acked_seq >= 0)
) with (fillfactor = 70);
comment on table gnatter.cursor is 'how far a device has acknowledged a conversation; no row: nothing';
comment on column gnatter.cursor.conversation_id is 'of what';
comment on column gnatter.cursor.device_id is 'which device';
comment on column gnatter.cursor.acked_seq is 'it holds everything up to here';

-- What a check constraint would guard here, verify() checks: see conversation.
create table gnatter.message (
    conversation_id bigint not null,
    seq bigint not null,
    time_ms bigint not null,
    sender_user_id bigint,
    sender_device_id bigint,
    message_id gnatter.message_id,
    event_type gnatter.event_type,
    payload bytea not null,
    constraint message_pk primary key (conversation_id, seq),
    constraint message_id_once unique (conversation_id, sender_device_id, message_id)
);
create index message_event on gnatter.message (conversation_id, seq) where event_type is not null;
comment on table gnatter.message is 'the log: each item of a conversation once, in the order of seq';
comment on column gnatter.message.conversation_id is 'of what';
comment on column gnatter.message.seq is '1, 2, 3, ... per conversation';
comment on column gnatter.message.time_ms is
    'Unix milliseconds when it was persisted; never goes back within a conversation';
comment on column gnatter.message.sender_user_id is 'who sent it; of an event: who did it, null for an administrator';
comment on column gnatter.message.sender_device_id is 'the sending device; null for an event';
comment on column gnatter.message.message_id is
    'the sender''s id; stays when the message is deleted, so that sending again finds it; null for other events';
comment on column gnatter.message.event_type is 'null for a message; what happened for an event';
comment on column gnatter.message.payload is 'the message as it was sent, or the event''s JSON';
comment on index gnatter.message_event is 'the events of a conversation; costs a message nothing';

create table gnatter.rpc_method (
    name text collate "C" not null,
    function_name text not null,
    is_mutating boolean not null,
    constraint rpc_method_pk primary key (name)
);
comment on table gnatter.rpc_method is
    'what devices can ask for: each method is a function (user_id, device_id, params) -> result';
comment on column gnatter.rpc_method.name is 'as in rpc/<method>/<request id>';
comment on column gnatter.rpc_method.function_name is 'the function in this schema';
comment on column gnatter.rpc_method.is_mutating is
    'true: the answer is kept, so that the same request is not done twice';

create table gnatter.rpc_answer (
    device_id bigint not null,
    request_id gnatter.message_id not null,
    request_hash bytea not null,
    answer jsonb,
    at timestamptz not null default now(),
    constraint rpc_answer_pk primary key (device_id, request_id)
);
create index rpc_answer_age on gnatter.rpc_answer (at);
comment on index gnatter.rpc_answer_age is 'which answers are old enough to be forgotten';
comment on table gnatter.rpc_answer is 'answers of requests that changed something: asked again, the same answer';
comment on column gnatter.rpc_answer.device_id is 'who asked';
comment on column gnatter.rpc_answer.request_id is 'the device''s id of the request';
comment on column gnatter.rpc_answer.request_hash is
    'SHA-256 of method and parameters: another request under the same id is a new one';
comment on column gnatter.rpc_answer.answer is 'the answer; null only inside the transaction that makes it';
comment on column gnatter.rpc_answer.at is 'when it was answered; kept for a day';
