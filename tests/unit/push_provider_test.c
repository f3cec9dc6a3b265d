/*
 * Push providers: what every answer comes to, when credentials are renewed, what never gets into a request.
 * link: sync-service/push/crypto.c sync-service/push/provider.c sync-service/push/payload.c
 * link: sync-service/push/apns.c sync-service/push/fcm.c sync-service/push/webpush.c
 * link: sync-service/push/webhook.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sync-service/push/provider.h"

/* RFC 8291, appendix A: the application server's key */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyfWPiYE+n46HLnH0\n"
                              "KqZOF1fJJU3MYrct3AELtAQ+oRyhRANCAAT+M/SrDepxkU21WCP3O1SUj0EwbZIH\n"
                              "Mtu5pZpTKGSCIA5Zent7wmC6HCJ5mFgJkuk5cwAvMBKiiujwa7t45ewP\n"
                              "-----END PRIVATE KEY-----\n";
#define NOW_MS    1770000000000
#define MINUTE_MS 60000

static char key_file[] = "/tmp/gnatter-push-XXXXXX";
static struct push_options options = {
    .apns_key_file = key_file,
    .apns_key_id = (char[]){"KEY1234567"},
    .apns_team_id = (char[]){"TEAM123456"},
    .apns_topics = (char[]){"net.example.a, net.example.b"},
    .apns_url = (char[]){"https://api.push.apple.com"},
    .apns_sandbox_url = (char[]){"https://api.sandbox.push.apple.com"},
    .fcm_account_file = key_file,
    .fcm_url = (char[]){"https://fcm.example.net"},
    .webpush_key_file = key_file,
    .webpush_subject = (char[]){"mailto:a@example.net"},
    .webhook_url = (char[]){"http://10.0.0.1/hook"},
    .webhook_secret_file = key_file,
};

static int file_make(void **state)
{
    (void)state;
    int fd = mkstemp(key_file);
    ssize_t written = fd < 0 ? -1 : write(fd, key_pem, sizeof key_pem - 1);
    return fd < 0 || close(fd) != 0 || written != (ssize_t)(sizeof key_pem - 1);
}

static int file_remove(void **state)
{
    (void)state;
    return unlink(key_file);
}

static struct push_provider *opened(const struct push_provider_type *type)
{
    struct push_provider *provider = NULL;
    char error[PUSH_ERROR_LEN] = "";
    if (type->open(&options, &provider, error) != STATUS_OK)
        fail_msg("%s: %s", type->name, error);
    return provider;
}

struct answer { /* NOLINT(clang-analyzer-optin.performance.Padding): the order of reading */
    int status;
    const char *body;
    int64_t retry_after_ms;
    enum push_outcome outcome;
    const char *reason;
    int64_t gone_before_ms;
    bool pauses;
};

static void judge(const struct push_provider_type *type, const struct answer answers[], size_t len)
{
    struct push_provider *provider = type == &push_fcm ? NULL : opened(type);
    for (size_t i = 0; i < len; i++) {
        const struct answer *answer = &answers[i];
        struct push_verdict verdict;
        struct push_response response = {.status = answer->status,
                                         .failure = answer->status == 0 ? answer->body : NULL,
                                         .retry_after_ms = answer->retry_after_ms,
                                         .credential_ms = -1, /* of another credential than the present one */
                                         .body = slice_of(answer->status == 0 ? "" : answer->body)};
        type->verdict(provider, &response, NOW_MS, &verdict);
        if (verdict.outcome != answer->outcome || strcmp(verdict.reason, answer->reason) != 0 ||
            verdict.gone_before_ms != answer->gone_before_ms || verdict.pauses != answer->pauses ||
            (verdict.outcome == PUSH_RETRY && answer->retry_after_ms > 0 && verdict.after_ms != answer->retry_after_ms))
            fail_msg("%s %d %s: %s %s, gone before %lld, after %lld, pauses %d", type->name, answer->status,
                     answer->body, push_outcome_name(verdict.outcome), verdict.reason,
                     (long long)verdict.gone_before_ms, (long long)verdict.after_ms, verdict.pauses);
    }
    type->close(provider);
}
#define JUDGE(type, answers) judge(type, answers, sizeof(answers) / sizeof(answers)[0])

