#include "client/debug/dbus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/core/identity.h"
#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/debug/dbus_answer.h"
#include "client/debug/dbus_library.h"
#include "client/debug/socket.h"

#define THE_BUS "org.freedesktop.DBus"

enum {
    ADDRESS_MAX = 512,
    MESSAGES_A_TURN = 16,
    GREETING_STEPS = 8,
    MESSAGE_BYTES_MAX = 1 << 20, /* of a call; libdbus hangs up on a longer one */
    WAITING_BYTES_MAX = 8 << 20, /* of answers that the bus has not taken: then no more is read */
    NAME_DO_NOT_QUEUE = 4,
    NAME_IS_OURS = 1,
};

struct peer {
    char name[DBUS_NAME_MAX]; /* of its connection, never used again by a bus; "": free */
    uint32_t asked;           /* the question's serial; 0: answered */
    uid_t uid;
    uint64_t used;
};

static struct dbus_library *const lib = &dbus_library;
static void *connection, *forgotten; /* forgotten: the parent's, in a child */
static struct worker_watch watch = {.fd = -1};
static uint32_t hello_serial, name_serial;
static struct peer peers[DBUS_PEERS_MAX];
static void *held[DBUS_HELD_MAX];
static uint64_t uses, next_try_ns;
static char address[ADDRESS_MAX]; /* what debug.dbus_bus means; read once, at the start */
static enum command_level level;

/* What the command `dbus` shows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool connected; /* and greeted */
    char name[DBUS_NAME_MAX], unique[DBUS_NAME_MAX];
    char problem[SETTING_PROBLEM_MAX];
    uint64_t calls, refused;
} state;

static void run_task(void *unused);
static struct worker_task task = {
    .name = "dbus", .run = run_task, .period_ns = (uint64_t)DBUS_RETRY_S * 1000000000};

void dbus_service_name(char ret[DBUS_NAME_MAX], const char *service, pid_t pid)
{
    char word[101];
    size_t n = 0;
    if (!*service || (*service >= '0' && *service <= '9')) {
        word[n++] = '_'; /* a part of a name is not empty and begins with no digit */
    }
    for (const char *p = service; *p && n < sizeof word - 1; p++) {
        bool good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '_' || *p == '-';
        word[n++] = good ? *p : '_';
    }
    word[n] = 0;
    snprintf(ret, DBUS_NAME_MAX, "dev.sonde.Debug.%s.p%ld", word, (long)pid);
}

bool dbus_caller_good(uid_t caller, uid_t own)
{
    return caller == own || caller == 0;
}

static void say(const char *problem, const char *detail)
{
    pthread_mutex_lock(&lock);
    snprintf(state.problem, sizeof state.problem, "%s%s%.200s", problem, *detail ? ": " : "",
             detail);
    pthread_mutex_unlock(&lock);
}

static void not_connected(void)
{
    pthread_mutex_lock(&lock);
    state.connected = false;
    *state.name = *state.unique = 0;
    pthread_mutex_unlock(&lock);
}

static void let_peers_go(bool unref)
{
    memset(peers, 0, sizeof peers);
    for (size_t i = 0; i < DBUS_HELD_MAX; i++) {
        if (held[i] && unref) {
            lib->message_unref(held[i]);
        }
        held[i] = NULL;
    }
    hello_serial = name_serial = 0;
}

static void hang_up(void)
{
    if (connection) {
        worker_watch_remove(&watch);
        let_peers_go(true);
        lib->connection_close(connection);
        lib->connection_unref(connection);
        connection = NULL;
        watch.fd = -1;
    }
    not_connected();
}

static void later(void)
{
    next_try_ns = ticks_monotonic_ns() + (uint64_t)DBUS_RETRY_S * 1000000000;
    worker_task_at(&task, next_try_ns);
}

static void lose(const char *problem, const char *detail)
{
    hang_up();
    say(problem, detail);
    later();
}

/* Sends and lets go of the message; the serial, 0: no memory. */
static uint32_t send_off(void *message)
{
    uint32_t serial = 0;
    if (message) {
        if (!lib->connection_send(connection, message, &serial)) {
            serial = 0;
        }
        lib->message_unref(message);
    }
    return serial;
}

static void *bus_call(const char *member)
{
    return lib->message_new_method_call(THE_BUS, "/org/freedesktop/DBus", THE_BUS, member);
}

/* The reply's first string, or its error's sentence; valid as long as the message. */
static const char *reply_string(void *reply)
{
    const char *s = "";
    struct dbus_library_error e;
    lib->error_init(&e);
    if (!lib->message_get_args(reply, &e, 's', &s, 0)) {
        s = lib->message_get_error_name(reply);
    }
    lib->error_free(&e);
    return s ? s : "";
}

