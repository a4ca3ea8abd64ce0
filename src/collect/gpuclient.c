/* What programs have of graphics cards, by what the kernel tells of their open devices: time of
 * engines and memory, for AMD's, Intel's and other cards whose drivers follow the kernel's format.
 *
 * A file /proc/PID/fdinfo/FD of a card has lines "drm-engine-render: 1234 ns" (time) or
 * "drm-cycles-rcs: 5" of "drm-total-cycles-rcs: 10" (xe), and "drm-resident-vram0: 12 KiB".
 * Descriptors of one client share its id: they count once. What a client has used stays in its
 * card's total when it ends.
 *
 * Source:  Linux, Documentation/gpu/drm-usage-stats.rst. */
#include "collect/collector.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "collect/gpu_emit.h"
#include "collect/pseudo.h"

enum { PATH_BYTES = 320, LINK_BYTES = 256, ENGINES_MAX = 16, NAME_BYTES = 32, FDS_MAX = 65536 };

/* An engine of a card. */
struct engine {
    char card[NAME_BYTES], name[NAME_BYTES];
    double busy_s, share; /* since the collector began; of the last interval */
    double gained_s;
};

/* What an engine had done for a client at the last look. */
struct used {
    double busy_ns, total_cycles;
};

struct state {
    struct map seen;    /* "PCI CLIENT ENGINE" -> struct used */
    struct map clients; /* of the present run: "PCI CLIENT", so that each counts once */
    struct {
        struct engine *v;
        size_t n, capacity;
    } engines;
    int64_t last_ns; /* of the last run */
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)host;
    (void)why;
    struct state *s = mem_new(sizeof *s);
    map_init(&s->seen, 0);
    map_init(&s->clients, 0);
    *ret = s;
    return 0;
}

static void free_used(struct map *m)
{
    struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(m, &at));)
        mem_free(slot->value.p);
    map_done(m);
}

static void close_state(void *state)
{
    struct state *s = state;
    free_used(&s->seen);
    map_done(&s->clients);
    vec_free(&s->engines);
    mem_free(s);
}

/* ---- one file */

struct client {
    struct str pci, id;
    char card[NAME_BYTES];
    double memory;
};

/* The value of "key:\tvalue" in text; "" where it is missing. */
static struct str value_of(struct str text, struct str key)
{
    struct str line;
    while (pseudo_line(&text, &line))
        if (str_starts(line, key) && line.n > key.n && line.p[key.n] == ':')
            return str_trim(str_sub(line, key.n + 1, line.n));
    return STR("");
}

/* "card0" for a PCI address, the address itself where the driver shows no card. */
static void name_card(const struct collector_host *host, struct str pci, char ret[NAME_BYTES])
{
    char path[PATH_BYTES];
    snprintf(ret, NAME_BYTES, STR_FMT, STR_ARG(pci));
    snprintf(path, sizeof path, "%s/bus/pci/devices/" STR_FMT "/drm", host->sys, STR_ARG(pci));
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, "card", 4) == 0 && strlen(entry->d_name) < NAME_BYTES)
            memcpy(ret, entry->d_name, strlen(entry->d_name) + 1);
    if (folder != NULL)
        closedir(folder);
}

static struct engine *engine_of(struct state *s, const char *card, struct str name)
{
    for (size_t i = 0; i < s->engines.n; i++)
        if (strcmp(s->engines.v[i].card, card) == 0 && str_eq(str_c(s->engines.v[i].name), name))
            return &s->engines.v[i];
    struct engine e = {.busy_s = 0};
    snprintf(e.card, sizeof e.card, "%s", card);
    snprintf(e.name, sizeof e.name, STR_FMT, STR_ARG(name));
    vec_push(&s->engines, e);
    return &s->engines.v[s->engines.n - 1];
}

/* What a client's engine has gained since the last look; the first look sets out from 0, as the
 * client is new since then or the collector is. */
