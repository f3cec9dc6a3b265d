#define _GNU_SOURCE /* dl_iterate_phdr, memmem */
#include "host.h"
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The version is a constant of its own between two zeros: Mosquitto prints it with "mosquitto version %s". */
static int look_for_version(struct dl_phdr_info *program, size_t size, void *ret_found)
{
    static const char version[] = "\0" HOST_VERSION, told_with[] = "mosquitto version %s";
    bool has_version = false, has_told_with = false;
    (void)size;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &program->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & (PF_R | PF_W | PF_X)) != PF_R)
            continue;
        const void *bytes = (const void *)(program->dlpi_addr + part->p_vaddr); /* NOLINT(performance-no-int-to-ptr) */
        has_version = has_version || memmem(bytes, part->p_filesz, version, sizeof(version));
        has_told_with = has_told_with || memmem(bytes, part->p_filesz, told_with, sizeof(told_with));
    }
    *(bool *)ret_found = has_version && has_told_with;
    return 1; /* the first is the program itself; no further ones */
}

enum host host_look(void)
{
    char path[4096];
    bool found = false;
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    const char *slash = strrchr(path, '/');
    if (!slash || strcmp(slash + 1, "mosquitto") != 0)
        return HOST_OTHER;
    const char *wish = getenv("GNATTER_ACCELERATOR");
    if (wish && !strcmp(wish, "off"))
        return HOST_SWITCHED_OFF;
    (void)dl_iterate_phdr(look_for_version, &found);
    return found ? HOST_KNOWN : HOST_UNKNOWN;
}

void host_mark(void)
{
    int fd = memfd_create("gnatter-accelerator", MFD_CLOEXEC);
    if (fd < 0)
        return;                                        /* then nobody sees it */
    (void)mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0); /* never read: its name is all there is to it */
    (void)close(fd);
}
