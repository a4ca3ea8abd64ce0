/* Hosts and names: ICMP echoes and the domain name system. Both wait. */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "health/checkup_kind.h"
#include "os/dns.h"
#include "os/ping.h"

static int open_plain(const struct checkup_host *host, const struct checkup_settings *s, void **ret,
                      struct why *why)
{
    (void)host;
    (void)why;
    *ret = (void *)(uintptr_t)s;
    return 0;
}

static void close_plain(void *state)
{
    (void)state; /* the engine's own settings */
}

static void run_icmp(void *state, struct checkup_result *ret)
{
    const struct checkup_settings *s = state;
    struct why why = {0};
    int64_t ns = 0;
    int err = ping(s->address, s->timeout_ms, &ns, &why);
    ret->duration_s = (double)ns / 1e9;
    if (err == -ERR_DENIED)
        checkup_result_say(ret, HEALTH_UNKNOWN, "%s", why.text);
    else if (err != 0)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s", why.text);
    else
        checkup_result_say(ret, HEALTH_OK, "%.2f ms", (double)ns / 1e6);
}

const struct checkup_kind checkup_icmp_kind = {
    .name = "icmp", .open = open_plain, .run = run_icmp, .close = close_plain};

/* ---- names */

static enum dns_type type_of(const char *record)
{
    static const struct {
        const char *name;
        enum dns_type type;
    } TYPES[] = {{"A", DNS_A},   {"AAAA", DNS_AAAA}, {"MX", DNS_MX},
                 {"NS", DNS_NS}, {"SRV", DNS_SRV},   {"TXT", DNS_TXT}};
    for (size_t i = 0; i < COUNTOF(TYPES); i++)
        if (strcmp(TYPES[i].name, record) == 0)
            return TYPES[i].type;
    return DNS_A;
}

static void judge(const struct checkup_settings *s, const struct dns_record *v, size_t n,
                  struct checkup_result *ret)
{
    bool found = s->expect[0] == '\0';
    for (size_t i = 0; i < n; i++)
        found = found || str_eq(v[i].text, str_c(s->expect));
    checkup_result_figure(ret, STR("records"), STR(""), (double)n);
    if (n == 0)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s has no %s records", s->domain, s->record);
    else if (!found)
        checkup_result_say(ret, HEALTH_UNHEALTHY,
                           "%s is not among the %s records of %s; the first is " STR_FMT, s->expect,
                           s->record, s->domain, STR_ARG(v[0].text));
    else
        checkup_result_say(ret, HEALTH_OK, STR_FMT, STR_ARG(v[0].text));
}

static void run_dns(void *state, struct checkup_result *ret)
{
    const struct checkup_settings *s = state;
    struct dns_record *v;
    struct why why = {0};
    struct arena a;
    size_t n;
    arena_init(&a);
    struct dns_server server = {.timeout_ms = s->timeout_ms};
    int64_t begun_ns = clock_monotonic_ns(&clock_real);
    int err = s->address[0] ? dns_server_read(str_c(s->address), &server, &why) : 0;
    if (err == 0)
        err = dns_lookup_at(&server, s->domain, type_of(s->record), &a, &v, &n, &why);
    if (err != 0)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s",
                           why.text[0] ? why.text : "the name servers do not answer");
    else if (clock_monotonic_ns(&clock_real) - begun_ns > s->timeout_ms * 1000000)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "the answer came later than after %lld ms",
                           (long long)s->timeout_ms);
    else
        judge(s, v, n, ret);
    arena_done(&a);
}

const struct checkup_kind checkup_dns_kind = {
    .name = "dns", .open = open_plain, .run = run_dns, .close = close_plain};
