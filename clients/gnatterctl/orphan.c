#include "orphan.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct looks {
    const char *program, *folder;
} looks[PARTS] = {
    [PART_POSTGRES] = {"postgres", "postgres"},
    [PART_BROKER] = {"mosquitto", "."},
    [PART_SYNCD] = {"gnatter-syncd", "."},
};

static bool runs(pid_t pid, const char *program, const struct stat *folder)
{
    char path[64], exe[PATH_MAX];
    struct stat about;
    (void)snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
    ssize_t len = readlink(path, exe, sizeof(exe) - 1);
    if (len <= 0)
        return false; /* gone, or somebody else's */
    exe[len] = '\0';
    const char *name = strrchr(exe, '/');
    size_t program_len = strlen(program);
    /* a program that was replaced meanwhile is called "name (deleted)" */
    if (!name || strncmp(name + 1, program, program_len) != 0 ||
        (name[1 + program_len] && name[1 + program_len] != ' '))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%ld/cwd", (long)pid);
    return stat(path, &about) == 0 && about.st_dev == folder->st_dev && about.st_ino == folder->st_ino;
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
    struct stat folder;
    DIR *processes = opendir("/proc");
    if (!processes || fstatat(node->dir_fd, looks[id].folder, &folder, 0) != 0)
        goto out;
    for (const struct dirent *entry; !found.pid && (entry = readdir(processes));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10); /* 0 for what is no process */
        /* PostgreSQL's children look like it; their parent does, too */
        if (pid > 0 && runs(pid, looks[id].program, &folder) && !runs(parent_of(pid), looks[id].program, &folder) &&
            !process_identify(pid, &found))
            found.pid = 0;
    }
out:
    if (processes)
        (void)closedir(processes);
    return found;
}