static void apns_answers(void **state)
{
    (void)state;
#define APNS(status, reason, outcome)                                                                                  \
    {                                                                                                                  \
        status, "{\"reason\":\"" reason "\"}", -1, outcome, reason, 0, false                                           \
    }
    static const struct answer answers[] = {
        {200, "", -1, PUSH_SENT, "sent", 0, false},
        APNS(400, "BadCollapseId", PUSH_FAILED),
        APNS(400, "BadDeviceToken", PUSH_REFUSED),
        APNS(400, "BadExpirationDate", PUSH_FAILED),
        APNS(400, "BadMessageId", PUSH_FAILED),
        APNS(400, "BadPriority", PUSH_FAILED),
        APNS(400, "BadTopic", PUSH_STOPPED),
        APNS(400, "DeviceTokenNotForTopic", PUSH_REFUSED),
        APNS(400, "DuplicateHeaders", PUSH_FAILED),
        APNS(400, "IdleTimeout", PUSH_RETRY),
        APNS(400, "InvalidPushType", PUSH_FAILED),
        APNS(400, "MissingDeviceToken", PUSH_REFUSED),
        APNS(400, "MissingTopic", PUSH_STOPPED),
        APNS(400, "PayloadEmpty", PUSH_FAILED),
        APNS(400, "TopicDisallowed", PUSH_STOPPED),
        APNS(400, "ANewOne", PUSH_FAILED),
        APNS(403, "BadCertificate", PUSH_STOPPED),
        APNS(403, "BadCertificateEnvironment", PUSH_STOPPED),
        APNS(403, "BadEnvironmentKeyIdInToken", PUSH_STOPPED),
        APNS(403, "ExpiredProviderToken", PUSH_RENEW),
        APNS(403, "Forbidden", PUSH_STOPPED),
        APNS(403, "InvalidProviderToken", PUSH_STOPPED),
        APNS(403, "MissingProviderToken", PUSH_STOPPED),
        APNS(403, "UnrelatedKeyIdInToken", PUSH_STOPPED),
        APNS(403, "ANewOne", PUSH_STOPPED),
        APNS(404, "BadPath", PUSH_STOPPED),
        APNS(405, "MethodNotAllowed", PUSH_STOPPED),
        APNS(410, "Unregistered", PUSH_GONE),
        {410, "{\"reason\":\"Unregistered\",\"timestamp\":1700000000123}", -1, PUSH_GONE, "Unregistered", 1700000000123,
         false},
        {410, "{\"reason\":\"ExpiredToken\",\"timestamp\":1700000000123}", -1, PUSH_GONE, "ExpiredToken", 1700000000123,
         false},
        {410, "{\"reason\":\"Unregistered\",\"timestamp\":\"soon\"}", -1, PUSH_GONE, "Unregistered", 0, false},
        {410, "", -1, PUSH_GONE, "http-410", 0, false},
        APNS(413, "PayloadTooLarge", PUSH_FAILED),
        APNS(429, "TooManyRequests", PUSH_RETRY),
        {500, "{\"reason\":\"InternalServerError\"}", -1, PUSH_RETRY, "InternalServerError", 0, true},
        {503, "{\"reason\":\"ServiceUnavailable\"}", 7000, PUSH_RETRY, "ServiceUnavailable", 0, true},
        {503, "{\"reason\":\"Shutdown\"}", -1, PUSH_RETRY, "Shutdown", 0, true},
        {502, "<html>", -1, PUSH_RETRY, "http-502", 0, true},
        {400, "not json", -1, PUSH_FAILED, "http-400", 0, false},
        {400, "{\"reason\":17}", -1, PUSH_FAILED, "http-400", 0, false},
        {400, "{\"reason\":\"a\\nb c\"}", -1, PUSH_FAILED, "a_b_c", 0, false},
        {0, "timeout", -1, PUSH_RETRY, "timeout", 0, true},
    };
    JUDGE(&push_apns, answers);
}

