#include "receive/collectd_receiver.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/stat.h"
#include "codec/collectd.h"
#include "codec/collectd_types.h"
#include "os/file.h"
#include "receive/collectd_users.h"
#include "receive/datagram_thread.h"

#define AT(member) offsetof(struct collectd_settings, member)

enum {
    WRITE_MS = 200,       /* how often what has come is made durable */
    FAMILIES_MAX = 10000, /* whose metadata is remembered as written */
    OPENED_MAX = 65536,   /* bytes of a decrypted packet */
    NAME_MAX_BYTES = 1024,
};

static const char *const MODULE = "collectd";

static const struct option ROWS[] = {
    {"listen", OPTION_LIST, AT(listen), "", 0, 0, NULL, 0,
     "Where collectd's binary protocol is received, HOST:PORT (UDP); its network plugin sends to "
     "port 25826. Empty: nowhere. An address that is taken is a warning."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 0, TENANT_NAME_MAX, NULL, 0,
     "Whose series they are."},
    {"types_db", OPTION_LIST, AT(types_db), "", 0, 0, NULL, 0,
     "Files of types in the format of collectd's types.db, for types that are not standard ones. "
     "Read at the start."},
    {"auth_file", OPTION_TEXT, AT(auth_file), "", 0, 4000, NULL, 0,
     "File of lines \"USER: PASSWORD\", as collectd's AuthFile: for packets that are signed or "
     "encrypted, which are refused without it. Read at the start."},
    {"security", OPTION_CHOICE, AT(security), "none", 0, 0, "none|sign|encrypt", 0,
     "What packets must be at least: anything, signed (HMAC-SHA-256), or encrypted (AES-256)."},
};

const struct option_table collectd_options = {
    "collectd", "collectd's binary network protocol.",
    false,      sizeof(struct collectd_settings),
    ROWS,       COUNTOF(ROWS),
};

static struct stat datagrams =
    STAT_COUNTER("sonde_collectd_datagrams_total", "Packets of collectd that were read.");
static struct stat cut = STAT_COUNTER("sonde_collectd_datagrams_cut_total",
                                      "Packets that were left out since they were too long.");
static struct stat dropped =
    STAT_COUNTER("sonde_collectd_datagrams_dropped_total",
                 "Packets that the kernel dropped since they came faster than they were read.");
static struct stat samples =
    STAT_COUNTER("sonde_collectd_samples_total", "Samples written to the store.");
static struct stat refused =
    STAT_COUNTER("sonde_collectd_samples_refused_total", "Samples that the store did not take.");
static struct stat lost =
    STAT_COUNTER("sonde_collectd_commits_failed_total", "Writes that could not be made durable.");
static struct stat notifications = STAT_COUNTER("sonde_collectd_notifications_total",
                                                "Notifications; each becomes an event.");
#define BAD_HELP "Packets, or what was left of one, that were not taken."
static struct stat malformed =
    STAT_COUNTER_OF("sonde_collectd_bad_packets_total", "reason=\"format\"", BAD_HELP);
static struct stat untrusted =
    STAT_COUNTER_OF("sonde_collectd_bad_packets_total", "reason=\"signature\"", BAD_HELP);
static struct stat unprotected =
    STAT_COUNTER_OF("sonde_collectd_bad_packets_total", "reason=\"security\"", BAD_HELP);

enum security { SECURITY_NONE, SECURITY_SIGN, SECURITY_ENCRYPT };

struct collectd_receiver {
    struct collectd_plan plan;
    struct tenant *tenant;
    enum security wanted;
    struct collectd_types types;
    struct collectd_users users;
    struct buf opened; /* the present packet, decrypted */
    struct buf name, key;
    struct batch *batch;
    struct arena arena; /* of the batch's keys */
    struct map families;
    bool written, due, sink_failed;
    struct datagram_thread *thread;
};

/* ---- writing */

static void append(struct collectd_receiver *r)
{
    struct batch *b = r->batch;
    struct sink *s = r->plan.sink;
    struct why why = {0};
    if (b->n == 0)
        return;
    int taken = s->ops->append(s, r->plan.lane, r->tenant, b, &why);
    size_t good = taken > 0 ? (size_t)taken : 0;
    bool failed = good < b->n;
    stat_add(&samples, good);
    stat_add(&refused, b->n - good);
    if (failed && !r->sink_failed)
        log_warn(MODULE, "the store does not take all samples: %s",
                 why.text[0] ? why.text : err_text(taken < 0 ? taken : ERR_LIMIT));
    r->sink_failed = failed;
    r->written = true;
    b->n = 0;
    arena_reset(&r->arena);
}

