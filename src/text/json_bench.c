/* Reads a made-up JSON text again and again: GB/s. */
#include <stdio.h>
#include <time.h>

#include "text/json.h"

enum { ITEMS = 20000, ROUNDS = 20 };

/* Time on the processor: other load of the machine does not count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
    struct buf text;
    struct json_event e;
    size_t events = 0;
    buf_init(&text, 64 << 20);
    buf_put_c(&text, '[');
    for (int i = 0; i < ITEMS; i++)
        buf_printf(
            &text,
            "%s{\"name\":\"node_cpu_seconds_total\",\"value\":%d.25,\"timestamp\":17000000%05d,"
            "\"tags\":{\"instance\":\"host-%03d:9100\",\"job\":\"node\",\"mode\":\"idle\"}}",
            i ? "," : "", i, i, i % 1000);
    buf_put_c(&text, ']');
    int64_t from = cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        struct arena a;
        struct json_reader r;
        arena_init(&a);
        json_reader_init(&r, buf_str(&text), &a);
        while (json_next(&r, &e, NULL) > 0)
            events++;
        arena_done(&a);
    }
    double ns = (double)(cpu_ns() - from);
    printf("json: %.2f GB/s, %.1f ns an event\n", (double)text.n * ROUNDS / ns,
           ns / (double)events);
    buf_done(&text);
    return events ? 0 : 1;
}
