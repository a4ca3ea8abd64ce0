/* NFS mounts of this machine, from /proc/self/mountstats.
 *
 * A mount is a line "device SERVER:/x mounted on /y with fstype nfs4 statvers=1.1" and lines that
 * begin with a tab: "age:", "opts:", "bytes:", "events:", "xprt:", and a table of operations. An
 * export that is mounted twice over the same transport counts once. */
#include "collect/collector.h"

#include "base/map.h"
#include "base/mem.h"
#include "collect/pseudo.h"

#define MOUNT(name, help)                                                                          \
    {                                                                                              \
        "node_mountstats_nfs_" name "_total", METRIC_COUNTER, help,                                \
        {                                                                                          \
            "export", "protocol", "mountaddr"                                                      \
        }                                                                                          \
    }
#define TRANSPORT(name, type, help)                                                                \
    {                                                                                              \
        "node_mountstats_nfs_transport_" name, type, help,                                         \
        {                                                                                          \
            "export", "protocol", "mountaddr", "transport"                                         \
        }                                                                                          \
    }
#define OPERATION(name, help)                                                                      \
    {                                                                                              \
        "node_mountstats_nfs_operations_" name "_total", METRIC_COUNTER, help,                     \
        {                                                                                          \
            "export", "protocol", "mountaddr", "operation"                                         \
        }                                                                                          \
    }

static const struct family INFO = {"node_mountstats_nfs_mountpoint_info",
                                   METRIC_GAUGE,
                                   "Where the export is mounted; always 1.",
                                   {"export", "protocol", "mountaddr", "mountpoint"}};
static const struct family AGE = MOUNT("age_seconds", "Age of the mount.");
static const struct family BYTES[] = {
    MOUNT("read_bytes", "Bytes read by read()."),
    MOUNT("write_bytes", "Bytes written by write()."),
    MOUNT("direct_read_bytes", "Bytes read past the cache."),
    MOUNT("direct_write_bytes", "Bytes written past the cache."),
    MOUNT("total_read_bytes", "Bytes read from the server."),
    MOUNT("total_write_bytes", "Bytes written to the server."),
    MOUNT("read_pages", "Pages read by mmap()."),
    MOUNT("write_pages", "Pages written by mmap()."),
};
static const struct family EVENTS[] = {
    MOUNT("event_inode_revalidate", "Attributes of inodes asked for again."),
    MOUNT("event_dnode_revalidate", "Directory entries asked for again."),
    MOUNT("event_data_invalidate", "Caches of inodes cleared."),
    MOUNT("event_attribute_invalidate", "Attributes dropped."),
    MOUNT("event_vfs_open", "Files opened."),
    MOUNT("event_vfs_lookup", "Names looked up."),
    MOUNT("event_vfs_access", "Permissions checked."),
    MOUNT("event_vfs_update_page", "Pages updated."),
    MOUNT("event_vfs_read_page", "Single pages read."),
    MOUNT("event_vfs_read_pages", "Groups of pages read."),
    MOUNT("event_vfs_write_page", "Single pages written."),
    MOUNT("event_vfs_write_pages", "Groups of pages written."),
    MOUNT("event_vfs_getdents", "Directories listed."),
    MOUNT("event_vfs_setattr", "Attributes set."),
    MOUNT("event_vfs_flush", "Times that waiting writes were flushed."),
    MOUNT("event_vfs_fsync", "Calls of fsync()."),
    MOUNT("event_vfs_lock", "Locks tried."),
    MOUNT("event_vfs_file_release", "Files closed."),
    {NULL, METRIC_COUNTER, NULL, {NULL}}, /* congestion_wait, which no kernel counts now */
    MOUNT("event_truncation", "Files cut."),
    MOUNT("event_write_extension", "Files that grew."),
    MOUNT("event_silly_rename", "Open files that were removed."),
    MOUNT("event_short_read", "Reads answered with less."),
    MOUNT("event_short_write", "Writes answered with less."),
    MOUNT("event_jukebox_delay", "Times that the server asked to wait."),
    MOUNT("event_pnfs_read", "Reads by pNFS."),
    MOUNT("event_pnfs_write", "Writes by pNFS."),
};
/* The columns of "xprt: tcp", after the port. */
static const struct {
    size_t column;
    struct family family;
} TRANSPORTS[] = {
    {1, TRANSPORT("bind_total", METRIC_COUNTER, "Connections begun from scratch.")},
    {2, TRANSPORT("connect_total", METRIC_COUNTER, "TCP connections made.")},
    {4, TRANSPORT("idle_time_seconds", METRIC_GAUGE, "Time since the last call.")},
    {5, TRANSPORT("sends_total", METRIC_COUNTER, "Calls sent.")},
    {6, TRANSPORT("receives_total", METRIC_COUNTER, "Answers received.")},
    {7, TRANSPORT("bad_transaction_ids_total", METRIC_COUNTER, "Answers to no call of ours.")},
    {9, TRANSPORT("backlog_queue_total", METRIC_COUNTER, "Calls put into the backlog.")},
    {10, TRANSPORT("maximum_rpc_slots", METRIC_GAUGE, "Most calls at a time.")},
    {11, TRANSPORT("sending_queue_total", METRIC_COUNTER, "Calls that waited to be sent.")},
    {12, TRANSPORT("pending_queue_total", METRIC_COUNTER, "Calls that waited for an answer.")},
};
/* The columns of an operation. */
static const struct {
    double unit;
    struct family family;
} OPERATIONS[] = {
    {1, OPERATION("requests", "Calls.")},
    {1, OPERATION("transmissions", "Calls sent, those sent again too.")},
    {1, OPERATION("major_timeouts", "Calls that took too long.")},
    {1, OPERATION("sent_bytes", "Bytes sent.")},
    {1, OPERATION("received_bytes", "Bytes received.")},
    {1e-3, OPERATION("queue_time_seconds", "Time that calls waited to be sent.")},
    {1e-3, OPERATION("response_time_seconds", "Time that the server took.")},
    {1e-3, OPERATION("request_time_seconds", "Time that calls took in all.")},
    {1, OPERATION("errors", "Calls that failed.")},
};
/* Counters wrap where a double no longer tells one from the next. */
static const uint64_t EXACT = (uint64_t)1 << 53;
enum { COLUMNS_MAX = 13, UDP_LACKS = 3, TRANSPORTS_MAX = 16 };