static void committed(void *context, int err)
{
    (void)context;
    if (err)
        stat_add(&lost, 1);
}

void collectd_receiver_write(struct collectd_receiver *r)
{
    append(r);
    if (r->written)
        r->plan.sink->ops->commit(r->plan.sink, r->plan.lane, committed, NULL);
    r->written = false;
}

static void put_metadata(struct collectd_receiver *r, struct str name, bool counter)
{
    if (r->families.n >= FAMILIES_MAX) {
        map_done(&r->families);
        map_init(&r->families, rand_seed());
    }
    bool is_new;
    map_put(&r->families, name, &is_new); /* a set */
    if (!is_new)
        return;
    struct metadata m = {.metric = name, .type = counter ? METRIC_COUNTER : METRIC_GAUGE};
    /* Metadata is a convenience: without it the samples are still right. */
    (void)r->plan.sink->ops->metadata(r->plan.sink, r->plan.lane, r->tenant, &m);
}

static void put(struct collectd_receiver *r, const struct collectd_identity *id, struct str value,
                enum collectd_kind kind, double v)
{
    struct batch *b = r->batch;
    if (b->n == BATCH_MAX)
        append(r);
    buf_clear(&r->name);
    buf_clear(&r->key);
    collectd_name(id, value, kind, &r->name);
    collectd_key(id, buf_str(&r->name), &r->key);
    if (buf_failed(&r->name) || buf_failed(&r->key)) {
        stat_add(&refused, 1);
        return;
    }
    put_metadata(r, buf_str(&r->name), kind == COLLECTD_COUNTER || kind == COLLECTD_DERIVE);
    b->key[b->n] = arena_str(&r->arena, buf_str(&r->key));
    b->ts_ms[b->n] = id->ts_ms != 0 ? id->ts_ms : clock_wall_ms(r->plan.clock);
    b->value[b->n] = v;
    b->histogram[b->n] = NULL;
    b->start_ms[b->n] = 0;
    b->err[b->n] = 0;
    b->n++;
}

/* ---- packets */

static void take_values(struct collectd_receiver *r, const struct collectd_identity *id,
                        const struct collectd_item *item)
{
    size_t n = collectd_values(item);
    for (size_t i = 0; i < n; i++) {
        char number[24];
        enum collectd_kind kind;
        double v = collectd_value(item, i, &kind);
        if (!isnan(v)) /* collectd's word for "not known" */
            put(r, id, collectd_types_value(&r->types, id->type, i, n, number), kind, v);
    }
}

/* Reads a packet, or what was encrypted in one (then has says so and nothing inside may be again).
 */
static void take_parts(struct collectd_receiver *r, struct str packet, enum security has)
{
    struct collectd_reader reader;
    struct collectd_item item;
    enum collectd_what what;
    collectd_begin(&reader, packet);
    while ((what = collectd_next(&reader, &item)) != COLLECTD_END) {
        if (what == COLLECTD_VALUES && has >= r->wanted) {
            take_values(r, &reader.now, &item);
        } else if (what == COLLECTD_NOTIFICATION && has >= r->wanted) {
            stat_add(&notifications, 1);
            if (r->plan.notification != NULL)
                r->plan.notification(r->plan.context, &reader.now, item.message, item.severity);
        } else if (what == COLLECTD_SIGNED && collectd_users_check(&r->users, &item)) {
            has = MAX(has, SECURITY_SIGN);
            reader.now = (struct collectd_identity){0}; /* what stood before is not signed */
        } else if (what == COLLECTD_ENCRYPTED && has != SECURITY_ENCRYPT &&
                   collectd_users_open(&r->users, &item, &r->opened)) {
            take_parts(r, buf_str(&r->opened), SECURITY_ENCRYPT);
        } else {
            stat_add(what == COLLECTD_BAD                                    ? &malformed
                     : what == COLLECTD_SIGNED || what == COLLECTD_ENCRYPTED ? &untrusted
                                                                             : &unprotected,
                     1);
            return;
        }
    }
}