static void fcm_answers(void **state)
{
    (void)state;
#define DETAIL(code) "{\"error\":{\"status\":\"X\",\"details\":[{\"@type\":\"FcmError\",\"errorCode\":\"" code "\"}]}}"
#define STATUS(code) "{\"error\":{\"status\":\"" code "\"}}"
#define FIELD(name)                                                                                                    \
    "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"fieldViolations\":[{\"field\":\"" name "\"}]}]}}"
    static const struct answer answers[] = {
        {200, "{}", -1, PUSH_SENT, "sent", 0, false},
        {404, DETAIL("UNREGISTERED"), -1, PUSH_GONE, "UNREGISTERED", 0, false},
        {404, STATUS("NOT_FOUND"), -1, PUSH_STOPPED, "NOT_FOUND", 0, false},
        {404, "<html>", -1, PUSH_STOPPED, "http-404", 0, false},
        {403, DETAIL("SENDER_ID_MISMATCH"), -1, PUSH_REFUSED, "SENDER_ID_MISMATCH", 0, false},
        {403, STATUS("PERMISSION_DENIED"), -1, PUSH_STOPPED, "PERMISSION_DENIED", 0, false},
        {401, DETAIL("THIRD_PARTY_AUTH_ERROR"), -1, PUSH_STOPPED, "THIRD_PARTY_AUTH_ERROR", 0, false},
        {400, DETAIL("INVALID_ARGUMENT"), -1, PUSH_REFUSED, "INVALID_ARGUMENT", 0, false},
        {400, FIELD("message.token"), -1, PUSH_REFUSED, "INVALID_ARGUMENT", 0, false},
        {400, FIELD("message.data"), -1, PUSH_FAILED, "INVALID_ARGUMENT", 0, false},
        {400, "", -1, PUSH_FAILED, "http-400", 0, false},
        {429, DETAIL("QUOTA_EXCEEDED"), 5000, PUSH_RETRY, "QUOTA_EXCEEDED", 0, true},
        {503, DETAIL("UNAVAILABLE"), 9000, PUSH_RETRY, "UNAVAILABLE", 0, true},
        {500, STATUS("INTERNAL"), -1, PUSH_RETRY, "INTERNAL", 0, true},
        {502, "<html>", -1, PUSH_RETRY, "http-502", 0, true},
        {0, "connection-ended", -1, PUSH_RETRY, "connection-ended", 0, true},
    };
    JUDGE(&push_fcm, answers);
}

static void webpush_and_webhook_answers(void **state)
{
    (void)state;
    static const struct answer webpush[] = {
        {201, "", -1, PUSH_SENT, "sent", 0, false},        {202, "", -1, PUSH_SENT, "sent", 0, false},
        {404, "", -1, PUSH_GONE, "http-404", 0, false},    {410, "", -1, PUSH_GONE, "http-410", 0, false},
        {401, "", -1, PUSH_REFUSED, "http-401", 0, false}, {403, "", -1, PUSH_REFUSED, "http-403", 0, false},
        {400, "", -1, PUSH_FAILED, "http-400", 0, false},  {413, "", -1, PUSH_FAILED, "http-413", 0, false},
        {302, "", -1, PUSH_REFUSED, "http-302", 0, false}, {429, "", 3000, PUSH_RETRY, "http-429", 0, false},
        {500, "", -1, PUSH_RETRY, "http-500", 0, true},    {0, "timeout", -1, PUSH_RETRY, "timeout", 0, true},
    };
    JUDGE(&push_webpush, webpush);
    static const struct answer webhook[] = {
        {200, "", -1, PUSH_SENT, "sent", 0, false},        {204, "", -1, PUSH_SENT, "sent", 0, false},
        {410, "", -1, PUSH_GONE, "http-410", 0, false},    {401, "", -1, PUSH_STOPPED, "http-401", 0, false},
        {403, "", -1, PUSH_STOPPED, "http-403", 0, false}, {404, "", -1, PUSH_STOPPED, "http-404", 0, false},
        {301, "", -1, PUSH_STOPPED, "http-301", 0, false}, {422, "", -1, PUSH_FAILED, "http-422", 0, false},
        {429, "", 2000, PUSH_RETRY, "http-429", 0, true},  {503, "", -1, PUSH_RETRY, "http-503", 0, true},
    };
    JUDGE(&push_webhook, webhook);
}

static struct push_request request;

static const char *header(const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < request.headers_len; at += strlen(request.headers + at) + 1)
        if (strncmp(request.headers + at, name, len) == 0 && request.headers[at + len] == ':')
            return request.headers + at + len + 2;
    return "";
}

static struct push_wake apns_wake(void)
{
    return (struct push_wake){.job_id = 7,
                              .device_id = 9,
                              .attempt = 1,
                              .expires_ms = NOW_MS + 1000,
                              .token = SLICE("00112233"),
                              .shows = true,
                              .badge = 1,
                              .conversations = 1};
}