struct mount {
    struct str device, point, address;
    struct str protocols[TRANSPORTS_MAX]; /* [transports_n] */
    double columns[TRANSPORTS_MAX][COLUMNS_MAX];
    size_t transports_n;
    struct str age, bytes, events, operations; /* operations: the rest of the mount */
};

/* "device X mounted on Y with fstype nfs..." */
static bool begins(struct str line, struct mount *ret)
{
    struct str word, point, device;
    if (!str_word(&line, &word) || !str_eq(word, STR("device")) || !str_word(&line, &device) ||
        !str_word(&line, &word) || !str_word(&line, &word) || !str_word(&line, &point) ||
        !str_word(&line, &word) || !str_word(&line, &word) || !str_word(&line, &word))
        return false;
    if (!str_eq(word, STR("nfs")) && !str_eq(word, STR("nfs4")))
        return false;
    *ret = (struct mount){.device = device, .point = point, .address = STR("")};
    return true;
}

static void read_options(struct mount *m, struct str options)
{
    struct str option;
    options = str_trim(options);
    while (str_split(&options, ',', &option))
        if (str_starts(option, STR("addr=")))
            m->address = str_sub(option, 5, option.n);
        else if (str_starts(option, STR("mountaddr=")) && m->address.n == 0)
            m->address = str_sub(option, 10, option.n);
}

