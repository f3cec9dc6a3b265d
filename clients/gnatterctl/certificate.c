/* Asked before the broker gets them: it would go on with what it has, and not come up again when it next starts. */
#include "certificate.h"
#include "text.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

/* The broker runs where nobody can type one. */
static int no_password(char *buf, int size, int is_writing, void *ctx)
{
    (void)buf, (void)size, (void)is_writing, (void)ctx;
    return 0;
}

const char *certificate_why_not(const char *certificate, const char *key)
{
    const char *file = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return "no memory for TLS";
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        file = certificate;
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        file = key;
    const char *reason = file ? ERR_reason_error_string(ERR_peek_error()) : NULL;
    SSL_CTX_free(ctx);
    if (!file)
        return NULL;
    return text_format("%s is not %s: %s", file,
                       file == certificate ? "a certificate chain in PEM"
                                           : "the key, in PEM and without a password, of that certificate",
                       reason ? reason : "unknown");
}
