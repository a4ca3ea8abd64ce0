/* Sessions of users, asked of systemd-logind over the system bus. */
#include "collect/collector.h"

#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/dbus.h"

static const struct family SESSIONS = {"node_logind_sessions",
                                       METRIC_GAUGE,
                                       "Sessions that are open.",
                                       {"seat", "remote", "type", "class"}};

static const struct str REMOTES[] = {STR("true"), STR("false")};
/* The first of each stands for what is not in the list. */
static const struct str TYPES[] = {STR("other"),   STR("unspecified"), STR("tty"), STR("x11"),
                                   STR("wayland"), STR("mir"),         STR("web")};
static const struct str CLASSES[] = {STR("other"), STR("user"), STR("greeter"), STR("lock-screen"),
                                     STR("background")};
enum { SEATS_MAX = 64, SESSIONS_MAX = 10000 };

/* Sessions of one seat; the first seat is none: remote sessions and the like. */
struct seat {
    char *name; /* owned */
    double n[COUNTOF(REMOTES)][COUNTOF(TYPES)][COUNTOF(CLASSES)];
};

struct session {
    char *path; /* owned */
    size_t seat;
};

struct state {
    struct {
        struct seat *v; /* [n] */
        size_t n, capacity;
    } seats;
    struct {
        struct session *v; /* [n] */
        size_t n, capacity;
    } sessions;
};

static const char LOGIND[] = "org.freedesktop.login1";
static const char PATH[] = "/org/freedesktop/login1";
static const char MANAGER[] = "org.freedesktop.login1.Manager";
static const char SESSION[] = "org.freedesktop.login1.Session";

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)host;
    (void)why;
    *ret = mem_new(sizeof(struct state));
    return 0;
}

static void forget(struct state *s)
{
    for (size_t i = 0; i < s->seats.n; i++)
        mem_free(s->seats.v[i].name);
    for (size_t i = 0; i < s->sessions.n; i++)
        mem_free(s->sessions.v[i].path);
    s->seats.n = s->sessions.n = 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    forget(s);
    vec_free(&s->seats);
    vec_free(&s->sessions);
    mem_free(s);
}

static void add_seat(struct state *s, struct str name)
{
    struct seat one = {.name = mem_text(name.p, name.n)};
    vec_push(&s->seats, one);
}

static int list(struct dbus *d, const char *member, struct dbus_reader *ret_array, struct why *why)
{
    struct dbus_reader r;
    const struct dbus_call call = {
        .destination = LOGIND, .path = PATH, .interface = MANAGER, .member = member};
    int err = dbus_call(d, &call, &r, why);
    if (!err && !dbus_array(&r, ret_array))
        err = why_set(why, ERR_FORMAT, "logind: %s gives no list", member);
    return err;
}

/* (name, path) */
static int list_seats(struct state *s, struct dbus *d, struct why *why)
{
    struct dbus_reader all, one;
    struct str name;
    int err = list(d, "ListSeats", &all, why);
    add_seat(s, STR(""));
    while (!err && dbus_more(&all) && s->seats.n < SEATS_MAX) {
        one = all;
        if (!dbus_enter_struct(&one) || !dbus_text(&one, &name) || !dbus_skip(&all))
            return why_set(why, ERR_FORMAT, "logind: the list of seats is cut off");
        add_seat(s, name);
    }
    return err;
}

/* (id, user id, user, seat, path) */
static int list_sessions(struct state *s, struct dbus *d, struct why *why)
{
    struct dbus_reader all, one;
    struct str text, seat, path;
    double user;
    int err = list(d, "ListSessions", &all, why);
    while (!err && dbus_more(&all) && s->sessions.n < SESSIONS_MAX) {
        one = all;
        if (!dbus_enter_struct(&one) || !dbus_text(&one, &text) || !dbus_number(&one, &user) ||
            !dbus_text(&one, &text) || !dbus_text(&one, &seat) || !dbus_text(&one, &path) ||
            !dbus_skip(&all))
            return why_set(why, ERR_FORMAT, "logind: the list of sessions is cut off");
        struct session session = {.path = mem_text(path.p, path.n)};
        for (size_t i = 0; i < s->seats.n; i++)
            if (str_eq(seat, str_c(s->seats.v[i].name)))
                session.seat = i;
        vec_push(&s->sessions, session);
    }
    return err;
}

static size_t place_of(struct dbus *d, const char *path, const char *property,
                       const struct str *list, size_t n)
{
    struct dbus_reader r;
    struct str text;
    if (dbus_property(d, LOGIND, path, SESSION, property, &r, NULL) || !dbus_text(&r, &text))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (str_eq(text, list[i]))
            return i;
    return 0;
}

/* A session that has ended meanwhile has no properties and is left out. */
static void count_session(struct state *s, struct dbus *d, const struct session *session)
{
    struct dbus_reader r;
    double remote;
    if (dbus_property(d, LOGIND, session->path, SESSION, "Remote", &r, NULL) ||
        !dbus_number(&r, &remote))
        return;
    size_t type = place_of(d, session->path, "Type", TYPES, COUNTOF(TYPES));
    size_t class = place_of(d, session->path, "Class", CLASSES, COUNTOF(CLASSES));
    s->seats.v[session->seat].n[remote != 0 ? 0 : 1][type][class]++;
}

static void give(struct emit *e, const struct seat *seat)
{
    for (size_t i = 0; i < COUNTOF(REMOTES); i++)
        for (size_t k = 0; k < COUNTOF(TYPES); k++)
            for (size_t m = 0; m < COUNTOF(CLASSES); m++)
                emit(e, &SESSIONS, seat->n[i][k][m], str_c(seat->name), REMOTES[i], TYPES[k],
                     CLASSES[m]);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct dbus d;
    int err = dbus_open_host(&d, host->root, false, why);
    if (err)
        return err;
    forget(s);
    err = list_seats(s, &d, why);
    if (!err)
        err = list_sessions(s, &d, why);
    for (size_t i = 0; !err && i < s->sessions.n; i++)
        count_session(s, &d, &s->sessions.v[i]);
    for (size_t i = 0; !err && i < s->seats.n; i++)
        give(e, &s->seats.v[i]);
    dbus_close(&d);
    return err;
}

const struct collector_ops logind_collector = {
    .open = open_state, .run = run, .close = close_state};
