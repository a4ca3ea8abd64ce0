/* notify/message_testbed.h - messages for tests: a group of three alerts, one of them resolved. */
#ifndef NOTIFY_MESSAGE_TESTBED_H
#define NOTIFY_MESSAGE_TESTBED_H

#include "base/must.h"
#include "model/labels.h"
#include "notify/message.h"

enum { MESSAGE_TESTBED_PAIRS_MAX = 16 };

/* A key of name, value, name, value, .., NULL. */
static inline struct str message_testbed_key(struct arena *a, const char *const *pairs)
{
    struct label labels[MESSAGE_TESTBED_PAIRS_MAX];
    struct buf key;
    size_t n = 0;
    for (; pairs[2 * n]; n++)
        labels[n] = (struct label){str_c(pairs[2 * n]), str_c(pairs[2 * n + 1])};
    buf_init(&key, LABELS_KEY_MAX);
    must(labels_encode_bare(labels, n, &key, NULL) == 0);
    struct str ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return ret;
}

#define MESSAGE_TESTBED_KEY(a, ...) message_testbed_key(a, (const char *[]){__VA_ARGS__, NULL})

static inline struct message_alert message_testbed_alert(struct arena *a, const char *instance,
                                                         bool resolved)
{
    struct message_alert alert = {
        .labels = MESSAGE_TESTBED_KEY(a, "alertname", "DiskFull", "instance", instance, "severity",
                                      "critical", "device", "/dev/sda1"),
        .annotations = MESSAGE_TESTBED_KEY(a, "summary", "Disk <full> & \"hot\"", "value", "97.2 %",
                                           "runbook_url", "https://runbooks.example/disk"),
        .starts_ms = 1700000000000,
        .ends_ms = resolved ? 1700000600500 : 0,
        .resolved = resolved,
        .generator_url = STR("http://sonde.example:7663/graph?g0.expr=up"),
    };
    alert.fingerprint = message_fingerprint(alert.labels);
    return alert;
}

/* firing of three alerts fire. */
static inline struct message message_testbed(struct arena *a, size_t firing)
{
    struct message_alert *alerts = arena_array(a, 3, sizeof *alerts);
    static const char *const instances[] = {"db1:9100", "db2:9100", "db3:9100"};
    for (size_t i = 0; i < 3; i++)
        alerts[i] = message_testbed_alert(a, instances[i], i >= firing);
    return (struct message){
        .id = STR("0b7d2c1e-test-1"),
        .receiver = STR("team-db"),
        .kind = STR("webhook"),
        .group_key = STR("{}/{severity=\"critical\"}:{alertname=\"DiskFull\"}"),
        .group_labels = MESSAGE_TESTBED_KEY(a, "alertname", "DiskFull"),
        .route_labels = STR(""),
        .reason = MESSAGE_FIRST,
        .alerts = alerts,
        .n = 3,
        .time_ms = 1700000300000,
        .external_url = STR("http://sonde.example:7663"),
        .context = STR(""),
    };
}

#endif