static void count(struct state *s, const struct client *c, struct str engine, double busy,
                  double total_cycles, double elapsed_s)
{
    char key[PATH_BYTES];
    bool fresh;
    int n = snprintf(key, sizeof key, STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(c->pci),
                     STR_ARG(c->id), STR_ARG(engine));
    if (n >= (int)sizeof key)
        return;
    union map_value *v = map_put(&s->seen, str_of(key, (size_t)n), &fresh);
    if (fresh)
        v->p = mem_new(sizeof(struct used));
    struct used *used = v->p;
    double gained = busy - used->busy_ns, cycles = total_cycles - used->total_cycles;
    struct engine *e = engine_of(s, c->card, engine);
    if (gained > 0 && total_cycles > 0 && !fresh && cycles > 0)
        e->gained_s += gained / cycles * elapsed_s;
    else if (gained > 0 && total_cycles == 0)
        e->gained_s += gained / 1e9;
    used->busy_ns = busy;
    used->total_cycles = total_cycles;
}

/* Bytes of "123 KiB". */
static double bytes_of(struct str text)
{
    double v;
    struct str rest = text;
    if (!pseudo_number(&rest, &v))
        return 0;
    rest = str_trim(rest);
    return v * (str_eq(rest, STR("KiB")) ? 1024 : str_eq(rest, STR("MiB")) ? 1048576 : 1);
}

static void read_lines(struct state *s, struct client *c, struct str text, double elapsed_s)
{
    static const struct str ENGINE = {"drm-engine-", 11}, CYCLES = {"drm-cycles-", 11};
    struct str rest = text, line;
    char key[NAME_BYTES * 2];
    while (pseudo_line(&rest, &line)) {
        size_t colon = str_find(line, ':');
        struct str name = str_sub(line, 0, colon), value = str_sub(line, colon + 1, line.n);
        struct str engine = str_sub(name, ENGINE.n, name.n), number = str_trim(value);
        double v, total;
        if (str_starts(name, STR("drm-engine-capacity-")) || !pseudo_number(&number, &v))
            continue;
        if (str_starts(name, ENGINE) && engine.n < NAME_BYTES) {
            count(s, c, engine, v, 0, elapsed_s);
        } else if (str_starts(name, CYCLES) && engine.n < NAME_BYTES) {
            snprintf(key, sizeof key, "drm-total-cycles-" STR_FMT, STR_ARG(engine));
            struct str whole = value_of(text, str_c(key));
            if (pseudo_number(&whole, &total))
                count(s, c, engine, v, total, elapsed_s);
        } else if (str_starts(name, STR("drm-resident-vram")) ||
                   str_starts(name, STR("drm-resident-local")) ||
                   (str_eq(name, STR("drm-memory-vram")) &&
                    value_of(text, STR("drm-resident-vram")).n == 0)) {
            c->memory += bytes_of(str_trim(value));
        }
    }
}

/* Is the descriptor one of a card? */
static bool is_card(const char *process, const char *fd)
{
    char path[PATH_BYTES], to[LINK_BYTES];
    if (snprintf(path, sizeof path, "%s/fd/%s", process, fd) >= (int)sizeof path)
        return false;
    ssize_t n = readlink(path, to, sizeof to);
    return n > 9 && memcmp(to, "/dev/dri/", 9) == 0;
}

struct run {
    struct state *s;
    const struct collector_host *host;
    struct emit *e;
    double elapsed_s;
};

static void read_client(struct run *r, const char *process, const char *fd, struct str pid)
{
    char path[PATH_BYTES], room[PSEUDO_SMALL], key[LINK_BYTES], comm[NAME_BYTES];
    struct str text, name = STR("");
    struct client c = {.memory = 0};
    bool fresh;
    if (snprintf(path, sizeof path, "%s/fdinfo/%s", process, fd) >= (int)sizeof path ||
        pseudo_peek(path, room, sizeof room, &text) != 0)
        return;
    c.pci = value_of(text, STR("drm-pdev"));
    c.id = value_of(text, STR("drm-client-id"));
    int n = snprintf(key, sizeof key, STR_FMT " " STR_FMT, STR_ARG(c.pci), STR_ARG(c.id));
    if (c.pci.n == 0 || c.id.n == 0 || n >= (int)sizeof key)
        return;
    map_put(&r->s->clients, str_of(key, (size_t)n), &fresh);
    if (!fresh)
        return;
    name_card(r->host, c.pci, c.card);
    read_lines(r->s, &c, text, r->elapsed_s);
    snprintf(path, sizeof path, "%s/comm", process);
    if (pseudo_peek(path, comm, sizeof comm, &name) != 0)
        name = STR(""); /* it has just ended */
    gpu_emit_process(r->e, str_c(c.card), pid, name, c.id, c.memory);
}

