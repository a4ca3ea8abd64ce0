#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/local_socket.h"
#include "watch/engine_inside.h"

/* A sender that has gone already is believed where the user is the program's or root: the name of
 * the socket is not to be guessed, and systemd-notify does not wait. */
static bool may_speak(struct engine_unit *u, int pid, unsigned uid)
{
    struct process_stat s;
    struct program_user user;
    if (engine_tree_holds(u, pid))
        return true;
    if (process_stat_read(pid, &s))
        return false;
    if (program_user_find(u->row.user, &user, NULL) != 0)
        return false;
    return uid == (user.other ? user.uid : (unsigned)geteuid());
}

static void take(struct engine_unit *u, struct str datagram)
{
    struct notice n = notice_read(datagram);
    if (n.status.p) {
        snprintf(u->status, sizeof u->status, STR_FMT, STR_ARG(n.status));
        engine_status_changed(u->engine);
    }
    if (n.main_pid)
        engine_run_pid(u, n.main_pid);
    if (n.errnum) {
        char text[ENGINE_TEXT_MAX];
        snprintf(text, sizeof text, "it says that it failed: %s", strerror(n.errnum));
        engine_journal_say(u->engine, u, KEEPER_WARN, "warning", str_c(text));
    }
    keeper_notified(&u->keeper, engine_now_ms(), &n.keeper);
}

void engine_notice_drain(struct engine_unit *u)
{
    char bytes[NOTICE_BYTES_MAX];
    size_t n;
    int pid;
    unsigned uid;
    while (u->notify_fd >= 0 &&
           local_socket_notice(u->notify_fd, bytes, sizeof bytes, &n, &pid, &uid))
        if (may_speak(u, pid, uid))
            take(u, str_of(bytes, n));
}

static void on_notice(void *context, unsigned events)
{
    struct engine_unit *u = context;
    if (!events)
        return;
    engine_notice_drain(u);
    engine_work(u->engine);
}

void engine_notice_open(struct engine_unit *u)
{
    struct why why = {.text = ""};
    if (u->notify_fd < 0 && local_socket_notified(u->notify_name, &u->notify_fd, &why) != 0) {
        engine_journal_say(u->engine, u, KEEPER_WARN, "warning", str_c(why.text));
        return;
    }
    if (!u->notify_watch &&
        watch_new(u->engine->loop, u->notify_fd, on_notice, u, &u->notify_watch) == 0)
        watch_set(u->notify_watch, WATCH_READ);
}

void engine_notice_close(struct engine_unit *u)
{
    watch_free(u->notify_watch);
    u->notify_watch = NULL;
    local_socket_close(u->notify_fd);
    u->notify_fd = -1;
}
