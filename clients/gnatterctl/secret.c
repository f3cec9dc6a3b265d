#include "secret.h"
#include "file.h"
#include "output.h"
#include "text.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>

void secret_make(char ret_text[SECRET_TEXT_SIZE])
{
    unsigned char bytes[(SECRET_TEXT_SIZE - 1) / 2];
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(ret_text, SECRET_TEXT_SIZE, bytes, sizeof(bytes));
    sodium_memzero(bytes, sizeof(bytes));
}

/* In a password file ":" and "\" are written with a backslash before them. */
static const char *escape(const char *text)
{
    const char *escaped = "";
    for (; *text; text++)
        escaped = text_format("%s%s%c", escaped, *text == ':' || *text == '\\' ? "\\" : "", *text);
    return escaped;
}

enum result secret_pgpass(const struct node *node, const char *name, const char *role, const char *password, uid_t uid,
                          gid_t gid)
{
    char *line = text_format("*:*:*:%s:%s\n", escape(role), escape(password));
    enum status status = file_write(node->dir_fd, name, line, strlen(line), 0600, uid, gid);
    sodium_memzero(line, strlen(line));
    return status == STATUS_OK ? DONE : fail("cannot write %s: %s", node_path(node, name), strerror(errno));
}

enum result secret_password(const struct node *node, const char *name, char **ret_password)
{
    char *text;
    if (file_read(node->dir_fd, name, &text, NULL) != STATUS_OK)
        return fail("cannot read %s: %s", node_path(node, name), strerror(errno));
    text = text_trim(text);
    const char *at = text;
    for (int fields = 0; *at && fields < 4; at++) { /* host, port, database, role */
        if (*at == '\\' && at[1])
            at++;
        else if (*at == ':')
            fields++;
    }
    char *password = text_copy(at, strlen(at)), *to = password;
    for (; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        *to++ = *at;
    }
    *to = '\0';
    *ret_password = password;
    return DONE;
}
