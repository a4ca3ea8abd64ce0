/* What a mark costs a loop whose frames are not slow, and what a slow one does; in CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sonde/frame.h"

enum { ROUNDS = 5, CALLS = 2000000 };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_mark(sonde_frames *f)
{
    sonde_frame_mark(f);
}

static void run_pair(sonde_frames *f)
{
    sonde_frame_begin(f);
    sonde_frame_end(f);
}

static void run_slow(sonde_frames *f)
{
    sonde_frame_record(f, 0.020);
}

static double measure(sonde_frames *f, void (*run)(sonde_frames *f), int n)
{
    double best = 1e9;
    for (int r = 0; r < ROUNDS; r++) {
        double from = cpu_ns();
        for (int i = 0; i < n; i++) {
            run(f);
        }
        double ns = (cpu_ns() - from) / n;
        best = ns < best ? ns : best;
    }
    return best;
}

static double measure_read(sonde_frames *f)
{
    enum { READS = 200 };
    double from = cpu_ns();
    for (int i = 0; i < READS; i++) {
        sonde_frames_info info = {.struct_size = sizeof info};
        if (sonde_frames_read(f, &info) != 0) {
            abort();
        }
    }
    return (cpu_ns() - from) / READS;
}

int main(void)
{
    const char *settings[] = {"socket=none", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "bench";
    o.settings = settings;
    if (sonde_init(&o) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    sonde_frames *f = sonde_frames_new(NULL);
    printf("frame_mark_ns %.1f\n", measure(f, run_mark, CALLS));
    printf("frame_pair_ns %.1f\n", measure(f, run_pair, CALLS));
    printf("frame_slow_ns %.1f\n", measure(f, run_slow, CALLS));
    printf("frames_read_1000_us %.1f\n", measure_read(f) / 1000);
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
