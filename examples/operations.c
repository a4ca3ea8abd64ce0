/* A small shop: a service of three operations whose functions return early, fail and are given up.
 *
 *     cc operations.c $(pkg-config --cflags --libs sonde) && ./a.out [SECONDS]
 *
 * Prints what the library has counted, as any front end could ask it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sonde/sonde.h>

static sonde_operation *browse, *checkout, *payment;

static void work(unsigned microseconds)
{
    struct timespec t = {.tv_nsec = (long)microseconds * 1000};
    nanosleep(&t, NULL);
}

static int pay(int cents)
{
    SONDE_OPERATION(t, payment);
    work(200 + (unsigned)rand() % 300);
    if (cents > 9000) {
        sonde_operation_fail(&t, "card declined");
        return -1;
    }
    if (cents > 8000) { /* the first provider does not answer, the second one does */
        work(500);
        sonde_operation_recover(&t, "provider A timed out");
        return 0;
    }
    sonde_operation_complete(&t);
    return 0;
}

static int check_out(int items)
{
    SONDE_OPERATION(t, checkout);
    if (items == 0) {
        return 0; /* nothing to do: counts as abandoned */
    }
    if (pay(items * 1000) != 0) {
        sonde_operation_fail(&t, "payment refused");
        return -1;
    }
    sonde_operation_complete(&t);
    return 0;
}

static void print(const sonde_operation_info *i, void *user)
{
    (void)user;
    printf("%-8s %-9s %6llu calls, %4llu failed, %4llu abandoned, %4llu recovered, "
           "p95 %.2f ms, slowest %.2f ms, last error \"%s\"\n",
           i->service, i->operation, (unsigned long long)i->count, (unsigned long long)i->failed,
           (unsigned long long)i->abandoned, (unsigned long long)i->recovered, i->p95 * 1000,
           i->maximum * 1000, i->last_error);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "example-shop";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem()); /* and go on without being seen */
    }
    browse = sonde_operation_get("shop", "browse");
    checkout = sonde_operation_get("shop", "checkout");
    payment = sonde_operation_get("payment", "charge");

    time_t end = time(NULL) + (time_t)seconds + 1;
    for (int i = 0; time(NULL) < end; i++) {
        sonde_tracker t = sonde_operation_begin(browse);
        work(100);
        sonde_operation_complete(&t);
        if (i % 3 == 0) {
            (void)check_out(rand() % 11); /* what went wrong is counted */
        }
    }

    sonde_operation_each(NULL, print, NULL);
    char answer[2000];
    if (sonde_query("slowest 1", answer, sizeof answer, NULL) == 0) {
        printf("%s\n", answer);
    }
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
