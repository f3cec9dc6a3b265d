/*
 * What push needs of cryptography, addresses and lanes; RFC 8291 appendix A.
 * link: sync-service/push/crypto.c sync-service/push/address.c sync-service/push/lane.c
 * link: sync-service/push/provider.c sync-service/push/payload.c sync-service/push/apns.c
 * link: sync-service/push/fcm.c sync-service/push/webpush.c sync-service/push/webhook.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sync-service/push/address.h"
#include "sync-service/push/crypto.h"
#include "sync-service/push/lane.h"
#include "sync-service/push/payload.h"

#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* RFC 8291, appendix A */
static const char sender_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                 "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyfWPiYE+n46HLnH0\n"
                                 "KqZOF1fJJU3MYrct3AELtAQ+oRyhRANCAAT+M/SrDepxkU21WCP3O1SUj0EwbZIH\n"
                                 "Mtu5pZpTKGSCIA5Zent7wmC6HCJ5mFgJkuk5cwAvMBKiiujwa7t45ewP\n"
                                 "-----END PRIVATE KEY-----\n";
#define SENDER_PUBLIC "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
#define DEVICE_PUBLIC "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define DEVICE_AUTH   "BTBZMqHH6r4Tts7J_aSIgg"
#define SALT          "DGv6ra1nlYgDCS1FRnbzlw"
#define PLAIN         "When I grow up, I want to be a watermelon"
#define SEALED                                                                                                         \
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_"                                                                   \
    "c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"                                             \
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"

static void bytes_of(const char *text, unsigned char *bytes, size_t len)
{
    size_t got;
    assert_int_equal(sodium_base642bin(bytes, len, text, strlen(text), NULL, &got, NULL, BASE64URL), 0);
    assert_int_equal(got, len);
}

static struct crypto_key *sender_key(void)
{
    struct crypto_key *key = NULL;
    assert_int_equal(crypto_key_read(slice_of(sender_pem), &key), STATUS_OK);
    return key;
}

static void webpush_rfc8291(void **state)
{
    (void)state;
    unsigned char p256dh[PUSH_PUBLIC_KEY_LEN], auth[PUSH_AUTH_LEN], salt[CRYPTO_SALT_LEN], point[PUSH_PUBLIC_KEY_LEN];
    unsigned char sealed[512];
    char text[512];
    size_t len;
    struct crypto_key *key = sender_key();
    bytes_of(DEVICE_PUBLIC, p256dh, sizeof p256dh);
    bytes_of(DEVICE_AUTH, auth, sizeof auth);
    bytes_of(SALT, salt, sizeof salt);
    assert_int_equal(crypto_key_public(key, point), STATUS_OK);
    assert_string_equal(sodium_bin2base64(text, sizeof text, point, sizeof point, BASE64URL), SENDER_PUBLIC);
    assert_int_equal(crypto_webpush(SLICE(PLAIN), p256dh, auth, key, salt, sealed, sizeof sealed, &len), STATUS_OK);
    assert_string_equal(sodium_bin2base64(text, sizeof text, sealed, len, BASE64URL), SEALED);
    assert_int_equal(crypto_webpush(SLICE(PLAIN), p256dh, auth, key, salt, sealed, len - 1, &len), STATUS_TOO_LARGE);
    p256dh[40] ^= 1;
    assert_int_equal(crypto_webpush(SLICE(PLAIN), p256dh, auth, NULL, NULL, sealed, sizeof sealed, &len),
                     STATUS_MALFORMED); /* not on the curve */
    crypto_key_free(key);
}

