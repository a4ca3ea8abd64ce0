/* A program that does what its standard input says, for tests of how libsonde delivers.
 * usage: host-transport [KEY=VALUE].. settings; then lines:
 *   start | error TEXT | log TEXT | count N | loop MS | flush MS | shutdown MS | query LINE | rss |
 *   fork TEXT | sleeper | cycles N | exit | _exit | exec
 * Each line is answered by one line. */
#include <pthread.h>
#include <signal.h>
#include <sonde/sonde.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char **settings;
static sonde_counter *jobs;
static sonde_histogram *took;

static double now_s(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int start(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "transport";
    options.release = "transport@1";
    options.settings = settings;
    int err = sonde_init(&options);
    if (!jobs) { /* handles live until the process ends */
        jobs = sonde_counter_get("jobs_total", "Jobs.", NULL);
        took = sonde_histogram_get("job_seconds", "How long they take.", NULL, NULL);
    }
    return err;
}

/* An error that no other is like; its id. */
static void error(const char *text, char id[33])
{
    sonde_error_ref e = sonde_error_capture(SONDE_LEVEL_ERROR, text, text);
    id[0] = 0;
    (void)sonde_error_event_id(e, id);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Jobs of a few microseconds each, for so long: how long one takes with what it records. */
static void loop(double seconds)
{
    enum { KEPT_MAX = 1 << 20 };
    static double kept[KEPT_MAX];
    volatile unsigned long x = 1;
    size_t n = 0;
    double from = now_s(CLOCK_MONOTONIC), cpu = now_s(CLOCK_THREAD_CPUTIME_ID);
    for (double at = from; at - from < seconds && n < KEPT_MAX;) {
        for (int i = 0; i < 2000; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
        }
        sonde_counter_add(jobs, 1);
        sonde_histogram_observe(took, 2e-6);
        double end = now_s(CLOCK_MONOTONIC);
        kept[n++] = end - at;
        at = end;
    }
    cpu = now_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    qsort(kept, n, sizeof *kept, compare);
    printf("%zu %.9f %.9f %.9f %.9f\n", n, kept[n / 2], kept[n - n / 100 - 1],
           kept[n - n / 1000 - 1], cpu / (double)n);
}

static long rss_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

/* A child that uses the library and ends by exit(); its event's id. */
static void in_child(const char *text)
{
    char id[33] = "";
    int ends[2];
    if (pipe(ends) != 0) {
        printf("pipe\n");
        return;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        error(text, id);
        sonde_counter_add(jobs, 1000);
        (void)!write(ends[1], id, sizeof id);
        exit(0);
    }
    close(ends[1]);
    if (read(ends[0], id, sizeof id) != sizeof id) {
        id[0] = 0;
    }
    close(ends[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    printf("%s %d %ld\n", id, status, (long)pid);
}

/* A child that never uses the library, and lives until it is killed. */
static void sleeper(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    printf("%ld\n", (long)pid);
}

static void *churn(void *running)
{
    for (unsigned i = 0; __atomic_load_n((int *)running, __ATOMIC_RELAXED); i++) {
        char id[33], text[40];
        snprintf(text, sizeof text, "churn %u", i % 7);
        error(text, id);
        sonde_counter_add(jobs, 1);
        (void)sonde_flush(i % 3);
        (void)sonde_connected();
    }
    return NULL;
}

/* Starts and shuts down while others record and flush. */
static void cycles(int n)
{
    pthread_t threads[2];
    int running = 1, bad = 0;
    for (size_t i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, churn, &running);
    }
    for (int i = 0; i < n; i++) {
        int err = sonde_shutdown(i % 2 ? 2000 : 0);
        bad += err != 0 && err != SONDE_ERROR_TIMEOUT;
        for (int k = 0; start() != 0 && k < 1000; k++) { /* its thread may still be ending */
            usleep(1000);
        }
    }
    __atomic_store_n(&running, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%d %d\n", bad, sonde_running());
}

static void answer(const char *line, const char *rest)
{
    static char text[1 << 16];
    char id[33];
    if (strcmp(line, "start") == 0) {
        printf("%d\n", start());
    } else if (strcmp(line, "error") == 0) {
        error(rest, id);
        printf("%s\n", id);
    } else if (strcmp(line, "log") == 0) {
        sonde_log_write(SONDE_LEVEL_ERROR, "transport", rest, NULL, 0);
        printf("0\n");
    } else if (strcmp(line, "count") == 0) {
        sonde_counter_add(jobs, strtod(rest, NULL));
        printf("0\n");
    } else if (strcmp(line, "loop") == 0) {
        loop(strtod(rest, NULL) / 1000);
    } else if (strcmp(line, "flush") == 0) {
        printf("%d\n", sonde_flush((unsigned)strtoul(rest, NULL, 10)));
    } else if (strcmp(line, "shutdown") == 0) {
        printf("%d\n", sonde_shutdown((unsigned)strtoul(rest, NULL, 10)));
    } else if (strcmp(line, "query") == 0) {
        (void)sonde_query(rest, text, sizeof text, NULL);
        printf("%s\n", text);
    } else if (strcmp(line, "rss") == 0) {
        printf("%ld\n", rss_kib());
    } else if (strcmp(line, "fork") == 0) {
        in_child(rest);
    } else if (strcmp(line, "sleeper") == 0) {
        sleeper();
    } else if (strcmp(line, "cycles") == 0) {
        cycles((int)strtol(rest, NULL, 10));
    } else if (strcmp(line, "exit") == 0) {
        exit(7);
    } else if (strcmp(line, "_exit") == 0) {
        _exit(8);
    } else if (strcmp(line, "exec") == 0) {
        execl("/bin/sh", "sh", "-c", "ls /proc/$$/fd | wc -l; exit 9", (char *)NULL);
    } else {
        printf("?\n");
    }
}

int main(int argc, char **argv)
{
    settings = calloc((size_t)argc + 1, sizeof *settings);
    if (!settings) {
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        settings[i - 1] = argv[i];
    }
    for (char line[1000]; fgets(line, sizeof line, stdin);) {
        line[strcspn(line, "\n")] = 0;
        char *rest = strchr(line, ' ');
        if (rest) {
            *rest++ = 0;
        }
        answer(line, rest ? rest : "");
        fflush(stdout);
    }
    return 0;
}
