/* examples/errors.c - errors of a shop: captured with their causes, followed until they are over.
 *
 *     cc errors.c $(pkg-config --cflags --libs sonde) && ./a.out
 *
 * Without a daemon the errors go to the DSN that SONDE_DSN names, and wait on disk until it
 * answers. Prints the id of the event of the order that failed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sonde/sonde.h>

/* Somewhere below: what failed is said where it is known. */
static sonde_error_chain *read_stock(const char *article)
{
    return sonde_error_chain_new("StockError", ENOENT, "no stock is kept of %s", article);
}

/* On the way up each caller adds what it knows. */
static sonde_error_chain *reserve(const char *article)
{
    sonde_error_chain *problem = read_stock(article);
    if (problem) {
        problem = sonde_error_chain_wrap(problem, "OrderError", 0, "order 17 cannot be filled");
    }
    return problem;
}

/* A printer that answers at the third try. */
static int print_label(int attempt)
{
    return attempt < 3 ? -1 : 0;
}

/* One event for all tries, which says that it went well in the end. */
static void ship(void)
{
    int attempt = 0;
    sonde_retry retry = SONDE_RETRY_INIT;
    retry.type = "PrinterError";
    retry.pause_ms = 10;
    while (sonde_retry_next(&retry)) {
        if (print_label(++attempt) == 0) {
            sonde_retry_done(&retry);
            break;
        }
        sonde_retry_failed(&retry, "the printer does not answer");
    }
}

/* The program goes on with less, and says so. */
static void load_theme(void)
{
    sonde_error_ref error = sonde_error_scope_begin("ThemeError", "the theme is not readable");
    sonde_error_end(error, SONDE_OUTCOME_DEGRADED);
}

/* Called for every event before it leaves: what the shop does not want to tell is left out. */
static bool before_send(sonde_error_event *event, void *unused)
{
    (void)unused;
    if (strcmp(sonde_error_event_type(event), "Uninteresting") == 0) {
        return false;
    }
    return sonde_error_event_set_tag(event, "shop", "Mainstreet") == 0;
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "shop";
    options.release = "shop@1.4.2";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "without sonde: %s\n", sonde_last_problem());
    }
    sonde_error_before_send(before_send, NULL);
    sonde_set_tag("region", "eu");
    sonde_set_context("cart", "{\"articles\": 3, \"token\": \"never sent\"}");
    sonde_user user = SONDE_USER_INIT;
    user.id = "u1";
    user.email = "jane@example.com"; /* masked, but for the setting send_pii */
    sonde_set_user(&user);

    sonde_breadcrumb(SONDE_LEVEL_INFO, "ui", "opened the cart", NULL, 0);
    char id[33] = "";
    sonde_error_ref failed = sonde_error_chain_capture(reserve("tea"), SONDE_LEVEL_ERROR);
    if (sonde_error_event_id(failed, id) == 0) {
        printf("event %s\n", id);
    }
    for (int i = 0; i < 1000; i++) { /* one event; the others are counted */
        sonde_error_capture_f(SONDE_LEVEL_WARNING, "MailError", "mail %d to %s was refused", i,
                              "bob@example.com");
    }
    sonde_error_errno(SONDE_LEVEL_INFO, EACCES, "open /home/jane/theme");
    sonde_error_capture(SONDE_LEVEL_INFO, "Uninteresting", "left out by before_send");
    ship();
    load_theme();
    sonde_checkin("nightly-stock", SONDE_CHECKIN_OK, 1.5);
    return sonde_shutdown(5000) == 0 ? 0 : 1;
}
