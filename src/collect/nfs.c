/* The NFS client, from /proc/net/rpc/nfs. */
#include "collect/collector.h"

#include "collect/pseudo.h"
#include "collect/rpcstat.h"

static const struct family PACKETS = {
    "node_nfs_packets_total", METRIC_COUNTER, "Packets of the client.", {"protocol"}};
static const struct family CONNECTIONS = {
    "node_nfs_connections_total", METRIC_COUNTER, "TCP connections made.", {NULL}};
static const struct family CALLS = {"node_nfs_rpcs_total", METRIC_COUNTER, "Calls made.", {NULL}};
static const struct family RETRANSMISSIONS = {
    "node_nfs_rpc_retransmissions_total", METRIC_COUNTER, "Calls sent again.", {NULL}};
static const struct family REFRESHES = {"node_nfs_rpc_authentication_refreshes_total",
                                        METRIC_COUNTER,
                                        "Times that authentication was renewed.",
                                        {NULL}};
static const struct family REQUESTS = {
    "node_nfs_requests_total", METRIC_COUNTER, "Calls of the procedure.", {"proto", "method"}};

static const char *const V2[] = {
    "Null",   "GetAttr", "SetAttr", "Root", "Lookup",  "ReadLink", "Read",  "WrCache", "Write",
    "Create", "Remove",  "Rename",  "Link", "SymLink", "MkDir",    "RmDir", "ReadDir", "FsStat",
};
static const char *const V3[] = {
    "Null",    "GetAttr",     "SetAttr", "Lookup", "Access",   "ReadLink", "Read",   "Write",
    "Create",  "MkDir",       "SymLink", "MkNod",  "Remove",   "RmDir",    "Rename", "Link",
    "ReadDir", "ReadDirPlus", "FsStat",  "FsInfo", "PathConf", "Commit",
};
static const char *const V4[] = {
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "LayoutGet",
    "GetDeviceInfo",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
};

static void give(struct emit *e, const struct rpcstat_row *row)
{
    if (str_eq(row->name, STR("net")) && row->n >= 4) {
        emit(e, &PACKETS, row->v[1], STR("udp"));
        emit(e, &PACKETS, row->v[2], STR("tcp"));
        emit_plain(e, &CONNECTIONS, row->v[3]);
    } else if (str_eq(row->name, STR("rpc")) && row->n >= 3) {
        emit_plain(e, &CALLS, row->v[0]);
        emit_plain(e, &RETRANSMISSIONS, row->v[1]);
        emit_plain(e, &REFRESHES, row->v[2]);
    } else if (str_eq(row->name, STR("proc2"))) {
        rpcstat_methods(e, &REQUESTS, STR("2"), row, 1, V2, COUNTOF(V2));
    } else if (str_eq(row->name, STR("proc3"))) {
        rpcstat_methods(e, &REQUESTS, STR("3"), row, 1, V3, COUNTOF(V3));
    } else if (str_eq(row->name, STR("proc4"))) {
        rpcstat_methods(e, &REQUESTS, STR("4"), row, 1, V4, COUNTOF(V4));
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct rpcstat_row row;
    struct str text;
    int err = pseudo_read(state, &text, NULL);
    if (err)
        return why_set(why, (enum err) - err, "there is no NFS client");
    while (rpcstat_next(&text, &row))
        give(e, &row);
    return 0;
}

const struct collector_ops nfs_collector = {.file = "/net/rpc/nfs", .run = run};
