#include "keys.h"
#include "file.h"
#include "output.h"
#include "parts.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define HEAD   "# Public keys that tokens may be signed with, oldest first: <kid> <base64url of an Ed25519 public key>\n"

/* The next line "<kid> <key>" of the public keys file; moves *at on. */
static bool next_key(char **at, char **ret_kid, char **ret_public)
{
    while (**at) {
        char *line = *at;
        char *end = strchr(line, '\n');
        *at = end ? end + 1 : line + strlen(line);
        line = text_trim(text_copy(line, (size_t)(*at - line)));
        char *gap = strchr(line, ' ');
        if (line[0] == '#' || !gap)
            continue;
        *gap = '\0';
        *ret_kid = line;
        *ret_public = text_trim(gap + 1);
        return true;
    }
    return false;
}

static bool is_listed(char *text, const char *name)
{
    char *kid, *public;
    while (next_key(&text, &kid, &public))
        if (!strcmp(kid, name))
            return true;
    return false;
}

static enum result read_public(const struct node *node, char **ret_text)
{
    enum status status = file_read(node->dir_fd, NODE_PUBLIC_KEYS, ret_text, NULL);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return fail("cannot read %s: %s", node_path(node, NODE_PUBLIC_KEYS), strerror(errno));
    if (status == STATUS_NOT_FOUND)
        *ret_text = text_format(HEAD);
    return DONE;
}

static enum result write_public(const struct node *node, const char *text)
{
    if (file_write(node->dir_fd, NODE_PUBLIC_KEYS, text, strlen(text), 0644, (uid_t)-1, (gid_t)-1) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_PUBLIC_KEYS), strerror(errno));
    return DONE;
}

static const char *key_file(const char *kid)
{
    return text_format("keys/%s.key", kid);
}

/*
 * Until it is closed nobody else changes the keys: of two who read the list, each would write it without what the other
 * did, and a key that was retired would be back. Only the node's owner can open the folder. -1: said why not.
 */
static int keys_lock(const struct node *node)
{
    int fd = openat(node->dir_fd, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    (void)fail("cannot lock %s: %s", node_path(node, "keys"), strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* was only opened */
    return -1;
}

static enum result make(const struct node *node, const char **ret_kid)
{
    char *text, *kid, *public;
    enum result result = read_public(node, &text);
    if (result != DONE)
        return result;
    int keys = 0;
    for (char *at = text; next_key(&at, &kid, &public);)
        keys++;
    if (keys >= LIMIT_KEYS)
        return fail("there are %d keys already: retire an old one first (gnatterctl keys list)", keys);

    unsigned char seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES],
        secret[crypto_sign_SECRETKEYBYTES];
    char seed_text[64], public_text[64], date[32];
    randombytes_buf(seed, sizeof(seed));
    (void)crypto_sign_seed_keypair(public_key, secret, seed); /* cannot fail */
    sodium_bin2base64(seed_text, sizeof(seed_text), seed, sizeof(seed), BASE64);
    sodium_bin2base64(public_text, sizeof(public_text), public_key, sizeof(public_key), BASE64);
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(seed, sizeof(seed));
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    (void)strftime(date, sizeof(date), "%Y%m%d", &utc);
    do /* short, as it stands in every token; a name of an earlier key would only make its tokens look forged */
        kid = text_format("%s%02x", date + strlen("20"), randombytes_uniform(256));
    while (file_exists(node->dir_fd, key_file(kid)) || is_listed(text, kid));
    enum status status =
        file_write(node->dir_fd, key_file(kid), seed_text, strlen(seed_text), 0600, (uid_t)-1, (gid_t)-1);
    sodium_memzero(seed_text, sizeof(seed_text));
    if (status != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, key_file(kid)), strerror(errno));
    const char *break_before = text[0] && text[strlen(text) - 1] != '\n' ? "\n" : "";
    result = write_public(node, text_format("%s%s%s %s\n", text, break_before, kid, public_text));
    if (result == DONE)
        *ret_kid = kid;
    return result;
}

enum result key_make(const struct node *node, const char **ret_kid)
{
    int lock_fd = keys_lock(node);
    if (lock_fd < 0)
        return REFUSED;
    enum result result = make(node, ret_kid);
    (void)close(lock_fd); /* lets go */
    return result;
}

