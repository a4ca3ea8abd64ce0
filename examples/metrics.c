/* A small shop that counts what it does: a counter with labels, a gauge, a histogram with buckets
 * of its own, a native one, a summary, and a gauge that is read when somebody asks.
 *
 * usage: example-metrics [SECONDS]; prints its metrics at the end. With
 * SONDE_METRIC_LISTEN=127.0.0.1:9464 they are at http://127.0.0.1:9464/metrics meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sonde/sonde.h>

static double free_shelves(void *user)
{
    const int *orders = user;
    return 100 - *orders % 100;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.2;
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "shop";
    options.release = "shop@1.4.2";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "no metrics: %s\n", sonde_last_problem()); /* the shop opens all the same */
    }

    const char *labels[] = {"kind", "payment", NULL};
    sonde_family *orders = sonde_counter_family("shop_orders_total", "Orders.", labels);
    sonde_gauge *waiting = sonde_gauge_get("shop_waiting", "Customers who wait.", NULL);
    const double bounds[] = {5, 10, 20, 50, 100};
    sonde_histogram_options by_price = SONDE_HISTOGRAM_OPTIONS_INIT;
    by_price.bounds = bounds;
    by_price.bounds_n = sizeof bounds / sizeof *bounds;
    sonde_histogram *price = sonde_histogram_get("shop_order_euros", "Prices.", NULL, &by_price);
    sonde_histogram_options fine = SONDE_HISTOGRAM_OPTIONS_INIT;
    fine.native = true;
    sonde_histogram *took =
        sonde_histogram_get("shop_order_duration_seconds", "Taking an order.", NULL, &fine);
    sonde_summary *items = sonde_summary_get("shop_order_items", "Items of an order.", NULL, NULL);
    sonde_gauge *shelves = sonde_gauge_get("shop_free_shelves", "Room that is left.", NULL);
    int number = 0;
    sonde_gauge_read_from(shelves, free_shelves, &number);

    static const char *const kinds[] = {"books", "toys", "tools"}, *const payments[] = {"cash",
                                                                                        "card"};
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        uint64_t begun = sonde_histogram_begin();
        const char *values[] = {kinds[number % 3], payments[number % 2]};
        sonde_gauge_set(waiting, number % 7);
        usleep(1000);
        sonde_counter_add(sonde_counter_with(orders, values), 1);
        sonde_histogram_observe(price, number % 120);
        sonde_summary_observe(items, 1 + number % 9);
        sonde_histogram_end(took, begun);
        number++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9 <
             seconds);

    char *text = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    if (text) {
        fputs(text, stdout);
        free(text);
    }
    sonde_gauge_read_from(shelves, NULL, NULL);
    sonde_shutdown(1000);
    return 0;
}
