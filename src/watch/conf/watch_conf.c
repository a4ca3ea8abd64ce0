#include "watch/conf/watch_conf.h"

#define OWN(member) offsetof(struct watch_conf_own, member)
#define AT(member)  offsetof(struct watch_conf_program, member)

#define DAY_MS         86400000.0
#define MONTH_MS       2592000000.0
#define BYTES          1e15
#define PATH_MAX_BYTES 4000

static const struct option OWN_ROWS[] = {
    {"folder", OPTION_TEXT, OWN(folder), "", 0, PATH_MAX_BYTES, NULL, 0,
     "Where sonde-watch keeps its socket, its state and what the programs print; empty: watch in "
     "the data directory."},
    {"socket", OPTION_TEXT, OWN(socket), "", 0, PATH_MAX_BYTES, NULL, 0,
     "The Unix socket that `sonde watch ctl`, `sonde top` and the daemon talk to; empty: "
     "control.socket in the folder. At most 107 bytes with its folders."},
    {"status_file", OPTION_TEXT, OWN(status_file), "status.json", 0, PATH_MAX_BYTES, NULL,
     OPTION_RELOAD,
     "A JSON file with the state of all programs, written each second and at each change; a "
     "relative path begins at the folder; empty: none."},
    {"verbosity", OPTION_INT, OWN(verbosity), "1", 0, 3, NULL, OPTION_RELOAD,
     "What sonde-watch says of itself: 0 errors, 1 changes, 2 checks too, 3 everything."},
    {"json", OPTION_BOOL, OWN(json), "false", 0, 0, NULL, OPTION_RELOAD,
     "Say it as JSON, a line an object."},
    {"stay", OPTION_BOOL, OWN(stay), "true", 0, 0, NULL, 0,
     "Stay when every program has ended or was given up; false: sonde-watch ends then, with 3 "
     "where "
     "one is critical, as it does for a program from the command line."},
    {"poll_interval_ms", OPTION_INT, OWN(poll_interval_ms), "5000", 200, 3600000, NULL, 0,
     "How often the daemon asks sonde-watch how the programs are, for its metrics, events and "
     "alerts. What happened between two questions is not missed."},
    {"alerts", OPTION_BOOL, OWN(alerts), "true", 0, 0, NULL, 0,
     "Raise alerts: WatchProgramCritical (critical) for a program that was given up, "
     "WatchProgramRestarted (warning) for one that was started again within the last five "
     "minutes, WatchDown (critical) where sonde-watch itself is gone."},
};

/* clang-format off: the rows of the two probes differ in their names, defaults and words alone */
#define PROBE(probe, interval, timeout, fail, what, then)                                          \
    {#probe,                                                                                       \
     OPTION_TEXT,                                                                                  \
     AT(probe.target),                                                                             \
     "",                                                                                           \
     0,                                                                                            \
     PATH_MAX_BYTES,                                                                               \
     NULL,                                                                                         \
     OPTION_RELOAD,                                                                                \
     what " asked there: http://HOST:PORT/PATH, or tcp://HOST:PORT for a connection alone."},      \
        {#probe "_command",                                                                        \
         OPTION_LIST,                                                                              \
         AT(probe.command),                                                                        \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         what " asked by this program and its arguments; exit status 0 is well."},                 \
        {#probe "_interval_ms", OPTION_INT,  AT(probe.interval_ms), interval, 10, DAY_MS, NULL,    \
         OPTION_RELOAD,         "How often."},                                                     \
        {#probe "_timeout_ms",                                                                     \
         OPTION_INT,                                                                               \
         AT(probe.timeout_ms),                                                                     \
         timeout,                                                                                  \
         1,                                                                                        \
         DAY_MS,                                                                                   \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "How long one answer may take."},                                                         \
        {#probe "_fail_ms",                                                                        \
         OPTION_INT,                                                                               \
         AT(probe.fail_ms),                                                                        \
         fail,                                                                                     \
         1,                                                                                        \
         DAY_MS,                                                                                   \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "So long without a good answer: " then},                                                  \
        {#probe "_status_min",                                                                     \
         OPTION_INT,                                                                               \
         AT(probe.status_min),                                                                     \
         "200",                                                                                    \
         100,                                                                                      \
         599,                                                                                      \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "HTTP: the least status that is well."},                                                  \
        {#probe "_status_max",                                                                     \
         OPTION_INT,                                                                               \
         AT(probe.status_max),                                                                     \
         "399",                                                                                    \
         100,                                                                                      \
         599,                                                                                      \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "HTTP: the greatest status that is well."},                                               \
    {                                                                                              \
#probe "_body", OPTION_TEXT, AT(probe.body), "", 0, 1000, NULL, OPTION_RELOAD,             \
            "HTTP: must be found in the answer; empty: anything is well."                          \
    }

