/* The NFS server, from /proc/net/rpc/nfsd. */
#include "collect/collector.h"

#include "collect/pseudo.h"
#include "collect/rpcstat.h"

#define PLAIN(name, type, help)                                                                    \
    {                                                                                              \
        "node_nfsd_" name, type, help,                                                             \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }

/* Single numbers: their row and their place in it. */
static const struct {
    struct str row;
    size_t place;
    struct family family;
} NUMBERS[] = {
    {STR("rc"), 0, PLAIN("reply_cache_hits_total", METRIC_COUNTER, "Replies from the cache.")},
    {STR("rc"), 1, PLAIN("reply_cache_misses_total", METRIC_COUNTER, "Replies not in the cache.")},
    {STR("rc"), 2, PLAIN("reply_cache_nocache_total", METRIC_COUNTER, "Replies not to be kept.")},
    {STR("fh"), 0, PLAIN("file_handles_stale_total", METRIC_COUNTER, "Stale file handles.")},
    {STR("io"), 0, PLAIN("disk_bytes_read_total", METRIC_COUNTER, "Bytes read.")},
    {STR("io"), 1, PLAIN("disk_bytes_written_total", METRIC_COUNTER, "Bytes written.")},
    {STR("th"), 0, PLAIN("server_threads", METRIC_GAUGE, "Threads of the server.")},
    {STR("ra"), 0, PLAIN("read_ahead_cache_size_blocks", METRIC_GAUGE, "Size of the cache.")},
    {STR("ra"), 11, PLAIN("read_ahead_cache_not_found_total", METRIC_COUNTER, "Not found there.")},
    {STR("net"), 3, PLAIN("connections_total", METRIC_COUNTER, "TCP connections taken.")},
    {STR("rpc"), 0, PLAIN("server_rpcs_total", METRIC_COUNTER, "Calls taken.")},
};
static const struct family PACKETS = {
    "node_nfsd_packets_total", METRIC_COUNTER, "Packets of the server.", {"proto"}};
static const struct family ERRORS = {
    "node_nfsd_rpc_errors_total", METRIC_COUNTER, "Calls that failed, by why.", {"error"}};
static const struct family REQUESTS = {
    "node_nfsd_requests_total", METRIC_COUNTER, "Calls of the procedure.", {"proto", "method"}};

/* NULL calls are not given. */
static const char *const V2[] = {
    NULL,     "GetAttr", "SetAttr", "Root", "Lookup",  "ReadLink", "Read",  "WrCache", "Write",
    "Create", "Remove",  "Rename",  "Link", "SymLink", "MkDir",    "RmDir", "ReadDir", "FsStat",
};
static const char *const V3[] = {
    NULL,      "GetAttr",     "SetAttr", "Lookup", "Access",   "ReadLink", "Read",   "Write",
    "Create",  "MkDir",       "SymLink", "MkNod",  "Remove",   "RmDir",    "Rename", "Link",
    "ReadDir", "ReadDirPlus", "FsStat",  "FsInfo", "PathConf", "Commit",
};
/* By the operation's number (RFC 7530); the first three are none. */
static const char *const V4[] = {
    NULL,
    NULL,
    NULL,
    "Access",
    "Close",
    "Commit",
    "Create",
    "DelegPurge",
    "DelegReturn",
    "GetAttr",
    "GetFH",
    "Link",
    "Lock",
    "Lockt",
    "Locku",
    "Lookup",
    "LookupRoot",
    "Nverify",
    "Open",
    "OpenAttr",
    "OpenConfirm",
    "OpenDgrd",
    "PutFH",
    NULL,
    NULL,
    "Read",
    "ReadDir",
    "ReadLink",
    "Remove",
    "Rename",
    "Renew",
    "RestoreFH",
    "SaveFH",
    "SecInfo",
    "SetAttr",
    "SetClientID",
    "SetClientIDConfirm",
    "Verify",
    "Write",
    "RelLockOwner",
};

static void give(struct emit *e, const struct rpcstat_row *row)
{
    for (size_t i = 0; i < COUNTOF(NUMBERS); i++)
        if (NUMBERS[i].place < row->n && str_eq(row->name, NUMBERS[i].row))
            emit_plain(e, &NUMBERS[i].family, row->v[NUMBERS[i].place]);
    if (str_eq(row->name, STR("net")) && row->n >= 3) {
        emit(e, &PACKETS, row->v[1], STR("udp"));
        emit(e, &PACKETS, row->v[2], STR("tcp"));
    } else if (str_eq(row->name, STR("rpc")) && row->n >= 5) {
        emit(e, &ERRORS, row->v[2], STR("fmt"));
        emit(e, &ERRORS, row->v[3], STR("auth"));
        emit(e, &ERRORS, row->v[4], STR("cInt"));
    } else if (str_eq(row->name, STR("proc2"))) {
        rpcstat_methods(e, &REQUESTS, STR("2"), row, 1, V2, COUNTOF(V2));
    } else if (str_eq(row->name, STR("proc3"))) {
        rpcstat_methods(e, &REQUESTS, STR("3"), row, 1, V3, COUNTOF(V3));
    } else if (str_eq(row->name, STR("proc4ops"))) {
        rpcstat_methods(e, &REQUESTS, STR("4"), row, 1, V4, COUNTOF(V4));
    } else if (str_eq(row->name, STR("wdeleg_getattr")) && row->n >= 1) {
        emit(e, &REQUESTS, row->v[0], STR("4"), STR("WdelegGetattr"));
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct rpcstat_row row;
    struct str text;
    int err = pseudo_read(state, &text, NULL);
    if (err)
        return why_set(why, (enum err) - err, "there is no NFS server");
    while (rpcstat_next(&text, &row))
        give(e, &row);
    return 0;
}

const struct collector_ops nfsd_collector = {.file = "/net/rpc/nfsd", .run = run};
