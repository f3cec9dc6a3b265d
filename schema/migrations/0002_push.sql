-- Push notifications: which devices can be woken and how, whom a conversation may not wake, and the wake-ups to send.
create table gnatter.push_registration (
    device_id bigint not null,
    registration_id bigint not null generated always as identity,
    user_id bigint not null,
    provider text not null,
    token text collate "C",
    endpoint text collate "C",
    p256dh bytea,
    auth bytea,
    topic text collate "C",
    is_sandbox boolean not null default false,
    shows boolean not null default true,
    registered_at timestamptz not null default clock_timestamp(),
    refused_at timestamptz,
    refused_reason text,
    constraint push_registration_pk primary key (device_id),
    constraint push_registration_device_known foreign key (device_id) references gnatter.device (device_id),
    constraint push_registration_provider_known
        check (provider in ('apns', 'fcm', 'webpush', 'unifiedpush', 'webhook')),
    constraint push_registration_plain check (provider = 'webhook' or coalesce(endpoint, token) ~ '^[!-[\]-~]+$'),
    constraint push_registration_is_complete check (case
        when provider in ('webpush', 'unifiedpush')
        then token is null and endpoint is not null and octet_length(p256dh) = 65 and octet_length(auth) = 16
        else endpoint is null and p256dh is null and auth is null and (token is not null or provider = 'webhook') end)
);
create index push_registration_of_user on gnatter.push_registration (user_id);
create unique index push_registration_once on gnatter.push_registration
    (sha256(decode(coalesce(endpoint, token), 'escape')))
    where provider <> 'webhook';
comment on table gnatter.push_registration is 'how a device that is not live can be woken; one way per device, the last one registered';
comment on column gnatter.push_registration.device_id is 'which device';
comment on column gnatter.push_registration.registration_id is 'another one with each registration: what was sent before tells nothing about it';
comment on column gnatter.push_registration.user_id is 'the device''s user';
comment on column gnatter.push_registration.provider is 'apns, fcm, webpush, unifiedpush or webhook';
comment on column gnatter.push_registration.token is 'the provider''s name for the app on the device; webhook: what the operator''s server likes, or null';
comment on column gnatter.push_registration.endpoint is 'webpush, unifiedpush: where to send; given by the device, so never trusted';
comment on column gnatter.push_registration.p256dh is 'webpush, unifiedpush: the device''s public key, an uncompressed P-256 point';
comment on column gnatter.push_registration.auth is 'webpush, unifiedpush: the device''s secret';
comment on column gnatter.push_registration.topic is 'apns: which of the configured apps; null: the first';
comment on column gnatter.push_registration.is_sandbox is 'apns: a development build';
comment on column gnatter.push_registration.shows is 'the app shows a notification for a wake-up; false: it only fetches';
comment on column gnatter.push_registration.registered_at is 'when; clock time, as providers say since when a token is gone';
comment on column gnatter.push_registration.refused_at is 'when the provider would not take it as we send it; null: nothing against it';
comment on column gnatter.push_registration.refused_reason is 'what the provider said then';
comment on index gnatter.push_registration_of_user is 'finds nothing, and at once, for users without such devices';
comment on index gnatter.push_registration_once is 'an app that changes hands belongs to who registered it last';

create table gnatter.conversation_mute (
    conversation_id bigint not null,
    user_id bigint not null,
    muted_until timestamptz not null default 'infinity',
    constraint conversation_mute_pk primary key (conversation_id, user_id)
);
comment on table gnatter.conversation_mute is 'conversations that wake no device of a user';
comment on column gnatter.conversation_mute.conversation_id is 'which';
comment on column gnatter.conversation_mute.user_id is 'whose devices';
comment on column gnatter.conversation_mute.muted_until is 'until when; infinity: until it is unmuted';

create table gnatter.push_wake (
    conversation_id bigint not null,
    device_id bigint not null,
    absent_since timestamptz,
    woken_at timestamptz not null,
    constraint push_wake_pk primary key (conversation_id, device_id)
) with (fillfactor = 70);
create index push_wake_of_device on gnatter.push_wake (device_id);
comment on table gnatter.push_wake is 'for which conversations a device has been woken: once in each absence';
comment on column gnatter.push_wake.conversation_id is 'which';
comment on column gnatter.push_wake.device_id is 'which device';
comment on column gnatter.push_wake.absent_since is 'the device''s last_seen_at then: another one now means another absence';
comment on column gnatter.push_wake.woken_at is 'when; what is older than a wake-up''s life counts no more';
comment on index gnatter.push_wake_of_device is 'to forget them with the device';

create table gnatter.push_job (
    job_id bigint not null generated always as identity,
    device_id bigint not null,
    provider text not null,
    state text not null default 'queued',
    attempt int not null default 0,
    due_at timestamptz not null default now(),
    claimed_by text,
    is_again boolean not null default false,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    reason text,
    constraint push_job_pk primary key (job_id),
    constraint push_job_state_known check (state in ('queued', 'sending', 'held', 'sent', 'gone', 'refused', 'failed',
        'expired', 'needless')),
    constraint push_job_finished check ((finished_at is null) = (state in ('queued', 'sending', 'held')))
) with (fillfactor = 70);
create unique index push_job_outstanding on gnatter.push_job (device_id) where finished_at is null;
create index push_job_due on gnatter.push_job (due_at) where finished_at is null;
create index push_job_age on gnatter.push_job (finished_at) where finished_at is not null;
comment on table gnatter.push_job is 'wake-ups to send; finished ones are kept for a day, to look at';
comment on column gnatter.push_job.job_id is 'key';
comment on column gnatter.push_job.device_id is 'whom';
comment on column gnatter.push_job.provider is 'by whom; as registered when it was made';
comment on column gnatter.push_job.state is
    'queued; sending: claimed by a worker; held: the provider''s configuration is wrong; sent: the provider took it; gone: the '
    'token was unregistered; refused: the token will not be tried again; failed: given up; expired: too late; needless: the '
    'device is back or has nothing to fetch';
comment on column gnatter.push_job.attempt is 'how often it was claimed';
comment on column gnatter.push_job.due_at is 'when it may be claimed; while it is being sent: when the worker counts as dead';
comment on column gnatter.push_job.claimed_by is 'the worker that has it or had it last';
comment on column gnatter.push_job.is_again is 'something more came while it was being sent: once again after that';
comment on column gnatter.push_job.created_at is 'when';
comment on column gnatter.push_job.finished_at is 'when it ended; null: not yet';
comment on column gnatter.push_job.reason is 'what the provider said last';
comment on index gnatter.push_job_outstanding is 'at most one outstanding wake-up per device';
comment on index gnatter.push_job_due is 'the next ones to send';
comment on index gnatter.push_job_age is 'which finished ones are old enough to be forgotten';

create table gnatter.push_provider (
    provider text not null,
    public_key text,
    is_stopped boolean not null default false,
    reason text,
    told_by text not null,
    told_at timestamptz not null default now(),
    constraint push_provider_pk primary key (provider)
);
comment on table gnatter.push_provider is 'the providers that services send with, as the services told last';
comment on column gnatter.push_provider.provider is 'apns, fcm, webpush, unifiedpush or webhook';
comment on column gnatter.push_provider.public_key is 'webpush, unifiedpush: what devices subscribe with (applicationServerKey), base64url';
comment on column gnatter.push_provider.is_stopped is 'its configuration is wrong: nothing goes until that is mended';
comment on column gnatter.push_provider.reason is 'why it is stopped';
comment on column gnatter.push_provider.told_by is 'by which service';
comment on column gnatter.push_provider.told_at is 'when';
