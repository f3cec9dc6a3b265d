#include "limiter.h"

#include <string.h>

#include "frame.h"
#include "small_file.h"

#define TELL_MS        1000
#define FILE_BYTES_MAX 8192

/* ---- what operators set ---- */
static enum status file_take(const char *path, struct rate_options *options, char *why, size_t why_size)
{
    char text[FILE_BYTES_MAX];
    size_t len;
    if (path[0] == '\0')
        return STATUS_OK;
    enum status status = small_file_read(path, text, sizeof text, &len, why, why_size);
    return status == STATUS_OK ? options_limits_read(options, text, why, why_size) : status;
}

/* Is what `times` of `one`, `tokens` each, can do always within `all`? */
static bool is_within(struct rate one, uint64_t times, uint64_t tokens, struct rate all)
{
    return one.per_second * times * tokens <= all.per_second && one.burst * times * tokens <= all.burst;
}

static void needs_find(struct limiter *limiter, uint64_t max_message_bytes)
{
    const struct rates *rates = &limiter->rates;
    limiter->needs_bytes = !is_within(rates->chat, 1, rates_bytes_tokens((size_t)max_message_bytes), rates->bytes);
    limiter->needs_direct = !is_within(rates->chat_user, 2, 1, rates->chat_conversation);
}

enum status limiter_reload(struct limiter *limiter, const struct options *options, char *why, size_t why_size)
{
    struct rate_options fresh = limiter->given;
    enum status status = file_take(options->limits_file, &fresh, why, why_size);
    if (status != STATUS_OK)
        return status;
    rates_make(&limiter->rates, &fresh, !options->limits);
    needs_find(limiter, options->max_message_bytes);
    return trusted_parse(fresh.trusted_addresses, &limiter->addresses.trusted);
}

enum status limiter_init(struct limiter *limiter, const struct options *options, char *why, size_t why_size)
{
    memset(limiter, 0, sizeof *limiter);
    limiter->given = options->rates;
    addresses_init(&limiter->addresses, ADDRESSES_MAX);
    ledger_init(&limiter->bytes, LIMITER_NAMES_MAX);
    ledger_init(&limiter->conversations, LIMITER_NAMES_MAX);
    ledger_init(&limiter->groups, LIMITER_NAMES_MAX);
    return limiter_reload(limiter, options, why, why_size);
}

void limiter_done(struct limiter *limiter)
{
    addresses_done(&limiter->addresses);
    ledger_done(&limiter->bytes);
    ledger_done(&limiter->conversations);
    ledger_done(&limiter->groups);
}

void limiter_sweep(struct limiter *limiter, uint32_t now_ms)
{
    addresses_sweep(&limiter->addresses, &limiter->rates, now_ms);
    ledger_sweep(&limiter->bytes, limiter->rates.bytes, now_ms);
    ledger_sweep(&limiter->conversations, limiter->rates.chat_conversation, now_ms);
    ledger_sweep(&limiter->groups, limiter->rates.groups, now_ms);
}

/* ---- counting ---- */
void limiter_count(struct limiter *limiter, enum counter counter)
{
    limiter->counted[counter]++;
}

void limiter_tell_anew(struct limiter *limiter)
{
    limiter->has_told = false;
}

bool limiter_tell(struct limiter *limiter, uint32_t now_ms, char *values)
{
    if (limiter->has_told && now_ms - limiter->told_ms < TELL_MS)
        return false;
    limiter->counted[COUNTER_ADDRESSES] = addresses_len(&limiter->addresses);
    if (limiter->has_told && memcmp(limiter->counted, limiter->told, sizeof limiter->told) == 0)
        return false;
    memcpy(limiter->told, limiter->counted, sizeof limiter->told);
    limiter->has_told = true;
    limiter->told_ms = now_ms;
    for (uint32_t i = 0; i < COUNTERS; i++)
        frame_counter_put(values, i, limiter->counted[i]);
    return true;
}

/* ---- taking ---- */
static bool hit(struct limiter *limiter, struct limit_hit *ret_hit, enum counter counter, const char *message)
{
    ret_hit->counter = counter;
    ret_hit->message = message;
    limiter_count(limiter, counter);
    return false;
}

static struct slice device_of(const struct session *session)
{
    return slice_of(session->client_id);
}

bool limiter_take_message(struct limiter *limiter, struct session *session, struct slice conversation, size_t bytes,
                          uint32_t now_ms, struct limit_hit *ret_hit)
{
    const struct rates *rates = &limiter->rates;
    uint32_t tokens = rates_bytes_tokens(bytes), *retry_after_ms = &ret_hit->retry_after_ms;
    bool is_user;
    if (rates->is_off)
        return true;
    if (!rates_take_chat(rates, session->rates, &session->user->chat, now_ms, retry_after_ms, &is_user))
        return hit(limiter, ret_hit, is_user ? COUNTER_USER_MESSAGES : COUNTER_DEVICE_MESSAGES,
                   "too many messages; try again later");
    if (limiter->needs_bytes &&
        !ledger_take(&limiter->bytes, device_of(session), rates->bytes, now_ms, tokens, retry_after_ms)) {
        rates_return_chat(rates, session->rates, &session->user->chat);
        return hit(limiter, ret_hit, COUNTER_DEVICE_BYTES, "too many bytes; try again later");
    }
    bool is_group = conversation.at[0] == 'g';
    if ((is_group || limiter->needs_direct) &&
        !ledger_take(&limiter->conversations, conversation, rates->chat_conversation, now_ms, 1, retry_after_ms)) {
        rates_return_chat(rates, session->rates, &session->user->chat);
        if (limiter->needs_bytes) /* else it was not taken; what a request took stays taken */
            ledger_return(&limiter->bytes, device_of(session), rates->bytes, tokens);
        return hit(limiter, ret_hit, COUNTER_CONVERSATION_MESSAGES,
                   "too many messages in this conversation; try again later");
    }
    return true;
}

bool limiter_take_request(struct limiter *limiter, struct session *session, bool makes_group, size_t bytes,
                          uint32_t now_ms, struct limit_hit *ret_hit)
{
    const struct rates *rates = &limiter->rates;
    uint32_t tokens = rates_bytes_tokens(bytes), *retry_after_ms = &ret_hit->retry_after_ms;
    if (rates->is_off)
        return true;
    if (!rates_take(rates, &session->rates->rpc, rates->rpc, now_ms, 1)) {
        *retry_after_ms = bucket_wait_ms(&session->rates->rpc, rates->rpc);
        return hit(limiter, ret_hit, COUNTER_DEVICE_REQUESTS, "too many requests; try again later");
    }
    if (!ledger_take(&limiter->bytes, device_of(session), rates->bytes, now_ms, tokens, retry_after_ms)) {
        bucket_return(&session->rates->rpc, rates->rpc, 1);
        return hit(limiter, ret_hit, COUNTER_DEVICE_BYTES, "too many bytes; try again later");
    }
    if (makes_group && !ledger_take(&limiter->groups, slice_of(session->user->name), rates->groups, now_ms,
                                    RATES_HOUR_TOKENS, retry_after_ms)) {
        bucket_return(&session->rates->rpc, rates->rpc, 1);
        ledger_return(&limiter->bytes, device_of(session), rates->bytes, tokens);
        return hit(limiter, ret_hit, COUNTER_USER_GROUPS, "too many groups; try again later");
    }
    return true;
}
