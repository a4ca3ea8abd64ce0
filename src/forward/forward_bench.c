/* What sending on costs: CPU of a writer for each sample that goes through the tap into the queue,
 * bytes on disk, and how fast the queue is emptied into a server of this process that reads
 * nothing, with the CPU of the forwarding thread. A store that takes everything stands behind it.
 * usage: bench.forward.forward [SERIES] [ROUNDS] */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "forward/forward.h"
#include "net/address.h"
#include "net/http.h"
#include "os/thread.h"

enum { BODY_MAX = 64 << 20, PATIENCE_S = 120 };

static struct {
    struct sink sink;
    struct buf *keys; /* [series] */
    size_t series, rounds;
    struct disk *disk;
    struct loop *loop;
    _Atomic uint64_t requests, bytes;
} bench;

/* ---- a store that takes everything */
static int take_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)&bench;
    return 0;
}

static int take_batch(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                      struct why *why)
{
    memset(b->err, 0, b->n);
    return (int)b->n;
}

static int take_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    return 0;
}

static int take_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return 0;
}

static void commit(struct sink *s, size_t lane, void (*done)(void *context, int err), void *context)
{
    done(context, 0);
}

static const struct sink_ops TAKES = {take_tenant, take_batch, take_exemplar, take_metadata,
                                      commit};

/* ---- a server that reads nothing */
static void on_write(struct http_request *r, void *context)
{
    bench.requests++;
    bench.bytes += http_body(r).n;
    http_reply(r, 204, STR(""), STR(""));
}

static void run(void *context)
{
    loop_run(bench.loop);
}

static void nothing(void *context, int err)
{
}

static void say(void *context, const char *text)
{
    printf("%s\n", text);
}

static void make_keys(void)
{
    bench.keys = mem_array(bench.series, sizeof *bench.keys);
    for (size_t i = 0; i < bench.series; i++) {
        char text[64];
        struct buf *key = &bench.keys[i];
        buf_init(key, 1000);
        labels_put(key, LABEL_METRIC, STR("http_request_duration_seconds_bucket"));
        snprintf(text, sizeof text, "10.0.%zu.%zu:9100", i / 1000 % 250, i / 100 % 10);
        labels_put(key, STR("instance"), str_c(text));
        labels_put(key, STR("job"), STR("node"));
        snprintf(text, sizeof text, "/api/v1/handler/%zu", i % 100);
        labels_put(key, STR("path"), str_c(text));
        snprintf(text, sizeof text, "%zu", i);
        labels_put(key, STR("pod"), str_c(text));
    }
}

static void write_all(struct sink *sink, struct tenant *tenant)
{
    struct batch *b = mem_new(sizeof *b);
    for (size_t round = 0; round < bench.rounds; round++) {
        for (size_t i = 0; i < bench.series; i++) {
            b->key[b->n] = buf_str(&bench.keys[i]);
            b->ts_ms[b->n] = 1700000000000 + (int64_t)round * 15000;
            b->value[b->n] = (double)(i * round) / 8;
            if (++b->n == BATCH_MAX || i + 1 == bench.series) {
                must(sink->ops->append(sink, 0, tenant, b, NULL) == (int)b->n);
                b->n = 0;
            }
        }
        sink->ops->commit(sink, 0, nothing, NULL);
    }
    mem_free(b);
}

struct found {
    double sent;
};

static void find(void *context, const struct stat_sample *s)
{
    struct found *f = context;
    if (strcmp(s->family, "sonde_forward_samples_total") == 0)
        f->sent = s->value;
}

static double cpu_s(void)
{
    struct rusage r;
    must(getrusage(RUSAGE_SELF, &r) == 0);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Bytes of the segments that are there. */
static int add_size(void *context, const struct disk_entry *e)
{
    struct disk_file *file;
    char path[300];
    uint64_t n = 0;
    snprintf(path, sizeof path, "forward/%s", e->name);
    must(disk_open(bench.disk, path, DISK_READ, &file) == 0);
    must(disk_size(bench.disk, file, &n) == 0);
    disk_close(bench.disk, file);
    *(uint64_t *)context += n;
    return 0;
}

static void measure(const char *folder, const char *url)
{
    uint64_t kept = 0;
    struct tenant *tenant;
    struct forward_options_write row;
    option_defaults(&forward_options_write_table, &row);
    row.url = url;
    must(disk_real_open(folder, &bench.disk, NULL) == 0);
    struct forward *f = forward_new(&(struct forward_config){.next = &bench.sink,
                                                             .disk = bench.disk,
                                                             .key_file = "",
                                                             .clock = &clock_real,
                                                             .warn = say});
    struct forward_plan plan = {
        .settings = {.queue_bytes_max = 4LL << 30, .remote_writes = {&row, 1}}};
    struct why why = {0};
    if (forward_reload(f, &plan, &why))
        printf("%s\n", why.text);
    struct sink *sink = forward_sink(f);
    must(sink->ops->tenant(sink, STR("default"), &tenant, NULL) == 0);
    double samples = (double)(bench.series * bench.rounds);

    int64_t cpu = thread_cpu_ns();
    write_all(sink, tenant);
    cpu = thread_cpu_ns() - cpu;
    must(disk_list(bench.disk, "forward", add_size, &kept) == 0);
    printf("%.0f samples: %.0f ns of a writer's CPU and %.1f bytes of the queue for each\n",
           samples, (double)cpu / samples, (double)kept / samples);

    struct found found = {0};
    double cpu_from = cpu_s();
    int64_t from = clock_monotonic_ns(&clock_real), now = from;
    stat_each(find, &found);
    double sent_from = found.sent;
    while (found.sent < samples && now - from < PATIENCE_S * 1000000000LL) {
        usleep(20000);
        now = clock_monotonic_ns(&clock_real);
        stat_each(find, &found);
    }
    double seconds = (double)(now - from) / 1e9, sent = found.sent - sent_from;
    printf("%.0f samples sent: %.0f a second, %.2f us of CPU each (server included), "
           "%.1f bytes each on the wire\n",
           sent, sent / seconds, (cpu_s() - cpu_from) * 1e6 / sent, (double)bench.bytes / samples);
    forward_free(f);
    must(disk_remove_tree(bench.disk, "forward") == 0);
    disk_free(bench.disk);
    must(rmdir(folder) == 0);
}

int main(int argc, char **argv)
{
    static const struct http_route routes[] = {{HTTP_POST, "/write", BODY_MAX, on_write, NULL}};
    static const struct http_config config = {.routes = routes, .routes_n = 1};
    struct address address;
    struct http_server *server;
    struct thread thread = {0};
    char url[200], folder[] = "/tmp/sonde-forward-bench-XXXXXX";
    int fd;
    bench.sink.ops = &TAKES;
    bench.series = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    bench.rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
    make_keys();
    must(mkdtemp(folder) != NULL);
    must(address_parse(STR("127.0.0.1:0"), &address, NULL) == 0);
    must(address_listen(&address, 1, &fd, NULL) == 0);
    must(loop_new(&bench.loop) == 0);
    must(http_server_new(bench.loop, &config, &server) == 0);
    must(http_server_listen(server, fd) == 0);
    thread_start(&thread, "server", run, NULL);
    snprintf(url, sizeof url, "http://%s/write", address.text);
    measure(folder, url);
    loop_stop(bench.loop);
    thread_join(&thread);
    http_server_free(server);
    loop_free(bench.loop);
    for (size_t i = 0; i < bench.series; i++)
        buf_done(&bench.keys[i]);
    mem_free(bench.keys);
    return 0;
}
