#include "daemon/programs.h"

#include <string.h>
#include <unistd.h>

#include "apps/apps_settings.h"
#include "apps/symbols.h"
#include "base/vec.h"
#include "collect/gpu_helper.h"
#include "custom/custom_settings.h"
#include "remedy/remedy_settings.h"
#include "tool/options.h"

enum { PATH_BYTES = 4096 };

static const char NVML[] = "libnvidia-ml.so.1"; /* the default of collect.gpu_nvml_library */

/* Where `ninja install` puts what people do not start themselves. */
static const char LIBEXEC[] = "/usr/libexec/sonde";

void programs_add(struct programs *p, struct launch_program row)
{
    vec_push(p, row);
}

const char *programs_helper(struct programs *p, const char *name)
{
    char own[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    while (n > 0 && own[n - 1] != '/')
        n--;
    struct str beside =
        arena_printf(&p->arena, "%.*ssonde-helper-%s", (int)MAX(n, (ssize_t)0), own, name);
    if (n > 0 && access(beside.p, X_OK) == 0)
        return beside.p;
    return arena_printf(&p->arena, "%s/sonde-helper-%s", LIBEXEC, name).p;
}

static bool any_is_there(const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (access(*paths, F_OK) == 0)
            return true;
    return false;
}

/* sonde-helper-gpu, where it may find something. */
static void add_gpu(struct programs *p, const struct conf *c)
{
    static const char *const SIGNS[] = {"/dev/nvidiactl", "/dev/dxg", "/sys/module/nvidia",
                                        "/sys/bus/event_source/devices/i915", NULL};
    struct settings collect;
    options_collect(c, &collect);
    const char *library = collect.gpu_nvml_library;
    int64_t interval_ms = collect.intervals.ms[COLLECTOR_INDEX_gpu];
    bool named = strcmp(library, NVML) != 0;
    if (!collect.enabled || interval_ms == 0 || library[0] == '\0' ||
        (!named && !any_is_there(SIGNS)))
        return;
    const char **argv = arena_array(&p->arena, 4, sizeof *argv);
    argv[0] = programs_helper(p, "gpu");
    argv[1] = arena_printf(&p->arena, "%lld", (long long)interval_ms).p;
    argv[2] = arena_str(&p->arena, str_c(library)).p;
    argv[3] = NULL;
    programs_add(p, (struct launch_program){.name = GPU_HELPER_PROGRAM, .argv = argv});
}

/* The commands of [[custom.command]], and sonde-helper-sql where there is a query. */
static void add_custom(struct programs *p, const struct conf *c)
{
    struct custom_settings custom;
    char name[CUSTOM_SETTINGS_PROGRAM_MAX];
    options_custom(c, &custom);
    for (size_t i = 0; i < custom.commands.n; i++) {
        const struct custom_settings_command *row =
            &((const struct custom_settings_command *)custom.commands.v)[i];
        const char **argv = arena_array(&p->arena, row->command.n + 1, sizeof *argv);
        memcpy(argv, row->command.v, row->command.n * sizeof *argv);
        custom_settings_program(&row->row, name);
        programs_add(p, (struct launch_program){.name = arena_str(&p->arena, str_c(name)).p,
                                                .argv = argv,
                                                .folder = row->folder});
    }
    if (custom.sqls.n == 0)
        return;
    const char **argv = arena_array(&p->arena, 2, sizeof *argv);
    argv[0] = programs_helper(p, "sql");
    programs_add(p, (struct launch_program){
                        .name = CUSTOM_SETTINGS_SQL_PROGRAM, .argv = argv, .input = true});
}

/* The commands of [[remedy]]. */
static void add_remedies(struct programs *p, const struct conf *c)
{
    const struct option_rows *rows = conf_rows(c, &remedy_settings_row_options);
    char name[REMEDY_PROGRAM_MAX];
    for (size_t i = 0; i < rows->n; i++) {
        const struct remedy_row *row = &((const struct remedy_row *)rows->v)[i];
        if (strcmp(row->action, "command") != 0)
            continue;
        const char **argv = arena_array(&p->arena, row->command.n + 1, sizeof *argv);
        memcpy(argv, row->command.v, row->command.n * sizeof *argv);
        remedy_settings_program(row, name);
        programs_add(p, (struct launch_program){.name = arena_str(&p->arena, str_c(name)).p,
                                                .argv = argv,
                                                .folder = row->folder,
                                                .input = true});
    }
}

/* The commands of checks. */
static void add_checks(struct programs *p, const struct conf *c)
{
    struct checkup_plan_settings health;
    char name[CHECKUP_SETTINGS_PROGRAM_MAX];
    options_health(c, &health);
    const struct checkup_settings *rows = health.checks.v;
    for (size_t i = 0; i < health.checks.n; i++) {
        const struct checkup_settings *row = &rows[i];
        if (strcmp(row->kind, "command") != 0)
            continue;
        const char **argv = arena_array(&p->arena, row->command.n + 1, sizeof *argv);
        memcpy(argv, row->command.v, row->command.n * sizeof *argv);
        checkup_settings_program(row, name);
        programs_add(p, (struct launch_program){.name = arena_str(&p->arena, str_c(name)).p,
                                                .argv = argv,
                                                .folder = row->folder});
    }
}

/* sonde-helper-chart, where it was built: pictures in mail. */
static void add_chart(struct programs *p)
{
    const char **argv = arena_array(&p->arena, 2, sizeof *argv);
    argv[0] = programs_helper(p, "chart");
    if (access(argv[0], X_OK) == 0)
        programs_add(p,
                     (struct launch_program){.name = "helper:chart", .argv = argv, .input = true});
}

/* sonde-helper-symbols, where it was built: stacks of crashed applications. */
static void add_symbols(struct programs *p, const struct conf *c)
{
    const struct apps_settings *apps = conf_get(c, &apps_settings_options);
    const char **argv = arena_array(&p->arena, 2, sizeof *argv);
    argv[0] = programs_helper(p, "symbols");
    if (apps->enabled && apps->symbols && access(argv[0], X_OK) == 0)
        programs_add(p,
                     (struct launch_program){.name = SYMBOLS_PROGRAM, .argv = argv, .input = true});
}

/* A command that is told of alerts; its alerts come on its standard input. */
static void add_receiver(void *context, struct str name, const char *const *argv)
{
    struct programs *p = context;
    programs_add(p, (struct launch_program){
                        .name = arena_str(&p->arena, name).p, .argv = argv, .input = true});
}

void programs_draw(struct programs *p, const struct config *c)
{
    *p = (struct programs){0};
    arena_init(&p->arena);
    add_gpu(p, c->conf);
    add_custom(p, c->conf);
    add_remedies(p, c->conf);
    add_checks(p, c->conf);
    plan_programs(c->plan, add_receiver, p);
    add_chart(p);
    add_symbols(p, c->conf);
}

static void note_program(void *context, struct str name, const char *const *argv)
{
    struct buf *out = context;
    buf_put_str(out, name);
    for (; *argv != NULL; argv++) {
        buf_put_c(out, '\0');
        buf_put_str(out, str_c(*argv));
    }
    buf_put_c(out, '\n');
}

bool programs_same(const struct config *before, const struct config *next)
{
    struct buf a, b;
    buf_init(&a, SIZE_MAX / 2);
    buf_init(&b, SIZE_MAX / 2);
    plan_programs(before->plan, note_program, &a);
    plan_programs(next->plan, note_program, &b);
    bool same = str_eq(buf_str(&a), buf_str(&b));
    buf_done(&a);
    buf_done(&b);
    return same;
}

void programs_done(struct programs *p)
{
    vec_free(p);
    arena_done(&p->arena);
}
