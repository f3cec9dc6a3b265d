#include "rates.h"

static struct rate rate_times(struct rate rate, uint32_t factor)
{
    uint64_t per_second = (uint64_t)rate.per_second * factor, burst = (uint64_t)rate.burst * factor;
    return (struct rate){
        .per_second = (uint32_t)(per_second < BUCKET_BURST_MAX ? per_second : BUCKET_BURST_MAX),
        .burst = (uint32_t)(burst < BUCKET_BURST_MAX ? burst : BUCKET_BURST_MAX),
    };
}

void rates_make(struct rates *ret_rates, uint32_t messages_per_second, uint32_t messages_burst, bool is_off)
{
    struct rate chat = {messages_per_second, messages_burst};
    *ret_rates = (struct rates){
        .is_off = is_off,
        .chat = chat,
        .chat_user = rate_times(chat, RATES_USER_FACTOR),
        .rpc = {20, 100},
        .typing = {10, 20},
        .marks = {500, 5000},
        .denied = {1, 10},
        .errors = {5, 1000},
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
                     uint32_t *ret_retry_after_ms)
{
    if (rates->is_off)
        return true;
    if (!bucket_take(&session->chat, rates->chat, now_ms, 1)) {
        *ret_retry_after_ms = bucket_wait_ms(&session->chat, rates->chat);
        return false;
    }
    if (!bucket_take(user, rates->chat_user, now_ms, 1)) {
        bucket_return(&session->chat, rates->chat, 1);
        *ret_retry_after_ms = bucket_wait_ms(user, rates->chat_user);
        return false;
    }
    return true;
}

bool rates_take(const struct rates *rates, struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens)
{
    return rates->is_off || bucket_take(bucket, rate, now_ms, tokens);
}
