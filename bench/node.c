#include "node.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { RECORDED_LINE_MAX = 65536 };

static void *must_have(void *p)
{
    if (p == NULL) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return p;
}

static struct node_series *add(struct node *node, const char *text)
{
    struct node_series *s = &node->series[node->n++];
    s->name = must_have(strdup(text));
    char *at = strchr(s->name, '{');
    if (at == NULL)
        return s;
    *at++ = '\0';
    while (*at != '}' && *at != '\0' && s->labels_n < NODE_LABELS_MAX) {
        char *equals = strchr(at, '=');
        char *end = equals == NULL ? NULL : strchr(equals + 2, '"');
        if (end == NULL)
            break;
        *equals = *end = '\0';
        s->label[s->labels_n] = at;
        s->value[s->labels_n++] = equals + 2;
        at = end + 1;
        if (*at == ',')
            at++;
    }
    return s;
}

/* A counter rises all the time, moves, and says so in its name. */
static void find_counters(struct node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        struct node_series *s = &node->series[i];
        bool falls = false, moves = false;
        for (size_t k = 1; k < node->snapshots; k++) {
            falls |= s->v[k] < s->v[k - 1];
            moves |= s->v[k] != s->v[k - 1];
        }
        s->counter = moves && !falls && strstr(s->name, "_total") != NULL;
    }
}

bool node_read(const char *path, struct node *ret)
{
    gzFile f = gzopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return false;
    }
    static char line[RECORDED_LINE_MAX];
    char **known = must_have(calloc(NODE_SERIES_MAX, sizeof *known));
    size_t at = 0, opened = 0;
    *ret = (struct node){.series = must_have(calloc(NODE_SERIES_MAX, sizeof *ret->series))};
    while (gzgets(f, line, sizeof line) != NULL) {
        if (line[0] == '@') {
            if (opened++ == NODE_SNAPSHOTS)
                break;
            at = 0;
            continue;
        }
        char *space = strrchr(line, ' ');
        if (space == NULL || opened == 0)
            continue;
        *space = '\0';
        size_t i = at++;
        if (opened == 1 && ret->n < NODE_SERIES_MAX) {
            known[i = ret->n] = must_have(strdup(line));
            add(ret, line);
        } else if (i >= ret->n || strcmp(known[i], line) != 0) {
            for (i = 0; i < ret->n && strcmp(known[i], line) != 0; i++)
                ;
        }
        if (i < ret->n)
            ret->series[i].v[opened - 1] = strtod(space + 1, NULL);
    }
    gzclose(f);
    for (size_t i = 0; i < ret->n; i++)
        free(known[i]);
    free(known);
    ret->snapshots = opened < NODE_SNAPSHOTS ? opened : NODE_SNAPSHOTS;
    find_counters(ret);
    if (ret->n == 0 || ret->snapshots < 2)
        fprintf(stderr, "%s: no snapshots in it\n", path);
    return ret->n > 0 && ret->snapshots >= 2;
}

/* ---- the made-up machine */

enum shape { CONSTANT, COUNTER, SECONDS, PAGES, RATIO };

static const struct family {
    const char *name, *label, *values; /* values of the label, by spaces; NULL: no label */
    enum shape shape;
    double scale;
} FAMILIES[] = {
    {"node_cpu_seconds_total", "mode", "idle iowait irq nice softirq steal system user", SECONDS,
     1},
    {"node_load1", NULL, NULL, RATIO, 2},
    {"node_load5", NULL, NULL, RATIO, 2},
    {"node_load15", NULL, NULL, RATIO, 2},
    {"node_memory_MemTotal_bytes", NULL, NULL, CONSTANT, 25276514304.0},
    {"node_memory_MemFree_bytes", NULL, NULL, PAGES, 2e9},
    {"node_memory_MemAvailable_bytes", NULL, NULL, PAGES, 8e9},
    {"node_memory_Cached_bytes", NULL, NULL, PAGES, 4e9},
    {"node_memory_Active_bytes", NULL, NULL, PAGES, 3e9},
    {"node_memory_Dirty_bytes", NULL, NULL, PAGES, 1e7},
    {"node_disk_read_bytes_total", "device", "vda vdb", COUNTER, 4096},
    {"node_disk_written_bytes_total", "device", "vda vdb", COUNTER, 40960},
    {"node_disk_io_time_seconds_total", "device", "vda vdb", SECONDS, 0.1},
    {"node_network_receive_bytes_total", "device", "eth0 eth1 lo", COUNTER, 1500},
    {"node_network_transmit_bytes_total", "device", "eth0 eth1 lo", COUNTER, 900},
    {"node_network_receive_packets_total", "device", "eth0 eth1 lo", COUNTER, 3},
    {"node_context_switches_total", NULL, NULL, COUNTER, 900},
    {"node_intr_total", NULL, NULL, COUNTER, 500},
    {"node_forks_total", NULL, NULL, COUNTER, 1},
    {"node_filesystem_avail_bytes", "mountpoint", "/ /boot /srv /var", PAGES, 5e10},
    {"node_filesystem_size_bytes", "mountpoint", "/ /boot /srv /var", CONSTANT, 1e11},
    {"node_filesystem_files", "mountpoint", "/ /boot /srv /var", CONSTANT, 6553600},
    {"node_scrape_collector_duration_seconds", "collector",
     "cpu disk filesystem loadavg meminfo netdev netstat sockstat stat time uname vmstat", RATIO,
     0.001},
    {"node_scrape_collector_success", "collector",
     "cpu disk filesystem loadavg meminfo netdev netstat sockstat stat time uname vmstat", CONSTANT,
     1},
};

enum { MADE_UP_SERIES = 463, CORES = 2, LE_N = 12 };