static void keys_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *why;
    } cases[] = {
        {"", "nothing"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no key in it"},
        {"-----BEGIN EC PRIVATE KEY-----\n"
         "MIGkAgEBBDDMVWMSWP0FctXVb8CHyMAM+TvpQMlul7H54xyrnHRcBEE4w1CuvY55\n"
         "lIwT1MdeV8igBwYFK4EEACKhZANiAASs+YowH6zS0hWm0zsmSzeq1qaKHHtrDeOw\n"
         "Tejx3O5Cey4RcdBWeaF2TwhVmPfZcH0hGXPhx78snVSR5cm5a9EndV5x4Jbuqo2l\n"
         "xp0TEpOufhOYwNJw2xZhnHxccX0asTY=\n-----END EC PRIVATE KEY-----\n",
         "another curve (P-384)"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
         "MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAh\n-----END ENCRYPTED PRIVATE KEY-----\n",
         "a passphrase"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crypto_key *key = NULL;
        if (crypto_key_read(slice_of(cases[i].pem), &key) != STATUS_MALFORMED)
            fail_msg("taken: %s", cases[i].why);
        assert_null(key);
    }
}

static void jwt_form(void **state)
{
    (void)state;
    char text[512];
    struct crypto_key *key = sender_key();
    assert_int_equal(crypto_jwt(key, SLICE("{\"alg\":\"ES256\"}"), SLICE("{}"), text, sizeof text), STATUS_OK);
    assert_int_equal(strncmp(text, "eyJhbGciOiJFUzI1NiJ9.e30.", 25), 0);
    assert_int_equal(strlen(text), 25 + 86); /* two numbers of 32 bytes, never DER */
    assert_int_equal(crypto_jwt(key, SLICE("{\"alg\":\"ES256\"}"), SLICE("{}"), text, 25 + 86), STATUS_TOO_LARGE);
    crypto_key_free(key);
}

static void hmac_rfc4231(void **state)
{
    (void)state;
    char hex[CRYPTO_HMAC_HEX_LEN + 1];
    const struct slice parts[] = {SLICE("what do ya want "), SLICE("for nothing?")};
    assert_int_equal(crypto_hmac_hex(SLICE("Jefe"), parts, 2, hex), STATUS_OK); /* test case 2 */
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"93.184.216.34", true},
        {"8.8.8.8", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"100.63.255.255", true},
        {"100.128.0.0", true},
        {"169.253.0.1", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"10.1.2.3", false},
        {"100.64.0.1", false},
        {"127.0.0.1", false},
        {"127.255.255.254", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.0.0.8", false},
        {"192.0.2.1", false},
        {"192.168.0.1", false},
        {"198.18.0.1", false},
        {"198.19.255.255", false},
        {"198.51.100.1", false},
        {"203.0.113.1", false},
        {"224.0.0.1", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"2606:2800:220:1::1", true},
        {"2a00:1450:4001:81b::200e", true},
        {"64:ff9b::8.8.8.8", true},
        {"2002:0808:0808::1", true},
        {"::", false},
        {"::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:8.8.8.8", false},
        {"64:ff9b::10.0.0.1", false},
        {"64:ff9b:1::8.8.8.8", false},
        {"2002:7f00:0001::1", false},
        {"2001::1", false},
        {"2001:db8::1", false},
        {"3fff::1", false},
        {"fc00::1", false},
        {"fd12:3456::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"100::1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v4 = inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1;
        assert_true(is_v4 || inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr) == 1);
        const struct sockaddr *address = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
        if (address_is_public(address, is_v4 ? sizeof v4 : sizeof v6) != cases[i].is_public)
            fail_msg("%s is %spublic", cases[i].text, cases[i].is_public ? "" : "not ");
    }
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(address_is_public(&local, sizeof local));
}

