#include "rates.h"

static uint32_t limited(uint64_t number)
{
    return (uint32_t)(number < BUCKET_BURST_MAX ? number : BUCKET_BURST_MAX);
}

/* So many a second of what takes `tokens` each. */
static struct rate rate_of(uint64_t per_second, uint64_t burst, uint32_t tokens)
{
    return (struct rate){limited(per_second), limited(burst * tokens)};
}

static uint64_t units(uint64_t bytes)
{
    return (bytes + RATES_BYTES_OF_TOKEN - 1) / RATES_BYTES_OF_TOKEN;
}

uint32_t rates_bytes_tokens(size_t bytes)
{
    return limited(units(bytes));
}

void rates_make(struct rates *ret_rates, const struct rate_options *options, bool is_off)
{
    uint64_t user_per_second = options->user_messages_per_second, user_burst = options->user_messages_burst;
    if (user_per_second == 0)
        user_per_second = options->messages_per_second * RATES_USER_FACTOR;
    if (user_burst == 0)
        user_burst = options->messages_burst * RATES_USER_FACTOR;
    *ret_rates = (struct rates){
        .is_off = is_off,
        .chat = rate_of(options->messages_per_second, options->messages_burst, 1),
        .chat_user = rate_of(user_per_second, user_burst, 1),
        .bytes = rate_of(units(options->bytes_per_second), units(options->bytes_burst), 1),
        .chat_conversation =
            rate_of(options->conversation_messages_per_second, options->conversation_messages_burst, 1),
        .rpc = rate_of(options->requests_per_second, options->requests_burst, 1),
        .groups = rate_of(options->groups_per_hour, options->groups_burst, RATES_HOUR_TOKENS),
        .typing = {10, 20},
        .marks = {500, 5000},
        .denied = {1, 10},
        .errors = {20, 1000},
        .connections = rate_of(options->connections_per_second, options->connections_burst, 1),
        .auth_failures = rate_of(options->auth_failures_per_minute, options->auth_failures_burst, RATES_MINUTE_TOKENS),
    };
}

void rates_session_start(struct rates_session *session, const struct rates *rates, uint32_t now_ms)
{
    bucket_fill(&session->chat, rates->chat, now_ms);
    bucket_fill(&session->rpc, rates->rpc, now_ms);
    bucket_fill(&session->typing, rates->typing, now_ms);
    bucket_fill(&session->marks, rates->marks, now_ms);
    bucket_fill(&session->denied, rates->denied, now_ms);
    bucket_fill(&session->errors, rates->errors, now_ms);
}

bool rates_are_full(const struct rates *rates, struct rates_session *session, uint32_t now_ms)
{
    return bucket_is_full(&session->chat, rates->chat, now_ms) && bucket_is_full(&session->rpc, rates->rpc, now_ms) &&
           bucket_is_full(&session->typing, rates->typing, now_ms) &&
           bucket_is_full(&session->marks, rates->marks, now_ms) &&
           bucket_is_full(&session->denied, rates->denied, now_ms) &&
           bucket_is_full(&session->errors, rates->errors, now_ms);
}

bool rates_take_chat(const struct rates *rates, struct rates_session *session, struct bucket *user, uint32_t now_ms,
                     uint32_t *ret_retry_after_ms, bool *ret_is_user)
{
    if (rates->is_off)
        return true;
    if (!bucket_take(&session->chat, rates->chat, now_ms, 1)) {
        *ret_retry_after_ms = bucket_wait_ms(&session->chat, rates->chat);
        *ret_is_user = false;
        return false;
    }
    if (!bucket_take(user, rates->chat_user, now_ms, 1)) {
        bucket_return(&session->chat, rates->chat, 1);
        *ret_retry_after_ms = bucket_wait_ms(user, rates->chat_user);
        *ret_is_user = true;
        return false;
    }
    return true;
}

void rates_return_chat(const struct rates *rates, struct rates_session *session, struct bucket *user)
{
    bucket_return(&session->chat, rates->chat, 1);
    bucket_return(user, rates->chat_user, 1);
}

uint32_t rates_pause_ms(const struct rates *rates, struct rates_session *session, uint32_t retry_after_ms,
                        uint32_t now_ms)
{
    (void)bucket_take(&session->errors, rates->errors, now_ms, 0); /* lets what has come in the meantime in */
    uint32_t pause_ms = bucket_wait_for_ms(&session->errors, rates->errors, rates->errors.burst) +
                        1000 / rates->errors.per_second; /* this one's */
    if (pause_ms > RATES_PAUSE_MAX_MS)
        pause_ms = RATES_PAUSE_MAX_MS;
    return pause_ms > retry_after_ms ? pause_ms : retry_after_ms;
}

bool rates_take(const struct rates *rates, struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens)
{
    return rates->is_off || bucket_take(bucket, rate, now_ms, tokens);
}
