#include "daemon/app_checks.h"

#include <stdio.h>

#include "base/attr.h"

enum {
    EVERY_MS = 5000,
    LAG_READINGS = 12 /* a minute: a server that is away shortly is no news */
};

static const double NEARLY_FULL = 0.9;

/* The value: signals that could not be written (and were refused) since the last reading. */
static void check_writable(void *context, struct health_reading *ret)
{
    struct app_checks *c = context;
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N; i++) {
        struct signal_spool_facts now;
        signal_spool_look(c->spool, (enum signal_spool_queue)i, &now);
        if (now.failed > c->failed[i])
            c->broken[i] = true;
        else if (now.stored > c->stored[i])
            c->broken[i] = false;
        ret->value += (double)(now.failed - c->failed[i]);
        c->failed[i] = now.failed;
        c->stored[i] = now.stored;
        if (!c->broken[i])
            continue;
        ret->state = HEALTH_DEGRADED;
        snprintf(ret->output, sizeof ret->output,
                 "spool/%s cannot be written; %llu signals were refused, applications keep them",
                 signal_spool_word((enum signal_spool_queue)i), (unsigned long long)now.failed);
    }
}

/* Does more than half of what a spool holds wait to be sent on? */
static bool waits(struct app_checks *c, enum signal_spool_queue which, uint64_t records)
{
    struct signal_relay_facts stream;
    for (size_t i = 0; signal_relay_look(c->relay, i, &stream); i++)
        if (stream.from == which && stream.behind > records / 2)
            return true;
    return false;
}

/* The value: the share of the fullest. A full spool is fine as such (its oldest go), but not where
 * they have not been sent on yet. */
static void check_used(void *context, struct health_reading *ret)
{
    struct app_checks *c = context;
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N; i++) {
        enum signal_spool_queue which = (enum signal_spool_queue)i;
        struct signal_spool_facts now;
        signal_spool_look(c->spool, which, &now);
        double share = now.bytes_max > 0 ? (double)now.bytes / (double)now.bytes_max : 0;
        ret->value = MAX(ret->value, share);
        if (share < NEARLY_FULL || !waits(c, which, now.records))
            continue;
        ret->state = HEALTH_DEGRADED;
        snprintf(ret->output, sizeof ret->output,
                 "spool/%s is %.0f %% full and is not sent on; its oldest are lost next",
                 signal_spool_word(which), 100 * share);
    }
}

/* The value: records that wait to be sent on. */
static void check_relay(void *context, struct health_reading *ret)
{
    struct app_checks *c = context;
    struct signal_relay_facts stream;
    for (size_t i = 0; signal_relay_look(c->relay, i, &stream); i++) {
        ret->value += (double)stream.behind;
        if (stream.behind == 0 || stream.why[0] == '\0' || ret->state != HEALTH_OK)
            continue;
        ret->state = HEALTH_DEGRADED;
        snprintf(ret->output, sizeof ret->output, "%llu %s wait to be sent on: %.150s",
                 (unsigned long long)stream.behind, stream.name, stream.why);
    }
}

int app_checks_add(struct app_checks *c, struct health *h)
{
    const struct health_check all[] = {
        {"spool", "writable", "1", "datastore", EVERY_MS, 1, 1, check_writable, c},
        {"spool", "used", "1", "datastore", EVERY_MS, 1, 1, check_used, c},
        {"spool", "relay", "1", "component", EVERY_MS, LAG_READINGS, 1, check_relay, c},
    };
    int err = 0;
    for (size_t i = 0; i < COUNTOF(all) && err == 0; i++)
        if (all[i].run != check_relay || c->relay != NULL)
            err = health_add(h, &all[i]);
    return err;
}