void collectd_receiver_take(struct collectd_receiver *r, struct str packet)
{
    take_parts(r, packet, SECURITY_NONE);
}

/* ---- the thread */

static void take(void *context, struct str packet)
{
    collectd_receiver_take(context, packet);
}

static void tick(void *context, int64_t ts_ms)
{
    struct collectd_receiver *r = context;
    (void)ts_ms; /* values bear their own times */
    r->due = true;
}

static bool step(void *context)
{
    struct collectd_receiver *r = context;
    if (r->due)
        collectd_receiver_write(r);
    return r->due = false;
}

/* ---- life */

int collectd_settings_check(const struct collectd_settings *s, struct why *why)
{
    if (strcmp(s->security, "none") != 0 && s->auth_file[0] == '\0')
        return why_set(why, ERR_FORMAT,
                       "collectd.security is \"%s\", for which collectd.auth_file must name a file "
                       "of users",
                       s->security);
    if (s->types_db.n > COLLECTD_TYPES_FILES_MAX)
        return why_set(why, ERR_LIMIT, "collectd.types_db has %zu files, at most %d", s->types_db.n,
                       COLLECTD_TYPES_FILES_MAX);
    return 0;
}

static int read_files(struct collectd_receiver *r, struct why *why)
{
    const struct collectd_settings *s = r->plan.settings;
    int err = s->auth_file[0] ? collectd_users_read(&r->users, s->auth_file, why) : 0;
    for (size_t i = 0; i < s->types_db.n && err == 0; i++) {
        struct buf text;
        buf_init(&text, COLLECTD_TYPES_FILE_MAX);
        err = file_read(s->types_db.v[i], &text, why);
        if (err == 0) {
            err = collectd_types_read(&r->types, buf_str(&text), why);
            if (err != 0)
                (void)why_prefix(why, "collectd.types_db: %s", s->types_db.v[i]);
        }
        buf_done(&text);
    }
    return err;
}

static void register_stats(void)
{
    struct stat *const all[] = {&samples,   &refused,   &lost,       &notifications,
                                &malformed, &untrusted, &unprotected};
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_register(all[i]);
}

int collectd_receiver_new(const struct collectd_plan *plan, struct collectd_receiver **ret,
                          struct why *why)
{
    const char *security = plan->settings->security;
    struct tenant *tenant;
    int err = plan->sink->ops->tenant(plan->sink, str_c(plan->settings->tenant), &tenant, why);
    if (err != 0)
        return err;
    register_stats();
    struct collectd_receiver *r = mem_new(sizeof *r);
    r->plan = *plan;
    r->tenant = tenant;
    r->wanted = security[0] == 's'   ? SECURITY_SIGN
                : security[0] == 'e' ? SECURITY_ENCRYPT
                                     : SECURITY_NONE;
    collectd_types_init(&r->types);
    collectd_users_init(&r->users);
    buf_init(&r->opened, OPENED_MAX);
    buf_init(&r->name, NAME_MAX_BYTES);
    buf_init(&r->key, LABELS_KEY_MAX);
    r->batch = mem_new(sizeof *r->batch);
    arena_init(&r->arena);
    map_init(&r->families, rand_seed());
    err = read_files(r, why);
    if (err != 0) {
        collectd_receiver_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

int collectd_receiver_start(struct collectd_receiver *r, const int *fds, size_t n, struct why *why)
{
    static const struct datagram_thread_ops OPS = {take, tick, step};
    struct datagram_thread_plan plan = {.ops = &OPS,
                                        .context = r,
                                        .name = "collectd",
                                        .interval_ms = WRITE_MS,
                                        .clock = r->plan.clock,
                                        .datagrams = &datagrams,
                                        .cut = &cut,
                                        .dropped = &dropped};
    return n == 0 ? 0 : datagram_thread_start(&plan, fds, n, &r->thread, why);
}

void collectd_receiver_free(struct collectd_receiver *r)
{
    if (r == NULL)
        return;
    datagram_thread_stop(r->thread);
    collectd_types_done(&r->types);
    collectd_users_done(&r->users);
    buf_done(&r->opened);
    buf_done(&r->name);
    buf_done(&r->key);
    map_done(&r->families);
    arena_done(&r->arena);
    mem_free(r->batch);
    mem_free(r);
}