/* Upper bounds of the service's buckets; the last one has none. */
static const double LE_MS[LE_N - 1] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};

static uint64_t state = 0x2545f4914f6cdd1dULL;

static double random_part(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (double)((state * 0x9e3779b97f4a7c15ULL) >> 11) / (double)(1ULL << 53);
}

static void fill(struct node_series *s, enum shape shape, double scale)
{
    double level = floor(1000 * random_part()), ratio = random_part();
    for (size_t k = 0; k < NODE_SNAPSHOTS; k++) {
        double r = random_part();
        level += shape == COUNTER ? floor(r * r * 20) : shape == SECONDS ? floor(r * 60) / 100 : 0;
        ratio = fabs(ratio + (r - 0.5) / 20);
        switch (shape) {
        case CONSTANT:
            s->v[k] = scale;
            break;
        case COUNTER:
            s->v[k] = level * scale;
            break;
        case SECONDS:
            s->v[k] = round(level * scale * 100) / 100;
            break;
        case PAGES:
            s->v[k] = k % 3 && k ? s->v[k - 1] : floor((1 + ratio) * scale / 4096) * 4096;
            break;
        case RATIO:
            s->v[k] = round(ratio * scale * 1e6) / 1e6;
            break;
        }
    }
}

static void add_made_up(struct node *node, const struct family *f, const char *labels)
{
    char text[256];
    snprintf(text, sizeof text, labels[0] ? "%s{%s}" : "%s%s", f->name, labels);
    fill(add(node, text), f->shape, f->scale);
}

static void add_family(struct node *node, const struct family *f)
{
    char values[256], labels[160], *place = NULL;
    if (f->label == NULL) {
        add_made_up(node, f, "");
        return;
    }
    snprintf(values, sizeof values, "%s", f->values);
    bool cores = strcmp(f->label, "mode") == 0;
    for (char *v = strtok_r(values, " ", &place); v; v = strtok_r(NULL, " ", &place))
        for (int core = 0; core < (cores ? CORES : 1); core++) {
            int n = cores ? snprintf(labels, sizeof labels, "cpu=\"%d\",", core) : 0;
            snprintf(labels + n, sizeof labels - (size_t)n, "%s=\"%s\"", f->label, v);
            add_made_up(node, f, labels);
        }
}

void node_make_up(struct node *ret)
{
    *ret = (struct node){.series = must_have(calloc(NODE_SERIES_MAX, sizeof *ret->series)),
                         .snapshots = NODE_SNAPSHOTS};
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++)
        add_family(ret, &FAMILIES[i]);
    while (ret->n < MADE_UP_SERIES) { /* the many counters of protocols, most of which rest */
        char name[64];
        size_t i = ret->n;
        snprintf(name, sizeof name, "node_netstat_Made_up%zu%s", i, i % 6 ? "" : "_total");
        struct family f = {name, NULL, NULL, i % 6 ? CONSTANT : COUNTER, 1 + (double)(i % 7)};
        add_family(ret, &f);
    }
    find_counters(ret);
}

/* ---- a made-up HTTP service */

/* Requests of one route between two snapshots, by the bucket that they fall into. */
static void serve_requests(double at_ms, uint64_t *counts)
{
    for (size_t n = (size_t)(random_part() * 40); n > 0; n--) {
        double r = random_part(), ms = at_ms * (0.3 + r * r * r * 12);
        size_t b = 0;
        while (b < LE_N - 1 && ms > LE_MS[b])
            b++;
        counts[b]++;
    }
}

static void add_route(struct node *node, size_t route)
{
    static const char *const METHODS[] = {"GET", "POST", "PUT"};
    char text[256];
    struct node_series *own[LE_N + 2];
    uint64_t counts[LE_N] = {0};
    double at_ms = 2 + 200 * random_part(), sum = 0;
    for (size_t i = 0; i < LE_N + 2; i++) {
        char le[48] = "";
        if (i < LE_N - 1)
            snprintf(le, sizeof le, ",le=\"%g\"", LE_MS[i] / 1000);
        snprintf(text, sizeof text,
                 "http_request_duration_seconds_%s{handler=\"/api/v1/%zu\"%s,method=\"%s\"}",
                 i < LE_N    ? "bucket"
                 : i == LE_N ? "count"
                             : "sum",
                 route, i == LE_N - 1 ? ",le=\"+Inf\"" : le, METHODS[route % 3]);
        own[i] = add(node, text);
        own[i]->counter = true;
    }
    for (size_t k = 0; k < NODE_SNAPSHOTS; k++) {
        uint64_t all = 0;
        serve_requests(at_ms, counts);
        for (size_t b = 0; b < LE_N; b++) {
            all += counts[b];
            own[b]->v[k] = (double)all;
        }
        sum += random_part() * at_ms / 10;
        own[LE_N]->v[k] = (double)all;
        own[LE_N + 1]->v[k] = round(sum * 1e6) / 1e9;
    }
}

void node_make_up_service(size_t routes, struct node *ret)
{
    *ret = (struct node){.series = must_have(calloc(routes * (LE_N + 2), sizeof *ret->series)),
                         .snapshots = NODE_SNAPSHOTS};
    for (size_t i = 0; i < routes; i++)
        add_route(ret, i);
}

double node_at(const struct node *node, size_t series, size_t place)
{
    const struct node_series *s = &node->series[series];
    size_t round = place / node->snapshots;
    double v = s->v[place % node->snapshots];
    return s->counter ? v + (double)round * (s->v[node->snapshots - 1] - s->v[0]) : v;
}

void node_done(struct node *node)
{
    for (size_t i = 0; i < node->n; i++)
        free(node->series[i].name);
    free(node->series);
}