/* Between 20 and 60 minutes; and after "expired" only when it was old, and once for all requests that had it. */
static void apns_token_is_renewed(void **state)
{
    (void)state;
    struct push_provider *apns = opened(&push_apns);
    struct push_wake wake = apns_wake();
    struct push_verdict verdict;
    char first[600], second[600];
    const struct {
        int64_t at_ms;
        bool is_new;
        const char *why;
    } steps[] = {
        {NOW_MS, true, "none yet"},
        {NOW_MS + 19 * MINUTE_MS, false, "Apple refuses a second one within 20 minutes"},
        {NOW_MS + 39 * MINUTE_MS, false, "still good"},
        {NOW_MS + 41 * MINUTE_MS, true, "well before the hour"},
        {NOW_MS + 30 * MINUTE_MS, true, "the clock was set back: iat would lie in the future"},
    };
    first[0] = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(push_apns.request(apns, &wake, steps[i].at_ms, &request, &verdict), STATUS_OK);
        (void)snprintf(second, sizeof second, "%s", header("authorization"));
        if ((strcmp(first, second) != 0) != steps[i].is_new)
            fail_msg("%s", steps[i].why);
        memcpy(first, second, sizeof first);
    }
    const int64_t made_ms = NOW_MS + 30 * MINUTE_MS;
    struct push_response expired = {.status = 403, .body = SLICE("{\"reason\":\"ExpiredProviderToken\"}")};
    expired.credential_ms = request.credential_ms;
    push_apns.verdict(apns, &expired, made_ms + 19 * MINUTE_MS, &verdict);
    assert_int_equal(verdict.outcome, PUSH_STOPPED); /* our clock is wrong */
    push_apns.verdict(apns, &expired, made_ms + 25 * MINUTE_MS, &verdict);
    assert_int_equal(verdict.outcome, PUSH_RENEW);
    assert_int_equal(push_apns.request(apns, &wake, made_ms + 25 * MINUTE_MS, &request, &verdict), STATUS_OK);
    assert_string_not_equal(first, header("authorization"));
    push_apns.verdict(apns, &expired, made_ms + 25 * MINUTE_MS, &verdict); /* another stream that had the old one */
    assert_int_equal(verdict.outcome, PUSH_RENEW);
    assert_int_equal(push_apns.request(apns, &wake, made_ms + 26 * MINUTE_MS, &request, &verdict), STATUS_OK);
    assert_int_equal(request.credential_ms, made_ms + 25 * MINUTE_MS);
    push_apns.close(apns);
}

