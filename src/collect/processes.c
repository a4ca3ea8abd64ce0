/* Processes and threads by state. Threads of a process are looked at one by one only where it has
 * more than one. */
#include "collect/collector.h"
#include "collect/process.h"

#include <stdio.h>

#include "collect/pseudo.h"

static const struct family PIDS = {"node_processes_pids", METRIC_GAUGE, "Processes.", {NULL}};
static const struct family THREADS = {"node_processes_threads", METRIC_GAUGE, "Threads.", {NULL}};
static const struct family STATE = {
    "node_processes_state", METRIC_GAUGE, "Processes in each state.", {"state"}};
static const struct family THREAD_STATE = {
    "node_processes_threads_state", METRIC_GAUGE, "Threads in each state.", {"thread_state"}};
static const struct family MAX_PROCESSES = {
    "node_processes_max_processes", METRIC_GAUGE, "The limit on process numbers.", {NULL}};
static const struct family MAX_THREADS = {
    "node_processes_max_threads", METRIC_GAUGE, "The limit on threads.", {NULL}};

struct counts {
    double by_state[128];
    double total;
};

static void count(void *context, char state)
{
    struct counts *c = context;
    c->by_state[state & 127]++;
    c->total++;
}

static void give(struct emit *e, const struct family *f, const struct counts *c)
{
    for (int i = 1; i < (int)COUNTOF(c->by_state); i++) {
        char state = (char)i;
        if (c->by_state[i] > 0)
            emit(e, f, c->by_state[i], str_of(&state, 1));
    }
}

static void give_limit(struct emit *e, const struct collector_host *host, const char *name,
                       const struct family *f)
{
    char path[PSEUDO_SMALL];
    double limit;
    snprintf(path, sizeof path, "%s/sys/kernel/%s", host->proc, name);
    if (pseudo_peek_number(path, &limit) == 0)
        emit_plain(e, f, limit);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    struct process *v;
    size_t n;
    int err = process_table_acquire(host->processes, &v, &n, why);
    if (err)
        return err;
    struct counts processes = {0}, threads = {0};
    for (size_t i = 0; i < n; i++) {
        count(&processes, v[i].state);
        /* A process that ends meanwhile counts as the one thread that it was. */
        if (v[i].threads < 2 || process_table_threads(host->processes, &v[i], count, &threads))
            count(&threads, v[i].state);
    }
    process_table_release(host->processes);
    emit_plain(e, &PIDS, (double)n);
    emit_plain(e, &THREADS, threads.total);
    give(e, &STATE, &processes);
    give(e, &THREAD_STATE, &threads);
    give_limit(e, host, "pid_max", &MAX_PROCESSES);
    give_limit(e, host, "threads-max", &MAX_THREADS);
    return 0;
}

const struct collector_ops processes_collector = {.open = NULL, .run = run, .close = NULL};
