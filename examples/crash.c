/* examples/crash.c - a shop that crashes: what was going on comes with the crash.
 *
 *     cc crash.c $(pkg-config --cflags --libs sonde) && ./a.out
 *
 * Ends by SIGSEGV, as it would without the library. The crash is handed to the daemon at once; where
 * there is none it is sent at the next start, which this program tells of in its first line.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <sonde/sonde.h>

struct order {
    int number;
    const struct order *next;
};

static int last_number(const struct order *list)
{
    while (list->next) {
        list = list->next;
    }
    return list->number;
}

/* A thread that never counts, measures or logs asks for its own stack for the handler. */
static void *watch_stock(void *unused)
{
    sonde_crash_thread();
    for (;;) {
        pause();
    }
    return unused;
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "shop";
    options.release = "shop@1.4.2";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
    }
    static const char *const ends[] = {"on purpose, or nothing is known", "by a crash",
                                       "without a word"};
    printf("the last run ended %s\n", ends[sonde_crash_last_run()]);
    fflush(stdout);

    pthread_t watcher;
    pthread_create(&watcher, NULL, watch_stock, NULL);
    sonde_breadcrumb(SONDE_LEVEL_INFO, "order", "the list of orders was read", NULL, 0);
    if (sonde_crash_record_now("the orders look odd") == 0) {
        printf("a record of this moment is on its way\n");
        fflush(stdout);
    }

    sonde_tracker tracker = sonde_operation_begin(sonde_operation_get("orders", "close the day"));
    const struct order *volatile none = NULL; /* there were no orders today */
    printf("the last order was %d\n", last_number(none));
    sonde_operation_complete(&tracker);
    return sonde_shutdown(1000);
}