static void origins(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin; /* NULL: refused */
    } cases[] = {
        {"https://push.example.net/send/1", "https://push.example.net"},
        {"HTTPS://Push.Example.Net:8443?x", "https://push.example.net:8443"},
        {"https://[2606:2800::1]:443/", "https://[2606:2800::1]:443"},
        {"http://push.example.net/", NULL},
        {"https://", NULL},
        {"https:///x", NULL},
        {"https://user@push.example.net/", NULL},
        {"https://push.example.net\\@10.0.0.1/", NULL},
        {"https://push.example.net/#x", NULL},
        {"https://push.example.net/a b", NULL},
        {"https://push.example.net/\r\nx: y", NULL},
        {"https://p\xc3\xbcsh.example.net/", NULL},
        {"ftp://push.example.net/", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char origin[PUSH_ORIGIN_LEN] = "";
        enum status status = push_origin(slice_of(cases[i].url), false, origin);
        assert_int_equal(status, cases[i].origin == NULL ? STATUS_MALFORMED : STATUS_OK);
        if (cases[i].origin != NULL)
            assert_string_equal(origin, cases[i].origin);
    }
    char origin[PUSH_ORIGIN_LEN];
    assert_int_equal(push_origin(SLICE("http://10.0.0.1/hook"), true, origin), STATUS_OK);
}

static void backoff(void **state)
{
    (void)state;
    assert_int_equal(push_backoff_ms(1, 0), 1000);
    assert_int_equal(push_backoff_ms(1, 1023), 2998);
    assert_int_equal(push_backoff_ms(3, 512), 8000);
    assert_int_equal(push_backoff_ms(30, 512), 15 * 60 * 1000);
    for (uint32_t random = 0; random < 5000; random++)
        assert_in_range(push_backoff_ms(2, random), 2000, 6000);
}

static void lanes(void **state)
{
    (void)state;
    static struct lanes lanes;
    struct lane *a = lanes_find(&lanes, "https://a", 1), *b = lanes_find(&lanes, "https://b", 2);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(lanes_find(&lanes, "https://a", 3), a);
    lane_failed(a, 0, 1000, -1, 512);
    assert_int_equal(a->paused_until_ms, 3000);
    lane_failed(a, 500, 1100, -1, 512); /* sent before the other failed: the same trouble */
    assert_int_equal(a->failures, 1);
    lane_failed(a, 3000, 4000, 90000, 512);
    assert_int_equal(a->failures, 2);
    assert_int_equal(a->paused_until_ms, 94000);
    for (int i = 0; i < 30; i++)
        lane_failed(b, i * 100000, i * 100000, -1, 1023);
    assert_int_equal(b->paused_until_ms, 29 * 100000 + LANE_PAUSE_MS_MAX);
    lane_taken(a);
    assert_int_equal(a->paused_until_ms, 0);
    for (int i = 0; i < LANE_REFUSERS - 1; i++) {
        assert_false(lane_key_refused(a, i));
        assert_false(lane_key_refused(a, 0)); /* one user alone stops nothing */
    }
    assert_true(lane_key_refused(a, 99));
    a->under_way = 1;
    for (int i = 0; i < 2 * LANES_MAX; i++) {
        char origin[32];
        (void)snprintf(origin, sizeof origin, "https://%d", i);
        assert_string_equal(lanes_find(&lanes, origin, 10 + i)->origin, origin);
    }
    assert_int_equal(lanes.len, LANES_MAX);
    assert_ptr_equal(lanes_find(&lanes, "https://a", 1), a); /* in use: not forgotten */
}

static void text_is_cut(void **state)
{
    (void)state;
    char text[2 * PAYLOAD_TEXT_BYTES];
    struct push_wake wake = {.text = {text, sizeof text}};
    memset(text, 'x', sizeof text);
    memcpy(text + PAYLOAD_TEXT_BYTES - 2, (const char[]){'\xe2', '\x82', '\xac'}, 3); /* a euro sign across the limit */
    char *cut = payload_text(&wake);
    assert_int_equal(strlen(cut), PAYLOAD_TEXT_BYTES - 2);
    free(cut);
    wake.text.len = 0;
    assert_null(payload_text(&wake));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(webpush_rfc8291), cmocka_unit_test(keys_refused), cmocka_unit_test(jwt_form),
        cmocka_unit_test(hmac_rfc4231),    cmocka_unit_test(addresses),    cmocka_unit_test(origins),
        cmocka_unit_test(backoff),         cmocka_unit_test(lanes),        cmocka_unit_test(text_is_cut),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
