/* DRBD devices (kernel module 8), from /proc/drbd: words "key:value" after " 1:". */
#include "collect/collector.h"

#include "collect/pseudo.h"

#define ROW(key, unit, name, type, help)                                                           \
    {                                                                                              \
        STR(key), unit,                                                                            \
        {                                                                                          \
            "node_drbd_" name, type, help,                                                         \
            {                                                                                      \
                "device"                                                                           \
            }                                                                                      \
        }                                                                                          \
    }

static const struct {
    struct str key;
    double unit;
    struct family family;
} ROWS[] = {
    ROW("ns", 1024, "network_sent_bytes_total", METRIC_COUNTER, "Bytes sent."),
    ROW("nr", 1024, "network_received_bytes_total", METRIC_COUNTER, "Bytes received."),
    ROW("dw", 1024, "disk_written_bytes_total", METRIC_COUNTER, "Bytes written."),
    ROW("dr", 1024, "disk_read_bytes_total", METRIC_COUNTER, "Bytes read."),
    ROW("al", 1, "activitylog_writes_total", METRIC_COUNTER, "Updates of the activity log."),
    ROW("bm", 1, "bitmap_writes_total", METRIC_COUNTER, "Updates of the bitmap."),
    ROW("lo", 1, "local_pending", METRIC_GAUGE, "Requests open at the disk."),
    ROW("pe", 1, "remote_pending", METRIC_GAUGE, "Requests the peer has not answered."),
    ROW("ua", 1, "remote_unacknowledged", METRIC_GAUGE, "Requests of the peer not answered."),
    ROW("ap", 1, "application_pending", METRIC_GAUGE, "Requests not answered to programs."),
    ROW("ep", 1, "epochs", METRIC_GAUGE, "Epochs."),
    ROW("oos", 1024, "out_of_sync_bytes", METRIC_GAUGE, "Data that is out of sync."),
};
static const struct family ROLE = {"node_drbd_node_role_is_primary",
                                   METRIC_GAUGE,
                                   "Is the node primary? 1 or 0.",
                                   {"device", "node"}};
static const struct family DISK = {"node_drbd_disk_state_is_up_to_date",
                                   METRIC_GAUGE,
                                   "Is the disk up to date? 1 or 0.",
                                   {"device", "node"}};
static const struct family CONNECTED = {
    "node_drbd_connected", METRIC_GAUGE, "Is the peer connected? 1 or 0.", {"device"}};

/* "Primary/Secondary": ours and the peer's. */
static void give_pair(struct emit *e, const struct family *f, struct str value, struct str wanted,
                      struct str device)
{
    struct str local;
    if (!str_split(&value, '/', &local))
        return;
    emit(e, f, str_eq(local, wanted), device, STR("local"));
    emit(e, f, str_eq(value, wanted), device, STR("remote"));
}

static void give(struct emit *e, struct str key, struct str value, struct str device)
{
    double v;
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        if (str_eq(key, ROWS[i].key) && pseudo_parse(value, &v))
            emit(e, &ROWS[i].family, v * ROWS[i].unit, device);
    if (str_eq(key, STR("ro")))
        give_pair(e, &ROLE, value, STR("Primary"), device);
    else if (str_eq(key, STR("ds")))
        give_pair(e, &DISK, value, STR("UpToDate"), device);
    else if (str_eq(key, STR("cs")))
        emit(e, &CONNECTED, str_eq(value, STR("Connected")), device);
}

/* device is that of the lines before, and changes where the line begins with another. */
static void give_line(struct emit *e, struct str line, struct buf *device)
{
    struct str word, key;
    while (str_word(&line, &word)) {
        uint64_t number;
        if (!str_split(&word, ':', &key) || !word.p)
            continue;
        if (word.n == 0 && str_u64(key, &number)) {
            device->n = 0;
            buf_put_str(device, STR("drbd"));
            buf_put_u64(device, number);
        } else if (device->n && word.n) {
            give(e, key, word, buf_str(device));
        }
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    char bytes[64];
    struct buf device = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str text, line;
    int err = pseudo_read(state, &text, NULL);
    if (err)
        return why_set(why, (enum err) - err, "there is no DRBD");
    while (pseudo_line(&text, &line))
        give_line(e, line, &device);
    return 0;
}

const struct collector_ops drbd_collector = {.file = "/drbd", .run = run};
