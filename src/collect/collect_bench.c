/* What collecting costs: every collector at 1 s on this machine, with 200 more processes.
 *
 *   bench.collect.collect             runs for 10 s and prints the share of one core
 *   bench.collect.collect --seconds N the same for N s
 *   bench.collect.collect --defaults  at the default intervals
 *   bench.collect.collect --dump      collects twice and prints the text exposition format
 *   bench.collect.collect --docs      prints docs/collectors.md from the collectors' rows
 *   --root DIR                        reads DIR/proc and DIR/sys instead of this machine
 *   --only A,B  --sysctl "A B"  --sysctl-info "A B"  --textfiles "A B"  --systemd-details yes
 *   --ntp HOST:PORT                   as the options of [collect]
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "collect/collector.h"
#include "collect/runner.h"

enum { SLEEPERS = 200, SECONDS = 10, LIST_MAX = 32 };

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void print_row(void *context, const struct runner_row *row)
{
    struct str *last = context;
    if (!str_eq(*last, row->family)) {
        const char *type = row->type == METRIC_UNKNOWN ? "untyped" : metric_type_text(row->type);
        printf("# HELP " STR_FMT " " STR_FMT "\n# TYPE " STR_FMT " %s\n", STR_ARG(row->family),
               STR_ARG(row->help), STR_ARG(row->family), type);
        *last = row->family;
    }
    printf(STR_FMT " %.17g\n", STR_ARG(row->text), row->value);
}

static int dump(const struct runner_plan *plan)
{
    struct runner *r;
    struct why why = {0};
    if (runner_new(plan, &r, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    int64_t now = clock_wall_ms(&clock_real);
    runner_tick(r, now);
    usleep(600 * 1000);
    runner_tick(r, now + 86400000);
    struct str last = {0};
    runner_each(r, print_row, &last);
    runner_free(r);
    return 0;
}

static void print_state(void *context, const struct runner_state *s)
{
    const int64_t *seconds = context;
    printf("%-14s %5zu series %8.3f ms a run %8.4f %% of a core%s%s\n", s->name, s->series,
           s->duration_s * 1e3, s->cpu_s / (double)*seconds * 100, s->failed ? "  " : "",
           s->failed ? s->text : "");
}

static void ignore_row(void *context, const struct runner_row *row)
{
    *(double *)context += row->value;
}

static int measure(const struct runner_plan *plan, int64_t seconds)
{
    pid_t sleepers[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = fork();
        if (sleepers[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pause();
            _exit(0);
        }
    }
    struct runner *r;
    struct why why = {0};
    if (runner_new(plan, &r, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    runner_start(r);
    sleep(2); /* the first runs make the series */
    int64_t cpu = cpu_ns();
    sleep((unsigned)seconds);
    cpu = cpu_ns() - cpu;
    int64_t all = seconds + 2;
    runner_states(r, print_state, &all);
    double sum = 0;
    int64_t begin = clock_monotonic_ns(&clock_real);
    runner_each(r, ignore_row, &sum);
    printf("walk over %zu series: %.1f us\n", runner_series(r),
           (double)(clock_monotonic_ns(&clock_real) - begin) / 1e3);
    printf("all collectors, %d more processes: %.3f %% of one core\n", SLEEPERS,
           (double)cpu / 1e9 / (double)seconds * 100);
    runner_free(r);
    for (int i = 0; i < SLEEPERS; i++) {
        kill(sleepers[i], SIGKILL);
        waitpid(sleepers[i], NULL, 0);
    }
    return 0;
}

static int docs(void)
{
    printf("# Collectors\n\n"
           "What Sonde reads from this host, under node_exporter's names (cAdvisor's for cgroups,\n"
           "process-exporter's for named groups of processes). Names below are the keys of\n"
           "`[collect.interval_ms]` and the values of the label `collector`.\n"
           "This page is printed by `bench.collect.collect --docs` from "
           "`src/collect/collectors.tbl.h`.\n"
           "\n| collector | every | gives |\n| --- | --- | --- |\n");
    for (int i = 0; i < COLLECTORS_N; i++)
        if (collector_all[i].interval_ms)
            printf("| %s | %lld s | %s |\n", collector_all[i].name,
                   (long long)collector_all[i].interval_ms / 1000, collector_all[i].prose);
        else
            printf("| %s | off | %s |\n", collector_all[i].name, collector_all[i].prose);
    printf("\nOf each collector: `node_scrape_collector_duration_seconds`,\n"
           "`node_scrape_collector_success`, `sonde_collector_cpu_seconds_total`.\n");
    return 0;
}

/* What the command line asks for. */
struct plan {
    struct settings settings;
    struct runner_plan runner;
    int64_t seconds;
    bool defaults, text, page;
    char proc[PATH_MAX], sys[PATH_MAX];
    const char *only[COLLECTORS_N], *sysctl[LIST_MAX], *sysctl_info[LIST_MAX], *textfiles[LIST_MAX];
};

/* Cuts text at its separators. */
static void split(char *text, char separator, const char **v, size_t max, struct option_list *ret)
{
    *ret = (struct option_list){v, 0};
    for (char *next = text; next && ret->n < max; ret->n++) {
        v[ret->n] = next;
        next = strchr(next, separator);
        if (next)
            *next++ = 0;
    }
}

static void take(struct plan *p, const char *name, char *value)
{
    struct settings *s = &p->settings;
    if (strcmp(name, "--seconds") == 0) {
        p->seconds = atoll(value);
    } else if (strcmp(name, "--root") == 0) {
        snprintf(p->proc, sizeof p->proc, "%s/proc", value);
        snprintf(p->sys, sizeof p->sys, "%s/sys", value);
        p->runner.proc = p->proc;
        p->runner.sys = p->sys;
        p->runner.root = value;
        s->cpu_flags = "aes|avx.?";
        s->cpu_bugs = "cpu_meltdown|spectre_.*|mds";
    } else if (strcmp(name, "--only") == 0) {
        split(value, ',', p->only, COLLECTORS_N, &s->only);
    } else if (strcmp(name, "--sysctl") == 0) {
        split(value, ' ', p->sysctl, LIST_MAX, &s->sysctl);
    } else if (strcmp(name, "--textfiles") == 0) {
        split(value, ' ', p->textfiles, LIST_MAX, &s->textfile_directory);
    } else if (strcmp(name, "--ntp") == 0) {
        s->ntp_server = value;
    } else if (strcmp(name, "--systemd-details") == 0) {
        s->systemd_details = strcmp(value, "yes") == 0;
    } else if (strcmp(name, "--sysctl-info") == 0) {
        split(value, ' ', p->sysctl_info, LIST_MAX, &s->sysctl_info);
    }
}

int main(int argc, char **argv)
{
    static struct plan p;
    p.seconds = SECONDS;
    settings_default(&p.settings);
    for (int i = 1; i < argc; i++) {
        p.defaults = p.defaults || strcmp(argv[i], "--defaults") == 0;
        p.page = p.page || strcmp(argv[i], "--docs") == 0;
        p.text = p.text || strcmp(argv[i], "--dump") == 0;
        if (i + 1 < argc)
            take(&p, argv[i], argv[i + 1]);
    }
    if (p.page)
        return docs();
    for (int i = 0; i < COLLECTORS_N && !p.defaults; i++)
        p.settings.intervals.ms[i] = 1000;
    p.runner.settings = &p.settings;
    p.runner.clock = &clock_real;
    return p.text ? dump(&p.runner) : measure(&p.runner, p.seconds);
}
