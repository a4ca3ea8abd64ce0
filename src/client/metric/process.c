#include "client/metric/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/core/identity.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/family.h"
#include "client/metric/source.h"

enum { FILE_MAX = 4096, FDS_PERIOD_S = 10 };

static void one(struct source_writer *w, const char *name, enum source_type type, const char *help,
                double value)
{
    source_family(w, name, type, help, NULL);
    source_sample(w, "", NULL, value);
}

/* A small file of /proc; false: it cannot be read. */
static bool read_file(const char *path, char ret[FILE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, ret, FILE_MAX - 1);
    close(fd);
    ret[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* Fields of /proc/self/stat by their numbers in proc(5). */
struct stat_fields {
    unsigned long long utime, stime, threads, start_ticks, vsize, rss_pages;
};

static bool read_stat(struct stat_fields *ret)
{
    char text[FILE_MAX];
    if (!read_file("/proc/self/stat", text)) {
        return false;
    }
    char *at = strrchr(text, ')'); /* the name may have blanks and brackets */
    unsigned long long field[25] = {0};
    unsigned n = 2;
    for (at = at ? at + 1 : NULL; at && *at == ' ' && n < 24;) {
        n++;
        char *end = at + 1;
        field[n] = n == 3 ? 0 : strtoull(at + 1, &end, 10);
        at = strchr(at + 1, ' ');
    }
    *ret = (struct stat_fields){.utime = field[14],
                                .stime = field[15],
                                .threads = field[20],
                                .start_ticks = field[22],
                                .vsize = field[23],
                                .rss_pages = field[24]};
    return n >= 24;
}

/* Newer kernels say how many there are as the size of the folder; where it must be read, that is
 * done each ten seconds only. */
static double open_fds(void)
{
    static double last;
    static uint64_t next_ns;
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
        return (double)st.st_size;
    }
    uint64_t now = ticks_monotonic_ns();
    if (now < next_ns) {
        return last;
    }
    DIR *d = opendir("/proc/self/fd");
    double n = 0;
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
        last = n - 3; /* ".", "..", and the one that reads */
        next_ns = now + (uint64_t)FDS_PERIOD_S * 1000000000u;
    }
    return last;
}

static double start_time_s(unsigned long long start_ticks)
{
    struct timespec boot, now;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    double since_boot = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    double unix_now = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    static double kept;
    static pid_t kept_of;
    if (kept_of != identity.pid) { /* once, so that a clock that is set does not restart it */
        kept_of = identity.pid;
        kept = unix_now - since_boot + (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    }
    return kept;
}

static void write_process(struct source_writer *w)
{
    struct stat_fields f;
    struct rlimit limit;
    if (!read_stat(&f)) {
        return;
    }
    double tick = (double)sysconf(_SC_CLK_TCK);
    one(w, "process_cpu_seconds", SOURCE_COUNTER, "User and system CPU time spent, in seconds.",
        (double)(f.utime + f.stime) / tick);
    one(w, "process_resident_memory_bytes", SOURCE_GAUGE, "Resident memory.",
        (double)f.rss_pages * (double)sysconf(_SC_PAGESIZE));
    one(w, "process_virtual_memory_bytes", SOURCE_GAUGE, "Virtual memory.", (double)f.vsize);
    one(w, "process_start_time_seconds", SOURCE_GAUGE, "When the process started, since 1970.",
        start_time_s(f.start_ticks));
    one(w, "process_open_fds", SOURCE_GAUGE, "Open file descriptors.", open_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        one(w, "process_max_fds", SOURCE_GAUGE, "File descriptors that may be open at once.",
            limit.rlim_cur == RLIM_INFINITY ? (double)UINT64_MAX : (double)limit.rlim_cur);
    }
    one(w, "process_threads", SOURCE_GAUGE, "Threads of the process.", (double)f.threads);
}

static void write_lost(struct source_writer *w)
{
    source_family(w, "sonde_client_lost", SOURCE_COUNTER,
                  "Things that were dropped, by what they are and why.", NULL);
    for (unsigned c = 0; c < LOST_CATEGORIES; c++) {
        for (unsigned r = 0; r < LOST_REASONS; r++) {
            uint64_t n = lost_count((enum lost_category)c, (enum lost_reason)r);
            if (n) {
                sonde_label labels[] = {
                    {"category", lost_category_name((enum lost_category)c)},
                    {"reason", lost_reason_name((enum lost_reason)r)},
                    {NULL, NULL},
                };
                source_sample(w, "", labels, (double)n);
            }
        }
    }
}

static void write_library(struct source_writer *w)
{
    size_t series_n, families_n = family_count(&series_n);
    write_lost(w);
    one(w, "sonde_client_worker_longest_seconds", SOURCE_GAUGE,
        "The longest time that a job of the library's thread took.",
        (double)worker_longest_ns() / 1e9);
    one(w, "sonde_client_threads", SOURCE_GAUGE, "Threads that recorded something.",
        (double)slot_count());
    one(w, "sonde_client_metrics", SOURCE_GAUGE, "Metrics that were registered.",
        (double)families_n);
    one(w, "sonde_client_series", SOURCE_GAUGE, "Series of these metrics.", (double)series_n);
    one(w, "sonde_client_cells", SOURCE_GAUGE, "Cells of each thread that are in use for them.",
        (double)cells_used());
    source_family(w, "sonde_client_info", SOURCE_GAUGE, "Which library and program this is.", NULL);
    sonde_label labels[] = {{"version", sonde_version()},
                            {"release", setting.release},
                            {"environment", setting.environment},
                            {NULL, NULL}};
    source_sample(w, "", labels, 1);
}

static void write_all(struct source_writer *w, void *unused)
{
    if (setting.metric_process) {
        write_process(w);
    }
    write_library(w);
}

static struct source process_source = {.name = "process", .write = write_all};

void process_start(void)
{
    source_add(&process_source);
}

void process_stop(void)
{
    source_remove(&process_source);
}