static void ask_name(void)
{
    char name[DBUS_NAME_MAX];
    const char *p = name;
    uint32_t flags = NAME_DO_NOT_QUEUE;
    dbus_service_name(name, identity.service, identity.pid);
    void *m = bus_call("RequestName");
    if (m && lib->message_append_args(m, 's', &p, 'u', &flags, 0)) {
        name_serial = send_off(m);
    } else if (m) {
        lib->message_unref(m);
    }
}

static void greeted(void *reply)
{
    pthread_mutex_lock(&lock);
    state.connected = true;
    snprintf(state.unique, sizeof state.unique, "%s", reply_string(reply));
    *state.problem = 0;
    pthread_mutex_unlock(&lock);
    ask_name();
}

static void named(void *reply, bool good)
{
    uint32_t answer = 0;
    struct dbus_library_error e;
    lib->error_init(&e);
    if (!good) {
        say("the bus refuses the name", reply_string(reply));
    } else if (!lib->message_get_args(reply, &e, 'u', &answer, 0) || answer != NAME_IS_OURS) {
        say("the name is another program's", "");
    } else {
        pthread_mutex_lock(&lock);
        dbus_service_name(state.name, identity.service, identity.pid);
        pthread_mutex_unlock(&lock);
    }
    lib->error_free(&e);
}

static void refuse(void *call, const char *error, const char *sentence)
{
    pthread_mutex_lock(&lock);
    state.refused++;
    pthread_mutex_unlock(&lock);
    if (!lib->message_get_no_reply(call)) {
        send_off(lib->message_new_error(call, error, sentence));
    }
}

static void answer(void *call, const struct peer *p)
{
    if (!dbus_caller_good(p->uid, geteuid())) {
        refuse(call, "org.freedesktop.DBus.Error.AccessDenied",
               "only the program's own user and root may ask it");
        return;
    }
    pthread_mutex_lock(&lock);
    state.calls++;
    pthread_mutex_unlock(&lock);
    void *reply = dbus_answer(call, level);
    if (reply && lib->message_get_no_reply(call)) {
        lib->message_unref(reply);
    } else {
        send_off(reply);
    }
}

/* Who the sender is has come: its calls that wait are answered. */
static void known(struct peer *p, void *reply, bool good)
{
    uint32_t uid = 0;
    struct dbus_library_error e;
    lib->error_init(&e);
    good = good && lib->message_get_args(reply, &e, 'u', &uid, 0);
    lib->error_free(&e);
    p->asked = 0;
    p->uid = (uid_t)uid;
    for (size_t i = 0; i < DBUS_HELD_MAX; i++) {
        if (!held[i] || strcmp(lib->message_get_sender(held[i]), p->name) != 0) {
            continue;
        }
        if (good) {
            answer(held[i], p);
        } else {
            refuse(held[i], "org.freedesktop.DBus.Error.AccessDenied",
                   "the bus does not say whose program this is");
        }
        lib->message_unref(held[i]);
        held[i] = NULL;
    }
    if (!good) {
        *p->name = 0;
    }
}

static void take_reply(void *m, bool good)
{
    const char *sender = lib->message_get_sender(m);
    uint32_t serial = lib->message_get_reply_serial(m);
    if (!sender || strcmp(sender, THE_BUS) != 0 || serial == 0) {
        return; /* nobody else is asked anything; the bus lets nobody else bear its name */
    }
    if (serial == hello_serial) {
        if (good) {
            greeted(m);
        } else {
            say("the bus refuses the greeting", reply_string(m));
        }
    } else if (serial == name_serial) {
        named(m, good);
    }
    for (size_t i = 0; i < DBUS_PEERS_MAX; i++) {
        if (*peers[i].name && peers[i].asked == serial) {
            known(&peers[i], m, good);
        }
    }
}

/* A place for a sender that is not known: a free one, or the one that was used least recently;
 * NULL: all are being asked for. */
static struct peer *make_room(void)
{
    struct peer *found = NULL;
    for (size_t i = 0; i < DBUS_PEERS_MAX; i++) {
        if (!*peers[i].name) {
            return &peers[i];
        }
        if (!peers[i].asked && (!found || peers[i].used < found->used)) {
            found = &peers[i];
        }
    }
    return found;
}

static struct peer *find_peer(const char *sender)
{
    for (size_t i = 0; i < DBUS_PEERS_MAX; i++) {
        if (strcmp(peers[i].name, sender) == 0) {
            return &peers[i];
        }
    }
    struct peer *p = strlen(sender) < sizeof p->name ? make_room() : NULL;
    void *m = p ? bus_call("GetConnectionUnixUser") : NULL;
    if (!m) {
        return NULL;
    }
    if (!lib->message_append_args(m, 's', &sender, 0)) {
        lib->message_unref(m);
        return NULL;
    }
    uint32_t serial = send_off(m);
    if (!serial) {
        return NULL;
    }
    snprintf(p->name, sizeof p->name, "%s", sender);
    p->asked = serial;
    return p;
}

