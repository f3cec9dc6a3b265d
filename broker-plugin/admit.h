#ifndef GNATTER_ADMIT_H
#define GNATTER_ADMIT_H
/*
 * Who may connect: a device by its token, the sync service by the link secret. Every doubt denies. Broker's thread.
 */
#include "revoked.h"
#include "token.h"

#define ADMIT_SECRET_LEN_MIN 32
#define ADMIT_SECRET_LEN_MAX 256
#define ADMIT_TOKENS_SEEN    65536       /* 1 MiB; memory that is not used yet is not taken */
#define ADMIT_SERVICE_PREFIX "$gnatter:" /* of a service's client id */

struct admit {
    struct token_key keys[LIMIT_KEYS];
    size_t keys_len;
    struct token_seen seen; /* of devices that were here before */
    char link_secret[ADMIT_SECRET_LEN_MAX + 1];
    size_t link_secret_len;
};

/* Reads both files, or leaves everything as it was and says in `why` what is wrong. */
MUST_CHECK enum status admit_load(struct admit *admit, const char *keys_file, const char *link_secret_file, char *why,
                                  size_t why_size);
void admit_done(struct admit *admit); /* wipes the secret */

/* What a CONNECT says; NULL: not there. */
struct admit_request {
    const char *client_id, *user_name, *password;
};
bool admit_is_service_request(const struct admit_request *request);
MUST_CHECK enum status admit_service(const struct admit *admit, const struct admit_request *request);
/* STATUS_OK: *ret_claims are those of the device. Else *ret_why is a word for the log: STATUS_DENIED, or
 * STATUS_NO_MEMORY to look at its token. */
MUST_CHECK enum status admit_device(struct admit *admit, const struct revoked *revoked,
                                    const struct admit_request *request, int64_t now_s, struct token_claims *ret_claims,
                                    const char **ret_why);
/* Is a token of this device, issued then, void by now? */
bool admit_is_revoked(const struct revoked *revoked, struct slice user, struct slice client_id, int64_t issued_at_s);

#endif
