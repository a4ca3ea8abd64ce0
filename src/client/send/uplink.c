#include "client/send/uplink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/id.h"
#include "client/core/identity.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/metric.h"
#include "client/send/lines.h"
#include "client/send/place.h"
#include "client/send/remote.h"
#include "client/wire/frame.h"

enum {
    OUT_MAX = 32 << 20,      /* bytes: a snapshot of the greatest registry */
    OUT_KEEP = 128 << 10,    /* memory that stays when all is written */
    ANSWERS_AHEAD = 1 << 20, /* bytes of answers that wait: no further question is read */
    IN_PAYLOAD_MAX = 8192,   /* of what a daemon says */
    HEADER = sizeof(struct frame_header),
    WELCOME_MS = 5000,
    STALL_MS = 30000,
    BACKOFF_LEAST_MS = 100,
    BACKOFF_MOST_MS = 5000,
    REFUSED_WAIT_MS = 30000, /* after a HELLO that was refused without a time */
    RETRY_MOST_MS = 3600 * 1000,
};
static const uint64_t MS = 1000000; /* ns */

/* A frame that waits for its ACK. */
struct sent {
    uint64_t sequence;
    struct queue_entry *entry; /* NULL: metrics */
    bool last;                 /* of a snapshot */
};

static struct {
    struct place places[PLACE_MAX];
    size_t places_n, place;
    void (*changed)(void);
    struct worker_watch watch;
    struct text out;
    size_t out_at;
    char in[HEADER + IN_PAYLOAD_MAX];
    size_t in_n;
    bool in_blocked; /* answers wait: no question is read */
    uint64_t sequence;
    struct sent window[UPLINK_WINDOW_MAX];
    size_t window_n, snapshots;
    int64_t snapshot_ms;                 /* of the last one */
    bool snapshot_owed;                  /* one was asked for that could not be taken yet */
    uint64_t paused_ns[SPOOL_KINDS + 1]; /* not before: kinds, then metrics */
    uint64_t backoff_ms, welcome_by_ns, progress_ns;
} up;

/* What other threads read. */
static _Atomic int socket_fd = -1;
static _Atomic int state = UPLINK_NONE;
static _Atomic uint64_t down_since_ns, sent[SPOOL_KINDS + 1], connections, refused, skipped, asked;
static _Atomic bool was_up;
static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_problem[PLACE_PROBLEM_MAX], server[80];

static void timer_run(void *context);
static struct worker_task timer = {.name = "uplink", .run = timer_run};

static void note_problem(const char *text)
{
    pthread_mutex_lock(&text_lock);
    snprintf(last_problem, sizeof last_problem, "%s", text);
    pthread_mutex_unlock(&text_lock);
}

static void set_state(enum uplink_state to)
{
    bool was = atomic_load(&state) == UPLINK_UP;
    if (to == UPLINK_UP) {
        atomic_store(&down_since_ns, 0);
        atomic_store(&was_up, true);
    } else if (was || !atomic_load(&down_since_ns)) {
        atomic_store(&down_since_ns, ticks_monotonic_ns());
    }
    atomic_store(&state, (int)to);
}

/* ---- out */

static size_t ahead(void)
{
    return up.out.len - up.out_at;
}

/* Room for a header; its length is filled in by close_frame(). */
static size_t open_frame(void)
{
    size_t at = up.out.len;
    static const char none[HEADER];
    text_add(&up.out, none, HEADER);
    return at;
}

/* False: no memory, or too much; nothing of the frame stays. */
static bool close_frame(size_t at, enum frame_kind kind, uint8_t flags, uint64_t sequence)
{
    size_t length = up.out.len - at - HEADER;
    if (up.out.cut || up.out.len < at + HEADER || length > FRAME_PAYLOAD_MAX) {
        up.out.len = at;
        up.out.cut = false;
        return false;
    }
    struct frame_header h = {.length = (uint32_t)length,
                             .kind = (uint8_t)kind,
                             .flags = flags,
                             .version = FRAME_VERSION,
                             .sequence = sequence};
    memcpy(up.out.bytes + at, &h, HEADER);
    return true;
}