static void read_process(struct run *r, const char *pid)
{
    char path[PATH_BYTES], process[PATH_BYTES / 2];
    struct dirent *entry;
    size_t fds = 0;
    snprintf(process, sizeof process, "%s/%s", r->host->proc, pid);
    snprintf(path, sizeof path, "%s/fdinfo", process);
    DIR *folder = opendir(path);
    while (folder != NULL && fds++ < FDS_MAX && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' && is_card(process, entry->d_name))
            read_client(r, process, entry->d_name, str_c(pid));
    if (folder != NULL)
        closedir(folder);
}

/* ---- a run */

/* Totals and shares; a card that does not tell its load itself has that of its busiest engine. */
static void emit_engines(struct run *r)
{
    struct state *s = r->s;
    for (size_t i = 0; i < s->engines.n; i++) {
        struct engine *e = &s->engines.v[i];
        e->busy_s += e->gained_s;
        e->share = r->elapsed_s > 0 ? MIN(e->gained_s / r->elapsed_s, 1.0) : 0;
        e->gained_s = 0;
        gpu_emit_value(r->e, GPU_engine_busy, str_c(e->card), str_c(e->name), e->busy_s);
    }
    for (size_t i = 0; i < s->engines.n; i++) {
        const struct engine *e = &s->engines.v[i];
        double most = e->share;
        bool first = true;
        for (size_t k = 0; k < s->engines.n; k++)
            if (strcmp(s->engines.v[k].card, e->card) == 0) {
                first = first && k >= i;
                most = MAX(most, s->engines.v[k].share);
            }
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/class/drm/%s/device/gpu_busy_percent", r->host->sys,
                 e->card);
        if (first && access(path, R_OK) != 0)
            gpu_emit_value(r->e, GPU_utilization, str_c(e->card), STR(""), most);
        if (strcmp(e->name, "enc") == 0)
            gpu_emit_value(r->e, GPU_encoder_utilization, str_c(e->card), STR(""), e->share);
        if (strcmp(e->name, "dec") == 0)
            gpu_emit_value(r->e, GPU_decoder_utilization, str_c(e->card), STR(""), e->share);
    }
}

/* Clients that have ended are forgotten. */
static void forget_ended(struct state *s)
{
    struct {
        struct str *v;
        size_t n, capacity;
    } ended = {0};
    struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&s->seen, &at));) {
        size_t end = str_find(slot->key, ' ');
        struct str behind = str_sub(slot->key, end + 1, slot->key.n);
        struct str client = str_sub(slot->key, 0, end + 1 + str_find(behind, ' '));
        if (map_get(&s->clients, client) == NULL) {
            struct str key = {mem_text(slot->key.p, slot->key.n), slot->key.n};
            vec_push(&ended, key);
        }
    }
    for (size_t i = 0; i < ended.n; i++) {
        mem_free(map_get(&s->seen, ended.v[i])->p);
        map_drop(&s->seen, ended.v[i]);
        mem_free((char *)(uintptr_t)ended.v[i].p);
    }
    vec_free(&ended);
}

static bool has_cards(const struct collector_host *host)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/class/drm", host->sys);
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool any = false;
    while (folder != NULL && !any && (entry = readdir(folder)) != NULL)
        any = strncmp(entry->d_name, "card", 4) == 0;
    if (folder != NULL)
        closedir(folder);
    return any;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct dirent *entry;
    int64_t now_ns = clock_monotonic_ns(host->clock);
    if (!has_cards(host))
        return -ERR_NOENT;
    DIR *folder = opendir(host->proc);
    if (folder == NULL)
        return why_set(why, ERR_NOENT, "%s cannot be read", host->proc);
    struct run r = {s, host, e, s->last_ns ? (double)(now_ns - s->last_ns) / 1e9 : 0};
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            read_process(&r, entry->d_name);
    closedir(folder);
    emit_engines(&r);
    forget_ended(s);
    map_done(&s->clients);
    map_init(&s->clients, 0);
    s->last_ns = now_ns;
    return 0;
}

const struct collector_ops gpuclient_collector = {NULL, open_state, run, close_state};
