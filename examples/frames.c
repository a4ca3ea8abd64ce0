/* A loop that should run at 60 frames a second and now and then does not.
 *
 *     cc frames.c $(pkg-config --cflags --libs sonde) && ./a.out [FRAMES]
 *
 * Prints the frame times, and the worst frames with what ran in them. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sonde/sonde.h>

static sonde_operation *draw, *load_level;

static void sleep_until(const struct timespec *t)
{
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, t, NULL);
}

static void advance(struct timespec *t, long ns)
{
    t->tv_nsec += ns;
    while (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
}

static void draw_frame(int number)
{
    SONDE_OPERATION(t, draw);
    if (number % 40 == 39) { /* on the thread that draws: it will be seen */
        SONDE_OPERATION(load, load_level);
        struct timespec pause = {.tv_nsec = 45000000};
        nanosleep(&pause, NULL);
        sonde_operation_complete(&load);
    }
    sonde_operation_complete(&t);
}

static void print_worst(const sonde_frame_worst *w, void *user)
{
    (void)user;
    printf("  %.1f ms:", w->seconds * 1000);
    for (size_t i = 0; i < w->running_n; i++) {
        const sonde_frame_running *r = &w->running[i];
        printf(" %s%s%s %.1f ms", r->service ? r->service : "", r->service ? "/" : "", r->name,
               r->seconds * 1000);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    int frames_n = argc > 1 ? atoi(argv[1]) : 120;
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "example-frames";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
    }
    draw = sonde_operation_get("game", "draw");
    load_level = sonde_operation_get("game", "load level");
    sonde_frames_options how = SONDE_FRAMES_OPTIONS_INIT;
    how.name = "game";
    how.slow_factor = 1.1; /* the clock's jitter is not slow */
    sonde_frames *frames = sonde_frames_new(&how);

    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int i = 0; i <= frames_n; i++) {
        sonde_frame_mark(frames);
        draw_frame(i);
        advance(&next, 1000000000 / 60);
        sleep_until(&next); /* as a display that waits for its refresh */
    }

    sonde_frames_info info;
    info.struct_size = sizeof info;
    if (sonde_frames_read(frames, &info) == 0) {
        printf("%llu frames at %.1f a second: median %.1f ms, p99 %.1f ms, %llu slow, %llu frozen, "
               "%llu janky, %llu dropped, %.0f ms late\n",
               (unsigned long long)info.count, info.rate, info.p50 * 1000, info.p99 * 1000,
               (unsigned long long)info.slow, (unsigned long long)info.frozen,
               (unsigned long long)info.janky, (unsigned long long)info.dropped, info.delay * 1000);
    }
    sonde_frames_worst(frames, 3, print_worst, NULL);
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
