#include "process.h"
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>
#include "exposition.h"

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static void memory_metrics(FILE *out)
{
    unsigned long virtual_pages, resident_pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%lu %lu", &virtual_pages, &resident_pages) == 2) {
        double page_bytes = (double)sysconf(_SC_PAGESIZE);
        exposition_gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
                         (double)virtual_pages * page_bytes);
        exposition_gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
                         (double)resident_pages * page_bytes);
    }
    (void)fclose(file); /* only read from */
}

static void descriptor_metrics(FILE *out)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        goto out;
    int open_fds = -3; /* ".", ".." and the folder itself */
    while (readdir(dir) != NULL)
        open_fds++;
    exposition_gauge(out, "process_open_fds", "Number of open file descriptors.", open_fds);
    exposition_gauge(out, "process_max_fds", "Maximum number of open file descriptors.", (double)limit.rlim_cur);
out:
    if (dir != NULL)
        (void)closedir(dir);
}

void process_metrics(FILE *out, int64_t since_unix_s)
{
    struct rusage usage;
    exposition_gauge(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                     (double)since_unix_s);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        exposition_counter(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                           seconds(usage.ru_utime) + seconds(usage.ru_stime));
    memory_metrics(out);
    descriptor_metrics(out);
}