#define HOOK(hook, when)                                                                           \
    {                                                                                              \
#hook, OPTION_LIST, AT(hook), "", 0, 0, NULL, OPTION_RELOAD,                               \
            "A program and its arguments that is run " when                                        \
            "; it finds SONDE_PROGRAM, SONDE_INSTANCE, "                                           \
            "SONDE_PID and SONDE_REASON in its environment."                                       \
    }
/* clang-format on */

static const struct option PROGRAM_ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, WATCH_CONF_NAME_MAX, NULL, OPTION_RELOAD,
     "Letters, digits, - _ and dots; given once."},
    {"group", OPTION_TEXT, AT(group), "", 0, WATCH_CONF_NAME_MAX, NULL, OPTION_RELOAD,
     "A name for several programs, with which they are started and stopped together."},
    {"command", OPTION_LIST, AT(command), "", 0, 0, NULL, OPTION_RELOAD,
     "The program and its arguments; no shell is between. @PORT@ and @INSTANCE@ stand for those of "
     "the instance."},
    {"folder", OPTION_TEXT, AT(folder), "", 0, PATH_MAX_BYTES, NULL, OPTION_RELOAD,
     "Its working directory; empty: that of sonde-watch."},
    {"user", OPTION_TEXT, AT(user), "", 0, 200, NULL, OPTION_RELOAD,
     "The user that it runs as, where sonde-watch may change it; empty: the same."},
    {"environment", OPTION_LIST, AT(environment), "", 0, 0, NULL, OPTION_RELOAD | OPTION_SECRET,
     "\"NAME=value\", added to that of sonde-watch; @PORT@ and @INSTANCE@ as in command."},
    {"after", OPTION_LIST, AT(after), "", 0, 0, NULL, OPTION_RELOAD,
     "Names of programs that have to be ready before it is started; they are stopped after it."},
    {"instances", OPTION_INT, AT(instances), "1", 1, WATCH_CONF_INSTANCES_MAX, NULL, OPTION_RELOAD,
     "How many of it run; each finds its number (from 0) in SONDE_INSTANCE."},
    {"port", OPTION_INT, AT(port), "0", 0, 65535, NULL, OPTION_RELOAD,
     "The port of the first instance, the others have those that follow; each finds its own in "
     "PORT. 0: none."},
    {"enabled", OPTION_BOOL, AT(enabled), "true", 0, 0, NULL, OPTION_RELOAD,
     "Is it started with the others?"},
    {"restart", OPTION_CHOICE, AT(restart), "always", 0, 0, "always|on-failure|never",
     OPTION_RELOAD, "Which ends of it are followed by a new start; on-failure: not exit status 0."},
    {"restarts_max", OPTION_INT, AT(restarts_max), "5", 0, 1e6, NULL, OPTION_RELOAD,
     "So many restarts within the window are made; one more would be needed: it is critical. 0: "
     "no limit."},
    {"window_ms", OPTION_INT, AT(window_ms), "600000", 1, MONTH_MS, NULL, OPTION_RELOAD,
     "The window; as long in health, and the count begins anew."},
    {"pauses", OPTION_LIST, AT(pauses), "0s,1s,2s,4s,8s", 0, 0, NULL, OPTION_RELOAD,
     "The pauses before the first, second, ... restart; the last one repeats."},
    {"jitter_percent", OPTION_INT, AT(jitter_percent), "10", 0, 100, NULL, OPTION_RELOAD,
     "Of a pause, added at random."},
    {"give_up", OPTION_CHOICE, AT(give_up), "stop", 0, 0, "stop|retry", OPTION_RELOAD,
     "What becomes of a critical one: it stays down, or is tried again each retry_ms."},
    {"retry_ms", OPTION_INT, AT(retry_ms), "300000", 1, DAY_MS, NULL, OPTION_RELOAD,
     "With give_up = \"retry\": how often."},
    {"grace_ms", OPTION_INT, AT(grace_ms), "10000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "After a start, before failed health checks count; READY=1 ends it."},
    {"heartbeat_ms", OPTION_INT, AT(heartbeat_ms), "10000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "Given as WATCHDOG_USEC: a program that has sent WATCHDOG=1 once and then not for so long "
     "hangs. 0: off."},
    PROBE(health, "15000", "5000", "45000", "Whether it lives is",
          "it hangs and is started again."),
    PROBE(ready, "1000", "1000", "45000", "Whether it can serve is",
          "it is no longer ready, and gets no requests."),
    {"stop_signal", OPTION_TEXT, AT(stop_signal), "TERM", 1, 20, NULL, OPTION_RELOAD,
     "The signal that asks it to end."},
    {"stop_timeout_ms", OPTION_INT, AT(stop_timeout_ms), "10000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "So long after it KILL follows, for every process that came of it."},
    {"reload_signal", OPTION_TEXT, AT(reload_signal), "HUP", 1, 20, NULL, OPTION_RELOAD,
     "The signal that `ctl reload` sends; none: a reload is a restart."},
    {"abort_on_hang", OPTION_BOOL, AT(abort_on_hang), "false", 0, 0, NULL, OPTION_RELOAD,
     "Send one that hangs ABRT first, so that there is a core dump."},
    {"memory_bytes_max", OPTION_INT, AT(memory_bytes_max), "0", 0, BYTES, NULL, OPTION_RELOAD,
     "Memory of the program and all that came of it; above it, for limit_for_ms, it is started "
     "again. 0: no limit."},
    {"cpu_percent_max", OPTION_INT, AT(cpu_percent_max), "0", 0, 100000, NULL, OPTION_RELOAD,
     "The same for processor time; 100 is one core."},
    {"files_max", OPTION_INT, AT(files_max), "0", 0, 1e9, NULL, OPTION_RELOAD,
     "The same for open file descriptors."},
    {"limit_for_ms", OPTION_INT, AT(limit_for_ms), "30000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "How long it may be above one of those."},
    {"cgroup_memory_bytes_max", OPTION_INT, AT(cgroup_memory_bytes_max), "0", 0, BYTES, NULL,
     OPTION_RELOAD,
     "memory.max of its control group (version 2), where one may be made. 0: no limit."},
    {"cgroup_pids_max", OPTION_INT, AT(cgroup_pids_max), "0", 0, 1e9, NULL, OPTION_RELOAD,
     "pids.max of it. 0: no limit."},
    {"cgroup_cpu_percent_max", OPTION_INT, AT(cgroup_cpu_percent_max), "0", 0, 100000, NULL,
     OPTION_RELOAD, "cpu.max of it; 100 is one core. 0: no limit."},
    HOOK(before_start, "before it is started; where that fails, it is not"),
    HOOK(after_start, "when it is ready"),
    HOOK(before_stop, "before it is asked to end"),
    HOOK(after_stop, "when nothing of it is left"),
    {"hook_timeout_ms", OPTION_INT, AT(hook_timeout_ms), "30000", 1, DAY_MS, NULL, OPTION_RELOAD,
     "How long each of those may take."},
    {"log_bytes_max", OPTION_INT, AT(log_bytes_max), "10485760", 4096, BYTES, NULL, OPTION_RELOAD,
     "Of one file of what it prints, before the next one is begun."},
    {"log_files_max", OPTION_INT, AT(log_files_max), "5", 1, 1000, NULL, OPTION_RELOAD,
     "How many of those are kept."},
    {"rolling", OPTION_BOOL, AT(rolling), "true", 0, 0, NULL, OPTION_RELOAD,
     "Restart several instances one after the other, each ready before the next."},
    {"haproxy_socket", OPTION_TEXT, AT(haproxy_socket), "", 0, PATH_MAX_BYTES, NULL, OPTION_RELOAD,
     "HAProxy's `stats socket` (level admin), a path or HOST:PORT: it is told to drain an instance "
     "before it ends and to use it again when it is ready. Empty: none."},
    {"haproxy_backend", OPTION_TEXT, AT(haproxy_backend), "", 0, 200, NULL, OPTION_RELOAD,
     "The backend there: its servers have to be called NAME0, NAME1 .. after the program; with "
     "/SERVER behind it, SERVER0, SERVER1 .."},
    {"proxy_listen", OPTION_TEXT, AT(proxy_listen), "", 0, 200, NULL, OPTION_RELOAD,
     "HOST:PORT that sonde-watch listens on itself: connections go to the instance that is ready "
     "and has the fewest. Empty: none."},
    {"drain_ms", OPTION_INT, AT(drain_ms), "5000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "With either of those: from taking an instance out of use to its stop at most; earlier once "
     "its last connection is over."},
};

const struct option_table watch_conf_options = {
    "watch",  "Programs that sonde-watch keeps running (docs/watchdog.md).",
    false,    sizeof(struct watch_conf_own),
    OWN_ROWS, COUNTOF(OWN_ROWS),
};

const struct option_table watch_conf_program_options = {
    "watch.program",
    "A program that is kept running. `sonde watch --KEY VALUE -- PROGRAM ARGUMENT..` takes the "
    "same keys.",
    true,
    sizeof(struct watch_conf_program),
    PROGRAM_ROWS,
    COUNTOF(PROGRAM_ROWS),
};