static void write_hello(void)
{
    size_t at = open_frame();
    lines_add_i64(&up.out, "version", FRAME_VERSION);
    lines_add(&up.out, "service", identity.service);
    lines_add(&up.out, "instance", identity.instance);
    lines_add(&up.out, "release", setting.release);
    lines_add(&up.out, "environment", setting.environment);
    lines_add(&up.out, "language", setting.language);
    lines_add_i64(&up.out, "pid", identity.pid);
    lines_add_i64(&up.out, "started_ms", identity.started_unix_ns / 1000000);
    lines_add(&up.out, "library", "libsonde " SONDE_VERSION);
    (void)close_frame(at, FRAME_HELLO, 0, ++up.sequence);
}

static void give_back(const struct sent *s)
{
    if (s->entry) {
        queue_back(s->entry, QUEUE_DAEMON);
    }
}

/* Ends the connection; the next attempt comes after a while. */
static void down(const char *why, uint64_t wait_ms)
{
    note_problem(why);
    if (up.watch.fd >= 0) {
        worker_watch_remove(&up.watch);
        atomic_store(&socket_fd, -1);
        close(up.watch.fd);
        up.watch.fd = -1;
    }
    size_t n = up.window_n;
    up.window_n = 0;
    up.snapshots = 0;
    for (size_t i = 0; i < n; i++) {
        give_back(&up.window[i]);
    }
    text_done(&up.out);
    up.out_at = up.in_n = 0;
    up.in_blocked = false;
    if (up.places_n) {
        up.backoff_ms = up.backoff_ms ? up.backoff_ms * 2 : BACKOFF_LEAST_MS;
        up.backoff_ms = up.backoff_ms < BACKOFF_MOST_MS ? up.backoff_ms : BACKOFF_MOST_MS;
        wait_ms = wait_ms ? wait_ms : up.backoff_ms;
        uint64_t wait_ns = (uint64_t)((double)(wait_ms * MS) * (0.5 + id_fraction() / 2));
        set_state(UPLINK_DOWN);
        worker_task_at(&timer, ticks_monotonic_ns() + wait_ns);
    }
    up.changed();
}