static bool hold(void *call)
{
    for (size_t i = 0; i < DBUS_HELD_MAX; i++) {
        if (!held[i]) {
            held[i] = lib->message_ref(call);
            return true;
        }
    }
    return false;
}

static void take_call(void *m)
{
    const char *sender = lib->message_get_sender(m);
    if (!sender || !*sender) {
        return; /* a bus names every sender */
    }
    struct peer *p = find_peer(sender);
    if (p) {
        p->used = ++uses;
    }
    if (p && !p->asked) {
        answer(m, p);
    } else if (!p || !hold(m)) {
        refuse(m, "org.freedesktop.DBus.Error.LimitsExceeded",
               "too many programs ask for the first time at once; ask again");
    }
}

static void take(void *m)
{
    int type = lib->message_get_type(m);
    if (type == DBUS_LIBRARY_CALL) {
        take_call(m);
    } else if (type == DBUS_LIBRARY_RETURN || type == DBUS_LIBRARY_ERROR) {
        take_reply(m, type == DBUS_LIBRARY_RETURN);
    }
}

/* Moves bytes both ways without waiting, and takes a bounded number of messages. */
static void turn(void *unused, short events)
{
    if (!connection) {
        return;
    }
    int steps = 0;
    do { /* what the greeting answers is written by the next step, for which nothing wakes us */
        (void)lib->connection_read_write(connection, 0);
    } while (++steps < GREETING_STEPS && lib->connection_get_is_connected(connection) &&
             !lib->connection_get_is_authenticated(connection));
    int taken = 0;
    while (taken < MESSAGES_A_TURN &&
           lib->connection_get_outgoing_size(connection) < WAITING_BYTES_MAX) {
        void *m = lib->connection_pop_message(connection);
        if (!m) {
            break;
        }
        take(m);
        lib->message_unref(m);
        taken++;
    }
    if (!lib->connection_get_is_connected(connection)) {
        lose("the bus has ended the connection", "");
        return;
    }
    if (taken == MESSAGES_A_TURN) {
        worker_task_now(&task);
    }
    /* Before the bus has said yes there is nothing to be written that would not fit at once. */
    bool full = lib->connection_get_outgoing_size(connection) >= WAITING_BYTES_MAX;
    bool more = lib->connection_get_is_authenticated(connection) &&
                lib->connection_has_messages_to_send(connection);
    watch.events = (short)((full ? 0 : POLLIN) | (more ? POLLOUT : 0));
}

/* Would connect() succeed at once? The bus sees a connection that says nothing. */
static int try_socket(const char *name, bool abstract)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    if (n >= sizeof at.sun_path) {
        return ENAMETOOLONG;
    }
    memcpy(at.sun_path + abstract, name, n);
    socklen_t size = abstract ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)
                              : (socklen_t)sizeof at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int err = connect(fd, (const struct sockaddr *)&at, size) == 0 ? 0 : errno;
    close(fd);
    return err;
}

/* Is this one address a Unix socket at which somebody listens? */
static bool answers(const char *one)
{
    void **entries = NULL;
    int n = 0, err = EPROTONOSUPPORT;
    struct dbus_library_error e;
    lib->error_init(&e);
    if (!lib->parse_address(one, &entries, &n, &e)) {
        say("debug.dbus_bus is no address", e.message ? e.message : "");
        lib->error_free(&e);
        return false;
    }
    if (n == 1 && strcmp(lib->address_entry_get_method(entries[0]), "unix") == 0) {
        const char *path = lib->address_entry_get_value(entries[0], "path");
        const char *abstract = lib->address_entry_get_value(entries[0], "abstract");
        err = path ? try_socket(path, false) : abstract ? try_socket(abstract, true) : err;
    }
    lib->address_entries_free(entries);
    if (err == EPROTONOSUPPORT) {
        say("only addresses unix:path= and unix:abstract= are joined, not", one);
    } else if (err) {
        say("the bus is not there", strerror(err));
    }
    return err == 0;
}

/* libdbus makes the process ignore SIGPIPE at its first connection: that is the host's business.
 * (What is sent here is sent with MSG_NOSIGNAL.) */
