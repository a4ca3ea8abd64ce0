/* A server's handler that is one span of a trace: it takes over what its caller says of the trace,
 * and tells it to the service that it calls itself.
 *
 *     cc spans.c $(pkg-config --cflags --libs sonde) && ./a.out
 *
 * Prints the headers that would go to the next service, and what is open meanwhile. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sonde/sonde.h>

struct request {
    const char *path;
    const char *headers[8][2]; /* name and value */
};

/* How libsonde reads a header of ours. */
static const char *header_of(void *user, const char *name)
{
    const struct request *r = user;
    for (size_t i = 0; i < 8 && r->headers[i][0]; i++) {
        if (strcasecmp(r->headers[i][0], name) == 0) {
            return r->headers[i][1];
        }
    }
    return NULL;
}

/* How it sets one of the request that we make. */
static void set_header(void *user, const char *name, const char *value)
{
    fprintf(user, "%s: %s\n", name, value);
}

/* Asks another service for the price; the span ends however the function is left. */
static int ask_price(const char *article)
{
    SONDE_SPAN_SCOPE(span, "GET /price", SONDE_SPAN_CLIENT);
    sonde_span_set_string(span, "server.address", "prices.example");
    sonde_span_set_string(span, "article", article);
    sonde_propagation_write(span, set_header, stdout);
    if (strcmp(article, "unicorn") == 0) {
        sonde_span_set_error(span, "not_found", "there is no such article");
        return -1;
    }
    sonde_span_set_int(span, "http.response.status_code", 200);
    return 995;
}

static int handle(const struct request *r)
{
    sonde_propagation *from = sonde_propagation_read(header_of, (void *)(uintptr_t)r);
    sonde_span_options options = SONDE_SPAN_OPTIONS_INIT;
    options.kind = SONDE_SPAN_SERVER;
    options.remote = from;
    sonde_span *span = sonde_span_start_with("GET /cart", &options);
    sonde_propagation_free(from);

    char user[64] = "";
    sonde_baggage_get("user", user, sizeof user);
    sonde_span_set_string(span, "url.path", r->path);
    sonde_span_set_string(span, "enduser.name", user);
    sonde_span_event(span, "cart loaded", NULL, 0);

    int status = ask_price(strstr(r->path, "unicorn") ? "unicorn" : "teapot") < 0 ? 502 : 200;
    sonde_span_set_int(span, "http.response.status_code", status);
    if (status >= 500) {
        sonde_span_set_status(span, SONDE_SPAN_ERROR, "no price");
    }
    char open[4096];
    if (sonde_query("spans", open, sizeof open, NULL) == 0) {
        printf("%s\n", open);
    }
    sonde_span_end(span);
    return status;
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "cart";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
    }
    const struct request first = {
        "/cart",
        {{"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
         {"Tracestate", "shop=1"},
         {"Baggage", "user=Ann%20Lee"}}};
    const struct request second = {"/cart?add=unicorn", {{NULL, NULL}}};
    printf("status %d\n", handle(&first));
    printf("status %d\n", handle(&second));
    sonde_shutdown(1000);
    return 0;
}