static void write_out(void)
{
    while (ahead()) {
        ssize_t n =
            send(up.watch.fd, up.out.bytes + up.out_at, ahead(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (n <= 0) {
            down("the daemon has closed the connection", 0);
            return;
        }
        up.out_at += (size_t)n;
        up.progress_ns = ticks_monotonic_ns();
    }
    if (!ahead()) {
        up.out_at = 0;
        text_clear(&up.out);
        if (up.out.cap > OUT_KEEP) {
            text_done(&up.out);
        }
    }
    up.watch.events = (short)((up.in_blocked ? 0 : POLLIN) | (ahead() ? POLLOUT : 0));
}

static const enum frame_kind frame_of[SPOOL_KINDS] = {FRAME_ENVELOPE, FRAME_LOGS, FRAME_SPANS};

/* Writes the next thing of the queue; false: there is none, or no room. */
static bool write_entry(uint64_t now)
{
    struct queue_entry *e = NULL;
    for (size_t kind = 0; kind < SPOOL_KINDS && !e; kind++) {
        e = up.paused_ns[kind] > now ? NULL : queue_next((enum spool_kind)kind, QUEUE_DAEMON);
    }
    if (!e) {
        return false;
    }
    enum spool_kind kind = (enum spool_kind)e->name.kind;
    size_t at = open_frame();
    int err = queue_read(e, QUEUE_DAEMON, &up.out);
    if (err) {
        up.out.len = at;
        up.paused_ns[kind] = err == SONDE_ERROR_MEMORY ? now + 1000 * MS : 0;
        return true;
    }
    if (!close_frame(at, frame_of[kind], FRAME_ACK_WANTED, up.sequence + 1)) {
        queue_drop(e, QUEUE_DAEMON, LOST_TOO_BIG);
        return true;
    }
    up.window[up.window_n++] = (struct sent){.sequence = ++up.sequence, .entry = e};
    return true;
}

/* A frame of a snapshot. */
static void write_metrics(void *context, const struct text *payload, bool more)
{
    bool *whole = context;
    size_t at = open_frame();
    bool wanted = up.window_n < UPLINK_WINDOW_MAX;
    if (!*whole || payload->cut) {
        up.out.len = at;
        *whole = false;
        return;
    }
    text_add(&up.out, payload->bytes, payload->len);
    uint8_t flags = (uint8_t)((wanted ? FRAME_ACK_WANTED : 0) | (more ? FRAME_MORE : 0));
    *whole = close_frame(at, FRAME_METRICS, flags, up.sequence + 1);
    if (*whole) {
        up.sequence++;
        if (wanted) {
            up.window[up.window_n++] = (struct sent){.sequence = up.sequence, .last = !more};
            up.snapshots += !more;
        }
    }
}

/* A time stamp that no snapshot had before, but where the clock was set back. */
static int64_t snapshot_ms(void)
{
    int64_t now = ticks_unix_now_ns() / 1000000;
    if (now <= up.snapshot_ms && up.snapshot_ms - now < 1000) {
        now = up.snapshot_ms + 1;
    }
    up.snapshot_ms = now;
    return now;
}

void uplink_snapshot(void)
{
    up.snapshot_owed = true;
    if (atomic_load(&state) != UPLINK_UP || up.paused_ns[SPOOL_KINDS] > ticks_monotonic_ns()) {
        return;
    }
    if (up.snapshots >= UPLINK_SNAPSHOTS_MAX || ahead() > UPLINK_AHEAD_BYTES) {
        atomic_fetch_add(&skipped, 1); /* the daemon is behind; the next one says all again */
        return;
    }
    up.snapshot_owed = false;
    bool whole = true;
    metric_export_frames(snapshot_ms(), write_metrics, &whole);
    if (!whole) {
        lost_add(LOST_METRIC, LOST_TOO_BIG, 1);
    }
    write_out();
}

void uplink_pump(void)
{
    uint64_t now = ticks_monotonic_ns();
    while (atomic_load(&state) == UPLINK_UP) {
        while (ahead() < UPLINK_AHEAD_BYTES && up.window_n < UPLINK_WINDOW_MAX - 64 &&
               write_entry(now)) {
        }
        if (!ahead()) {
            return;
        }
        write_out();
        if (ahead()) {
            return;
        }
    }
}

/* ---- in */

/* Takes the frame of that sequence out of the window. */
static bool take_sent(uint64_t sequence, struct sent *ret)
{
    for (size_t i = 0; i < up.window_n; i++) {
        if (up.window[i].sequence == sequence) {
            *ret = up.window[i];
            up.window_n--;
            memmove(&up.window[i], &up.window[i + 1], (up.window_n - i) * sizeof up.window[0]);
            up.snapshots -= ret->last;
            return true;
        }
    }
    return false;
}

static void on_ack(uint64_t sequence)
{
    struct sent s;
    if (!take_sent(sequence, &s)) {
        return;
    }
    if (s.entry) {
        atomic_fetch_add(&sent[s.entry->name.kind], s.entry->name.items);
        queue_taken(s.entry, QUEUE_DAEMON);
    } else if (s.last) {
        atomic_fetch_add(&sent[SPOOL_KINDS], 1);
    }
    up.changed();
}

static void on_refused(uint64_t sequence, const char *payload, size_t n)
{
    struct sent s;
    char message[PLACE_PROBLEM_MAX];
    uint64_t retry_ms = lines_find_u64(payload, n, "retry_ms", RETRY_MOST_MS, 0);
    if (!lines_find(payload, n, "message", message, sizeof message)) {
        snprintf(message, sizeof message, "the daemon refused something");
    }
    if (atomic_load(&state) == UPLINK_TRYING) { /* HELLO itself */
        down(message, retry_ms ? retry_ms : REFUSED_WAIT_MS);
        return;
    }
    if (!take_sent(sequence, &s)) {
        return;
    }
    note_problem(message);
    atomic_fetch_add(&refused, 1);
    uint64_t now = ticks_monotonic_ns();
    size_t kind = s.entry ? s.entry->name.kind : SPOOL_KINDS;
    if (retry_ms) {
        up.paused_ns[kind] = now + retry_ms * MS;
        give_back(&s);
    } else if (s.entry) {
        queue_drop(s.entry, QUEUE_DAEMON, LOST_REFUSED);
    }
    if (!s.entry) {
        lost_add(LOST_METRIC, LOST_REFUSED, 1);
    }
    up.changed();
}

static void on_welcome(const char *payload, size_t n)
{
    if (atomic_load(&state) != UPLINK_TRYING) {
        return;
    }
    pthread_mutex_lock(&text_lock);
    if (!lines_find(payload, n, "server", server, sizeof server)) {
        snprintf(server, sizeof server, "unknown");
    }
    last_problem[0] = 0;
    pthread_mutex_unlock(&text_lock);
    atomic_fetch_add(&connections, 1);
    up.backoff_ms = 0;
    memset(up.paused_ns, 0, sizeof up.paused_ns);
    set_state(UPLINK_UP);
    worker_task_at(&timer, ticks_monotonic_ns() + 1000 * MS);
    metric_export_again();
    uplink_snapshot(); /* so that the page sees the service at once */
    up.changed();
}

static void on_request(const struct frame_header *h, const char *line)
{
    struct text answer;
    text_init(&answer, FRAME_PAYLOAD_MAX);
    atomic_fetch_add(&asked, 1);
    (void)command_run(line, h->length, remote_level(line, h->length, h->detail), &answer);
    size_t at = open_frame(); /* what went wrong is in the answer */
    text_add(&up.out, answer.bytes, answer.len);
    (void)close_frame(at, FRAME_ANSWER, 0,
                      h->sequence); /* without memory: the daemon's time ends */
    text_done(&answer);
}

/* False: the connection is gone. */
static bool on_frame(const struct frame_header *h, const char *payload)
{
    int was = atomic_load(&state);
    switch (h->kind) {
    case FRAME_WELCOME:
        on_welcome(payload, h->length);
        break;
    case FRAME_ACK:
        on_ack(h->sequence);
        break;
    case FRAME_REFUSED:
        on_refused(h->sequence, payload, h->length);
        break;
    case FRAME_REQUEST:
        if (was == UPLINK_UP) {
            on_request(h, payload);
        }
        break;
    default: /* of a later daemon: nothing that we must understand */
        break;
    }
    return up.watch.fd >= 0;
}

/* Handles whole frames of `in`; false: the connection is gone. */
static bool take_frames(void)
{
    size_t at = 0;
    while (up.in_n - at >= HEADER) {
        struct frame_header h;
        memcpy(&h, up.in + at, HEADER);
        if (h.version != FRAME_VERSION || h.length > IN_PAYLOAD_MAX) {
            down("what answers there speaks another language", BACKOFF_MOST_MS);
            return false;
        }
        if (up.in_n - at - HEADER < h.length) {
            break;
        }
        up.in_blocked = h.kind == FRAME_REQUEST && ahead() > ANSWERS_AHEAD;
        if (up.in_blocked) {
            break;
        }
        if (!on_frame(&h, up.in + at + HEADER)) {
            return false;
        }
        at += HEADER + h.length;
    }
    up.in_n -= at;
    memmove(up.in, up.in + at, up.in_n);
    return true;
}

static void read_in(void)
{
    for (int rounds = 0; rounds < 16 && !up.in_blocked; rounds++) {
        ssize_t n = recv(up.watch.fd, up.in + up.in_n, sizeof up.in - up.in_n, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            down("the daemon has closed the connection", 0);
            return;
        }
        up.progress_ns = ticks_monotonic_ns();
        up.in_n += (size_t)n;
        if (!take_frames()) {
            return;
        }
    }
}

static void ready(void *context, short events)
{
    if (events & POLLOUT) {
        write_out();
        if (up.watch.fd >= 0 && up.in_blocked && ahead() <= ANSWERS_AHEAD && !take_frames()) {
            return;
        }
    }
    if (up.watch.fd >= 0 && events & (POLLIN | POLLHUP | POLLERR)) {
        if (up.in_blocked && events & (POLLHUP | POLLERR)) {
            down("the daemon has closed the connection", 0);
        } else {
            read_in();
        }
    }
    if (up.watch.fd >= 0) {
        uplink_pump();
    }
    if (up.watch.fd >= 0) {
        write_out();
    }
}

/* ---- life */

static void try_connect(void)
{
    char problem[PLACE_PROBLEM_MAX];
    int fd = place_connect(up.places, up.places_n, &up.place, problem);
    if (fd < 0) {
        down(problem, 0);
        return;
    }
    up.sequence = 0;
    up.watch = (struct worker_watch){.fd = fd, .events = POLLIN, .ready = ready};
    atomic_store(&socket_fd, fd);
    set_state(UPLINK_TRYING);
    uint64_t now = ticks_monotonic_ns();
    up.progress_ns = now;
    up.welcome_by_ns = now + WELCOME_MS * MS;
    worker_watch_add(&up.watch);
    worker_task_at(&timer, up.welcome_by_ns);
    write_hello();
    write_out();
}

static void timer_run(void *context)
{
    uint64_t now = ticks_monotonic_ns();
    switch (atomic_load(&state)) {
    case UPLINK_DOWN:
        try_connect();
        break;
    case UPLINK_TRYING:
        if (up.watch.fd < 0) {
            try_connect();
        } else if (now >= up.welcome_by_ns) {
            down("the daemon does not answer", BACKOFF_MOST_MS);
        } else {
            worker_task_at(&timer, up.welcome_by_ns);
        }
        break;
    case UPLINK_UP:
        if ((up.window_n || ahead()) && now - up.progress_ns > STALL_MS * MS) {
            down("the daemon does not answer", BACKOFF_MOST_MS);
        } else {
            worker_task_at(&timer, now + 1000 * MS);
            uplink_pump(); /* pauses may be over */
        }
        break;
    default:
        break;
    }
}

void uplink_start(void (*changed)(void))
{
    up.changed = changed;
    up.places_n = place_list(setting.socket, up.places);
    up.watch.fd = -1;
    up.backoff_ms = 0;
    up.window_n = up.snapshots = 0;
    up.in_n = up.out_at = 0;
    up.in_blocked = false;
    text_init(&up.out, OUT_MAX);
    atomic_store(&down_since_ns, 0);
    set_state(up.places_n ? UPLINK_TRYING : UPLINK_NONE);
    worker_task_add(&timer);
    if (up.places_n) {
        worker_task_now(&timer);
    }
}

void uplink_stop(void)
{
    worker_task_remove(&timer);
    if (atomic_load(&state) == UPLINK_UP) {
        size_t at = open_frame();
        (void)close_frame(at, FRAME_BYE, 0, ++up.sequence);
        while (
            ahead()) { /* what the socket takes at once; the rest is said again by the next start */
            ssize_t n =
                send(up.watch.fd, up.out.bytes + up.out_at, ahead(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n <= 0) {
                break;
            }
            up.out_at += (size_t)n;
        }
    }
    up.places_n = 0;
    down("", 0);
    set_state(UPLINK_NONE);
}

void uplink_fork_child(void)
{
    pthread_mutex_init(&text_lock, NULL);
    if (up.watch.fd >= 0) {
        worker_watch_remove(&up.watch); /* the descriptor is closed already (client/send/send.c) */
    }
    worker_task_remove(&timer);
    atomic_store(&socket_fd, -1);
    atomic_store(&was_up, false);
    uplink_start(up.changed);
}

int uplink_fd(void)
{
    return atomic_load(&socket_fd);
}

bool uplink_settled(uint64_t order)
{
    uint64_t now = ticks_monotonic_ns();
    if (ahead() || up.snapshots || (up.snapshot_owed && up.paused_ns[SPOOL_KINDS] <= now)) {
        return false;
    }
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        if (up.paused_ns[kind] <= now && queue_waits((enum spool_kind)kind, QUEUE_DAEMON, order)) {
            return false;
        }
    }
    return true;
}

enum uplink_state uplink_state(void)
{
    return (enum uplink_state)atomic_load_explicit(&state, memory_order_relaxed);
}

uint64_t uplink_down_since_ns(void)
{
    return atomic_load_explicit(&down_since_ns, memory_order_relaxed);
}

bool uplink_was_up(void)
{
    return atomic_load_explicit(&was_up, memory_order_relaxed);
}

uint64_t uplink_sent(int kind)
{
    return atomic_load_explicit(&sent[kind], memory_order_relaxed);
}

void uplink_info(struct jot *j)
{
    static const char *const words[] = {"none", "down", "connecting", "connected"};
    char problem[sizeof last_problem], name[sizeof server];
    pthread_mutex_lock(&text_lock);
    memcpy(problem, last_problem, sizeof problem);
    memcpy(name, server, sizeof name);
    pthread_mutex_unlock(&text_lock);
    enum uplink_state now = uplink_state();
    jot_object(j, "daemon");
    jot_string(j, "state", words[now]);
    jot_string(j, "server", now == UPLINK_UP ? name : NULL);
    jot_string(j, "last_problem", *problem ? problem : NULL);
    jot_u64(j, "connections", atomic_load(&connections));
    jot_u64(j, "refused", atomic_load(&refused));
    jot_u64(j, "snapshots", uplink_sent(SPOOL_KINDS));
    jot_u64(j, "snapshots_skipped", atomic_load(&skipped));
    jot_u64(j, "questions", atomic_load(&asked));
    jot_end(j);
}