/* UDP has no connections: the three columns about them are missing. */
static void read_transport(struct mount *m, struct str line)
{
    size_t n = 0;
    uint64_t v;
    if (m->transports_n >= TRANSPORTS_MAX || !str_word(&line, &m->protocols[m->transports_n]))
        return;
    bool udp = str_eq(m->protocols[m->transports_n], STR("udp"));
    double *columns = m->columns[m->transports_n];
    while (n < COLUMNS_MAX && pseudo_u64(&line, &v)) {
        columns[n++] = (double)v;
        for (int i = 0; udp && n == 2 && i < UDP_LACKS; i++)
            columns[2 + i] = 0;
        if (udp && n == 2)
            n += UDP_LACKS;
    }
    m->transports_n++;
}

static void read_row(struct mount *m, struct str line)
{
    struct str key;
    if (!str_word(&line, &key))
        return;
    if (str_eq(key, STR("opts:")))
        read_options(m, line);
    else if (str_eq(key, STR("age:")))
        m->age = line;
    else if (str_eq(key, STR("bytes:")))
        m->bytes = line;
    else if (str_eq(key, STR("events:")))
        m->events = line;
    else if (str_eq(key, STR("xprt:")))
        read_transport(m, line);
}

static void give_list(struct emit *e, struct str line, const struct family *families, size_t n,
                      const struct str values[3])
{
    uint64_t v;
    for (size_t i = 0; i < n && pseudo_u64(&line, &v); i++)
        if (families[i].name)
            emit_value(e, &families[i], (double)v, values, 3);
}

static void give_operations(struct emit *e, struct str text, const struct str values[3])
{
    struct str line, name;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &name) || !str_ends(name, STR(":")))
            continue;
        const struct str all[] = {values[0], values[1], values[2], str_sub(name, 0, name.n - 1)};
        for (size_t i = 0; i < COUNTOF(OPERATIONS) && pseudo_u64(&line, &v); i++)
            emit_value(e, &OPERATIONS[i].family, (double)(v % EXACT) * OPERATIONS[i].unit, all, 4);
    }
}

static void give(struct emit *e, const struct mount *m, size_t transport)
{
    const struct str values[] = {m->device, m->protocols[transport], m->address, m->point};
    struct str age = m->age;
    uint64_t v;
    emit_value(e, &INFO, 1, values, 4);
    if (pseudo_u64(&age, &v))
        emit_value(e, &AGE, (double)v, values, 3);
    give_list(e, m->bytes, BYTES, COUNTOF(BYTES), values);
    give_list(e, m->events, EVENTS, COUNTOF(EVENTS), values);
    for (size_t i = 0; i < m->transports_n; i++) {
        char digits[24];
        struct buf number = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&number, i);
        const struct str all[] = {m->device, m->protocols[i], m->address, buf_str(&number)};
        for (size_t k = 0; transport == 0 && k < COUNTOF(TRANSPORTS); k++)
            emit_value(e, &TRANSPORTS[k].family, m->columns[i][TRANSPORTS[k].column], all, 4);
    }
    give_operations(e, m->operations, values);
}

/* Each transport of an export, once in a run. */
static void give_new(struct emit *e, const struct mount *m, struct map *seen)
{
    for (size_t i = 0; i < m->transports_n; i++) {
        bool is_new;
        struct buf key;
        buf_init(&key, PSEUDO_SMALL);
        buf_printf(&key, STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(m->device),
                   STR_ARG(m->protocols[i]), STR_ARG(m->address));
        map_put(seen, buf_str(&key), &is_new); /* a set */
        if (is_new)
            give(e, m, i);
        buf_done(&key);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    struct mount m;
    struct map seen;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    map_init(&seen, 1);
    while (pseudo_line(&text, &line)) {
        if (!begins(line, &m))
            continue;
        while (text.n && (text.p[0] == '\t' || text.p[0] == ' ') && pseudo_line(&text, &line)) {
            read_row(&m, line);
            m.operations = str_starts(str_trim(line), STR("per-op")) ? text : m.operations;
        }
        if (m.operations.n)
            m.operations = str_of(m.operations.p, (size_t)(text.p - m.operations.p));
        give_new(e, &m, &seen);
    }
    map_done(&seen);
    return 0;
}

const struct collector_ops mountstats_collector = {.file = "/self/mountstats", .run = run};
