#include "orphan.h"
#include "conf.h"
#include "file.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct part_looks {
    const char *program, *folder;
    enum account_role role;
} part_looks[PARTS] = {
    [PART_POSTGRES] = {"postgres", "postgres", ACCOUNT_DATABASE},
    [PART_BROKER] = {"mosquitto", ".", ACCOUNT_BROKER},
    [PART_SYNCD] = {"gnatter-syncd", ".", ACCOUNT_SERVICE},
};

/* Anybody can run something of that name in that folder: it is ours when it runs as whom we would start it. Wherever
 * the program lies: an older version's part is taken over too. */
struct looks {
    const char *program;
    uid_t uid;
    struct stat folder;
};

/* The service becomes what its configuration says; init wrote the account there that we would choose. */
static bool service_uid(const struct node *node, uid_t *ret_uid)
{
    char *text;
    int line = 0;
    struct conf_pair pair = {.section = ""};
    const struct passwd *entry = NULL;
    if (file_read(node->dir_fd, NODE_CONF, &text, NULL) != STATUS_OK)
        return false;
    for (const char *at = text; conf_next(&at, &line, &pair);)
        if (!strcmp(pair.section, "service") && !strcmp(pair.key, "user"))
            entry = getpwnam(pair.value);
    if (entry)
        *ret_uid = entry->pw_uid;
    return entry;
}

static bool find_looks(const struct node *node, enum part_id id, struct looks *ret_looks)
{
    struct account account;
    if (!account_find(part_looks[id].role, &account))
        return false;
    ret_looks->program = part_looks[id].program;
    ret_looks->uid = account.name ? account.uid : geteuid();
    if (id == PART_SYNCD && account.name)
        (void)service_uid(node, &ret_looks->uid); /* as it was: it says nothing of it */
    return fstatat(node->dir_fd, part_looks[id].folder, &ret_looks->folder, 0) == 0;
}

static bool runs(pid_t pid, const struct looks *looks)
{
    char path[64], exe[PATH_MAX];
    struct stat about;
    (void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    if (stat(path, &about) != 0 || (about.st_uid != looks->uid && about.st_uid != geteuid()))
        return false; /* ours for a moment, before it becomes the account's */
    (void)snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
    ssize_t len = readlink(path, exe, sizeof(exe) - 1);
    if (len <= 0)
        return false; /* gone */
    exe[len] = '\0';
    const char *name = strrchr(exe, '/');
    size_t program_len = strlen(looks->program);
    /* a program that was replaced meanwhile is called "name (deleted)" */
    if (!name || strncmp(name + 1, looks->program, program_len) != 0 ||
        (name[1 + program_len] && name[1 + program_len] != ' '))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%ld/cwd", (long)pid);
    return stat(path, &about) == 0 && about.st_dev == looks->folder.st_dev && about.st_ino == looks->folder.st_ino;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    long parent = 0;
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    const char *end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    if (!end || sscanf(end + 1, " %*c %ld", &parent) != 1)
        parent = 0;
    (void)fclose(file); /* was only read */
    return (pid_t)parent;
}

struct process orphan_find(const struct node *node, enum part_id id)
{
    struct process found = {0};
    struct looks looks;
    DIR *processes = opendir("/proc");
    if (!processes || !find_looks(node, id, &looks))
        goto out;
    for (const struct dirent *entry; !found.pid && (entry = readdir(processes));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10); /* 0 for what is no process */
        /* PostgreSQL's children look like it; their parent does, too */
        if (pid > 0 && runs(pid, &looks) && !runs(parent_of(pid), &looks) && !process_identify(pid, &found))
            found.pid = 0;
    }
out:
    if (processes)
        (void)closedir(processes);
    return found;
}