static void *open_quietly(const char *one, struct dbus_library_error *e)
{
    struct sigaction before, after;
    bool known_before = sigaction(SIGPIPE, NULL, &before) == 0;
    void *c = lib->connection_open_private(one, e);
    if (known_before && sigaction(SIGPIPE, NULL, &after) == 0 && after.sa_handler == SIG_IGN &&
        before.sa_handler != SIG_IGN) {
        (void)sigaction(SIGPIPE, &before, NULL);
    }
    return c;
}

static bool join(const char *one)
{
    struct dbus_library_error e;
    lib->error_init(&e);
    connection = open_quietly(one, &e);
    if (!connection) {
        say("the bus cannot be joined", e.message ? e.message : "");
        lib->error_free(&e);
        return false;
    }
    lib->connection_set_exit_on_disconnect(connection, 0);
    lib->connection_set_max_message_size(connection, MESSAGE_BYTES_MAX);
    lib->connection_set_max_received_size(connection, 2L * MESSAGE_BYTES_MAX);
    watch = (struct worker_watch){.fd = -1, .events = POLLIN, .ready = turn};
    hello_serial = send_off(bus_call("Hello"));
    if (!lib->connection_get_unix_fd(connection, &watch.fd) || !hello_serial) {
        lib->connection_close(connection);
        lib->connection_unref(connection);
        connection = NULL;
        watch.fd = -1;
        say("there is no memory, or libdbus gives no descriptor", "");
        return false;
    }
    say("the bus has not answered yet", "");
    worker_watch_add(&watch);
    turn(NULL, 0);
    return true;
}

static bool join_first(void)
{
    char problem[SETTING_PROBLEM_MAX], one[ADDRESS_MAX];
    if (!dbus_library_load(problem, sizeof problem)) {
        say(problem, "");
        return false;
    }
    say("no address: DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR are not set", "");
    for (const char *p = address; *p;) {
        size_t n = strcspn(p, ";");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        if (n && answers(one) && join(one)) {
            return true;
        }
        p += n + (p[n] == ';');
    }
    return false;
}

static void run_task(void *unused)
{
    if (!setting.debug_dbus) {
        if (connection) {
            hang_up();
        }
        say("the setting debug.dbus is off", "");
    } else if (connection) {
        turn(NULL, 0);
    } else if (ticks_monotonic_ns() >= next_try_ns && !atomic_load(&module_ending) &&
               !join_first()) {
        later();
    }
}

static void find_address(void)
{
    const char *bus = setting.debug_dbus_bus, *runtime = getenv("XDG_RUNTIME_DIR");
    const char *known_one = NULL;
    *address = 0;
    if (strcmp(bus, "system") == 0) {
        known_one = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        bus = known_one && *known_one ? known_one : "unix:path=/run/dbus/system_bus_socket";
    } else if (strcmp(bus, "session") == 0) {
        known_one = getenv("DBUS_SESSION_BUS_ADDRESS");
        bus = known_one && *known_one ? known_one : "";
        if (!*bus && runtime && *runtime) {
            snprintf(address, sizeof address, "unix:path=%.400s/bus", runtime);
            return;
        }
    }
    if (strlen(bus) < sizeof address) {
        memcpy(address, bus, strlen(bus) + 1);
    }
}

static int show(const struct command_call *c, struct jot *j, char *problem)
{
    pthread_mutex_lock(&lock);
    jot_bool(j, "connected", state.connected);
    jot_string(j, "name", state.name);
    jot_string(j, "unique_name", state.unique);
    jot_string(j, "bus", address);
    jot_string(j, "problem", state.problem);
    jot_u64(j, "calls", state.calls);
    jot_u64(j, "refused", state.refused);
    pthread_mutex_unlock(&lock);
    return 0;
}

void dbus_start(void)
{
    static struct command command = {
        "dbus",
        "",
        "Whether the program can be asked over D-Bus, by which name, and what is wrong.",
        COMMAND_VIEWER,
        show,
        NULL};
    command_add(&command);
    (void)socket_level(&level); /* socket_start() says what is wrong with it */
    find_address();
    memset(&state, 0, sizeof state);
    say(setting.debug_dbus ? "not joined yet" : "the setting debug.dbus is off", "");
    next_try_ns = 0;
    worker_task_add(&task);
    if (setting.debug_dbus) {
        worker_task_now(&task);
    }
}

void dbus_stop(void)
{
    hang_up();
    worker_task_remove(&task);
}

void dbus_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    if (connection) {
        /* libdbus's memory may be locked by a thread that is not here: it is left as it is. */
        worker_watch_remove(&watch);
        close(watch.fd);
        watch.fd = -1;
        let_peers_go(false);
        forgotten = connection;
        connection = NULL;
    }
    memset(&state, 0, sizeof state);
    next_try_ns = 0;
    if (setting.debug_dbus) {
        worker_task_now(&task);
    }
}