enum result key_load(const struct node *node, struct key *ret_key)
{
    char *text, *kid, *public, *newest = NULL, *newest_public = NULL;
    enum result result = read_public(node, &text);
    if (result != DONE)
        return result;
    while (next_key(&text, &kid, &public))
        if (file_exists(node->dir_fd, key_file(kid))) {
            newest = kid;
            newest_public = public;
        }
    if (!newest)
        return fail("no key to sign with in %s: gnatterctl keys add makes one", node_path(node, "keys"));
    char *seed_text;
    size_t seed_text_len, seed_len;
    if (file_read(node->dir_fd, key_file(newest), &seed_text, &seed_text_len) != STATUS_OK)
        return fail("cannot read %s: %s", node_path(node, key_file(newest)), strerror(errno));
    unsigned char seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    char public_text[64];
    char *trimmed = text_trim(seed_text);
    bool ok = strlen(newest) <= LIMIT_KID_LEN &&
              sodium_base642bin(seed, sizeof(seed), trimmed, strlen(trimmed), NULL, &seed_len, NULL, BASE64) == 0 &&
              seed_len == sizeof(seed);
    sodium_memzero(seed_text, seed_text_len);
    if (!ok)
        return fail("%s is not an Ed25519 seed in base64url", node_path(node, key_file(newest)));
    (void)crypto_sign_seed_keypair(public_key, ret_key->secret, seed); /* cannot fail */
    sodium_memzero(seed, sizeof(seed));
    memcpy(ret_key->kid, newest, strlen(newest) + 1);
    sodium_bin2base64(public_text, sizeof(public_text), public_key, sizeof(public_key), BASE64);
    if (strcmp(public_text, newest_public) != 0) {
        key_forget(ret_key);
        return fail("%s does not belong to its line in %s", node_path(node, key_file(newest)), NODE_PUBLIC_KEYS);
    }
    return DONE;
}

enum result command_keys_list(struct args *args)
{
    struct node node;
    char *text, *kid, *public;
    enum result result = node_open(args, &node);
    if (result != DONE || (result = read_public(&node, &text)) != DONE)
        return result;
    cJSON *array = cJSON_CreateArray();
    for (char *at = text; next_key(&at, &kid, &public);) {
        bool can_sign = file_exists(node.dir_fd, key_file(kid));
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "kid", kid);
        (void)cJSON_AddStringToObject(object, "public_key", public);
        (void)cJSON_AddBoolToObject(object, "can_sign", can_sign);
        (void)cJSON_AddItemToArray(array, object);
        if (!args->json)
            printf("%s  %s%s\n", kid, public, can_sign ? "" : "  (public part only)");
    }
    if (args->json)
        output_json(array);
    else
        cJSON_Delete(array);
    node_close(&node);
    return DONE;
}

enum result command_keys_add(struct args *args)
{
    struct node node;
    const char *kid = NULL;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    result = key_make(&node, &kid);
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "kid", kid);
        output_done(args, object, "%s: signs new tokens from now on", kid);
        (void)node_reload(&node); /* one that is down reads its keys when it starts */
    }
    node_close(&node);
    return result;
}

static enum result retire(const struct node *node, const char *wanted)
{
    char *text, *kid, *public;
    enum result result = read_public(node, &text);
    if (result != DONE)
        return result;
    const char *left = HEAD;
    int others = 0;
    bool found = false;
    for (char *at = text; next_key(&at, &kid, &public);) {
        if (!strcmp(kid, wanted)) {
            found = true;
            continue;
        }
        others += file_exists(node->dir_fd, key_file(kid));
        left = text_format("%s%s %s\n", left, kid, public);
    }
    if (!found)
        return fail("no key %s: gnatterctl keys list shows them", wanted);
    if (!others)
        return fail("%s is the only key that can sign: gnatterctl keys add first", wanted);
    result = write_public(node, left);
    if (result == DONE && unlinkat(node->dir_fd, key_file(wanted), 0) != 0 && errno != ENOENT)
        return fail("cannot remove %s: %s", node_path(node, key_file(wanted)), strerror(errno));
    return result;
}

enum result command_keys_retire(struct args *args)
{
    struct node node;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    int lock_fd = keys_lock(&node);
    result = lock_fd < 0 ? REFUSED : retire(&node, args->words[0]);
    if (lock_fd >= 0)
        (void)close(lock_fd); /* lets go */
    if (result == DONE) {
        output_done(args, NULL, "%s: forgotten; what it signed is invalid", args->words[0]);
        (void)node_reload(&node); /* one that is down reads its keys when it starts */
    }
    node_close(&node);
    return result;
}