/* A service account with a key of its own, in place of the other file. */
static void account_make(void)
{
    char pem[4096];
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = EVP_RSA_gen(2048);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    int len = BIO_read(bio, pem, sizeof pem - 1);
    assert_true(len > 0);
    pem[len] = '\0';
    EVP_PKEY_free(key);
    (void)BIO_free(bio);
    cJSON *account = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(account, "private_key", pem);
    (void)cJSON_AddStringToObject(account, "private_key_id", "k");
    (void)cJSON_AddStringToObject(account, "client_email", "a@example.net");
    (void)cJSON_AddStringToObject(account, "project_id", "p");
    (void)cJSON_AddStringToObject(account, "token_uri", "https://example.net/token");
    char *text = cJSON_PrintUnformatted(account);
    FILE *file = fopen(key_file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    cJSON_free(text);
    cJSON_Delete(account);
}

static int key_again(void **state)
{
    (void)state;
    FILE *file = fopen(key_file, "w");
    return file == NULL || fputs(key_pem, file) < 0 || fclose(file) != 0;
}

static void fcm_token_is_renewed(void **state)
{
    (void)state;
    account_make();
    struct push_provider *fcm = opened(&push_fcm);
    struct push_wake wake = apns_wake();
    struct push_verdict verdict;
    const struct push_response granted = {.status = 200, .body = SLICE("{\"access_token\":\"t\",\"expires_in\":3600}")};
    assert_int_equal(push_fcm.request(fcm, &wake, NOW_MS, &request, &verdict), STATUS_STALE);
    assert_int_equal(push_fcm.credential(fcm, NOW_MS, &request), STATUS_OK);
    push_fcm.credential_verdict(fcm, &granted, NOW_MS, &verdict);
    assert_int_equal(verdict.outcome, PUSH_SENT);
    assert_int_equal(push_fcm.request(fcm, &wake, NOW_MS, &request, &verdict), STATUS_OK);
    const struct {
        int64_t at_ms;
        enum status status;
        const char *why;
    } steps[] = {
        {NOW_MS, STATUS_NOT_FOUND, "it is new"},
        {NOW_MS + 54 * MINUTE_MS, STATUS_NOT_FOUND, "still good"},
        {NOW_MS + 56 * MINUTE_MS, STATUS_OK, "some minutes before it ends"},
        {NOW_MS - 1, STATUS_OK, "the clock was set back: nobody knows when it ends"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (push_fcm.credential(fcm, steps[i].at_ms, &request) != steps[i].status)
            fail_msg("%s", steps[i].why);
    struct push_response expired = {.status = 401, .credential_ms = NOW_MS, .body = SLICE("")};
    push_fcm.verdict(fcm, &expired, NOW_MS + 9999, &verdict);
    assert_int_equal(verdict.outcome, PUSH_STOPPED); /* our account is wrong */
    push_fcm.verdict(fcm, &expired, NOW_MS - MINUTE_MS, &verdict);
    assert_int_equal(verdict.outcome, PUSH_RENEW);
    assert_int_equal(push_fcm.request(fcm, &wake, NOW_MS - MINUTE_MS, &request, &verdict), STATUS_STALE);
    push_fcm.close(fcm);
}

static void apns_request_form(void **state)
{
    (void)state;
    struct push_provider *apns = opened(&push_apns);
    struct push_wake wake = apns_wake();
    struct push_verdict verdict;
    assert_int_equal(push_apns.request(apns, &wake, NOW_MS, &request, &verdict), STATUS_OK);
    assert_string_equal(request.url, "https://api.push.apple.com/3/device/00112233");
    assert_string_equal(header("apns-topic"), "net.example.a");
    assert_string_equal(header("apns-expiration"), "1770000001");
    assert_int_equal(strlen(header("apns-collapse-id")), PUSH_COLLAPSE_LEN);
    assert_string_equal(header("apns-id"), "00000001-0009-4000-8000-000000000007");
    wake.topic = SLICE("net.example.b");
    wake.is_sandbox = true;
    assert_int_equal(push_apns.request(apns, &wake, NOW_MS, &request, &verdict), STATUS_OK);
    assert_string_equal(header("apns-topic"), "net.example.b");
    assert_int_equal(strncmp(request.url, "https://api.sandbox.", 20), 0);
    wake.topic = SLICE("net.example");
    assert_int_not_equal(push_apns.request(apns, &wake, NOW_MS, &request, &verdict), STATUS_OK);
    assert_int_equal(verdict.outcome, PUSH_REFUSED);
    push_apns.close(apns);
}

static void headers_cannot_be_split(void **state)
{
    (void)state;
    assert_int_equal(push_request_begin(&request, SLICE("https://a"), "/%d", 1), STATUS_OK);
    assert_int_equal(push_request_header(&request, "a", "%s", "b\r\nc: d"), STATUS_MALFORMED);
    assert_int_equal(request.headers_len, 0);
    static char large[PUSH_HEADERS_BYTES];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(push_request_header(&request, "a", "%s", large), STATUS_TOO_LARGE);
    assert_int_equal(push_request_begin(&request, (struct slice){large, PUSH_URL_LEN}, "%s", ""), STATUS_TOO_LARGE);
    assert_int_equal(push_request_body(&request, (struct slice){large, PUSH_BODY_BYTES + 1}), STATUS_TOO_LARGE);
}

static void configurations_refused(void **state)
{
    (void)state;
    char nothing[] = "", number[] = "https://user@api.example.net", other[] = "ftp://x", missing[] = "/nonexistent/key";
    const struct {
        const struct push_provider_type *type;
        char **option;
        char *value;
    } cases[] = {
        {&push_apns, &options.apns_key_id, nothing},
        {&push_apns, &options.apns_team_id, nothing},
        {&push_apns, &options.apns_topics, nothing},
        {&push_apns, &options.apns_url, number},
        {&push_apns, &options.apns_key_file, missing},
        {&push_webpush, &options.webpush_subject, nothing},
        {&push_webpush, &options.webpush_key_file, missing},
        {&push_webhook, &options.webhook_url, other},
        {&push_webhook, &options.webhook_secret_file, missing},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *before = *cases[i].option, error[PUSH_ERROR_LEN] = "";
        struct push_provider *provider = NULL;
        *cases[i].option = cases[i].value;
        assert_int_not_equal(cases[i].type->open(&options, &provider, error), STATUS_OK);
        assert_null(provider);
        assert_string_not_equal(error, "");
        *cases[i].option = before;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apns_answers),
        cmocka_unit_test(fcm_answers),
        cmocka_unit_test_teardown(fcm_token_is_renewed, key_again),
        cmocka_unit_test(webpush_and_webhook_answers),
        cmocka_unit_test(apns_token_is_renewed),
        cmocka_unit_test(apns_request_form),
        cmocka_unit_test(headers_cannot_be_split),
        cmocka_unit_test(configurations_refused),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, file_make, file_remove);
}
