/* A small shop that works until its standard input ends: operations that succeed, fail and are
 * abandoned, a cache, errors.
 * usage: host-shop_host [SERVICE] */
#include <poll.h>
#include <sonde/sonde.h>
#include <stdio.h>
#include <unistd.h>

static void take_order(int i)
{
    SONDE_OPERATION(call, sonde_operation_get("shop", "take order"));
    usleep(1000);
    if (i % 10 == 3) {
        sonde_operation_fail(&call, "the card was refused");
    } else if (i % 10 != 7) {
        sonde_operation_complete(&call);
    } /* otherwise its scope is left without either */
}

static void look_up(sonde_cache *cache, int i)
{
    SONDE_OPERATION(call, sonde_operation_get("store", "look up"));
    if (i % 4) {
        sonde_cache_hit(cache);
    } else {
        sonde_cache_miss(cache);
    }
    sonde_operation_complete(&call);
}

int main(int argc, char **argv)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = argc > 1 ? argv[1] : "shop-host";
    options.release = "shop@1.2.3";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    sonde_cache *cache = sonde_cache_get("images");
    sonde_counter *orders = sonde_counter_get("orders_total", "Orders that came.", NULL);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (int i = 0;; i++) {
        char c;
        if (poll(&input, 1, 5) > 0 && read(0, &c, 1) <= 0) {
            break;
        }
        take_order(i);
        look_up(cache, i);
        sonde_counter_add(orders, 1);
        if (i == 20) {
            sonde_error_capture(SONDE_LEVEL_ERROR, "CardError", "the card of jane@example.org");
        }
    }
    return sonde_shutdown(2000);
}
