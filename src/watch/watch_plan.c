#include "watch/watch_plan.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"

/* A fact of the table: where it lies, what it may be. Also the words of docs/format/watch_plan.md:
 * the key is the member's name, of a probe's with "liveness_" or "readiness_" before it. */
enum kind { TEXT, TEXTS, NUMBER, NUMBERS, FLAG, WORD };

struct fact {
    const char *key;
    enum kind kind;
    size_t at;
    int64_t usual, least, most;
    const char *const *words; /* of WORD: by value, NULL at the end */
};

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    DAY = 24 * 60 * MINUTE,
    PORT_MAX = 65535,
    SIGNAL_MAX = 64,
    BIG = INT32_MAX,
};

static const char *const probe_words[] = {"none", "http", "tcp", "command", NULL};
static const char *const give_up_words[] = {"stop", "retry", NULL};
static const char *const restart_words[] = {"always", "on_failure", "never", NULL};
static const int64_t usual_pauses[] = {0, 1 * SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND};

#define PLAN(m)    #m, .at = offsetof(struct watch_plan, m)
#define PROGRAM(m) #m, .at = offsetof(struct watch_program, m)
#define PROBE(which, m)                                                                            \
#which "_" #m, .at = offsetof(struct watch_program, which) + offsetof(struct watch_probe, m)
#define RANGE(usually, from, to) .kind = NUMBER, .usual = (usually), .least = (from), .most = (to)
#define PROBE_FACTS(which)                                                                         \
    {PROBE(which, kind), .kind = WORD, .words = probe_words}, {PROBE(which, target)},              \
        {PROBE(which, argv), .kind = TEXTS}, {PROBE(which, interval_ms), RANGE(15000, 10, DAY)},   \
        {PROBE(which, timeout_ms), RANGE(5000, 1, DAY)},                                           \
        {PROBE(which, fail_ms), RANGE(45000, 1, DAY)},                                             \
        {PROBE(which, status_min), RANGE(200, 100, 999)},                                          \
        {PROBE(which, status_max), RANGE(399, 100, 999)},                                          \
    {                                                                                              \
        PROBE(which, body)                                                                         \
    }

static const struct fact plan_facts[] = {
    {PLAN(folder)},
    {PLAN(socket)},
    {PLAN(status_file)},
    {PLAN(verbosity), RANGE(1, 0, 3)},
    {PLAN(json), .kind = FLAG, .usual = true},
};

static const struct fact program_facts[] = {
    {PROGRAM(group)},
    {PROGRAM(argv), .kind = TEXTS},
    {PROGRAM(folder)},
    {PROGRAM(environment), .kind = TEXTS},
    {PROGRAM(user)},
    {PROGRAM(after), .kind = TEXTS},
    {PROGRAM(instances), RANGE(1, 1, WATCH_PLAN_INSTANCES_MAX)},
    {PROGRAM(port), RANGE(0, 0, PORT_MAX)},
    {PROGRAM(enabled), .kind = FLAG, .usual = true},
    {PROGRAM(restart), .kind = WORD, .usual = WATCH_RESTART_ALWAYS, .words = restart_words},
    {PROGRAM(restarts_max), RANGE(5, 0, WATCH_PLAN_RESTARTS_MAX)},
    {PROGRAM(window_ms), RANGE(10 * MINUTE, 1, 30 * (int64_t)DAY)},
    {PROGRAM(pauses_ms), .kind = NUMBERS, .most = DAY},
    {PROGRAM(jitter_percent), RANGE(10, 0, 100)},
    {PROGRAM(give_up), .kind = WORD, .usual = WATCH_GIVE_UP_STOP, .words = give_up_words},
    {PROGRAM(retry_ms), RANGE(5 * MINUTE, 1, DAY)},
    {PROGRAM(grace_ms), RANGE(10 * SECOND, 0, DAY)},
    {PROGRAM(heartbeat_ms), RANGE(10 * SECOND, 0, DAY)},
    PROBE_FACTS(liveness),
    PROBE_FACTS(readiness),
    {PROGRAM(stop_signal), RANGE(15, 1, SIGNAL_MAX)},
    {PROGRAM(stop_timeout_ms), RANGE(10 * SECOND, 0, DAY)},
    {PROGRAM(reload_signal), RANGE(1, 0, SIGNAL_MAX)},
    {PROGRAM(abort_on_hang), .kind = FLAG},
    {PROGRAM(memory_max), RANGE(0, 0, INT64_MAX)},
    {PROGRAM(cpu_percent_max), RANGE(0, 0, BIG)},
    {PROGRAM(files_max), RANGE(0, 0, BIG)},
    {PROGRAM(limit_for_ms), RANGE(30 * SECOND, 0, DAY)},
    {PROGRAM(cgroup_memory_max), RANGE(0, 0, INT64_MAX)},
    {PROGRAM(cgroup_pids_max), RANGE(0, 0, BIG)},
    {PROGRAM(cgroup_cpu_percent), RANGE(0, 0, BIG)},
    {PROGRAM(before_start), .kind = TEXTS},
    {PROGRAM(after_start), .kind = TEXTS},
    {PROGRAM(before_stop), .kind = TEXTS},
    {PROGRAM(after_stop), .kind = TEXTS},
    {PROGRAM(hook_timeout_ms), RANGE(30 * SECOND, 1, DAY)},
    {PROGRAM(log_bytes_max), RANGE(10 << 20, 4096, INT64_MAX)},
    {PROGRAM(log_files), RANGE(5, 1, 1000)},
    {PROGRAM(rolling), .kind = FLAG},
    {PROGRAM(haproxy_socket)},
    {PROGRAM(haproxy_backend)},
    {PROGRAM(proxy_listen)},
    {PROGRAM(drain_ms), RANGE(5 * SECOND, 0, DAY)},
};

static const char *const head_line = "sonde-watch 1";

static void put_defaults(void *record, const struct fact *facts, size_t n)
{
    static const char *const none[] = {NULL};
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)record + facts[i].at;
        switch (facts[i].kind) {
        case TEXT:
            *(const char **)at = "";
            break;
        case TEXTS:
            *(const char *const **)at = none;
            break;
        case NUMBER:
            *(int64_t *)at = facts[i].usual;
            break;
        case FLAG:
            *(bool *)at = facts[i].usual != 0;
            break;
        case WORD: /* all three enums are as wide as an unsigned */
            *(unsigned *)at = (unsigned)facts[i].usual;
            break;
        case NUMBERS:
            break; /* pauses_ms alone: below */
        }
    }
}

void watch_plan_program_init(struct watch_program *p)
{
    *p = (struct watch_program){.name = ""};
    put_defaults(p, program_facts, COUNTOF(program_facts));
    p->pauses_ms = usual_pauses;
    p->pauses_n = COUNTOF(usual_pauses);
}

void watch_plan_init(struct watch_plan *p)
{
    *p = (struct watch_plan){.n = 0};
    arena_init(&p->arena);
    put_defaults(p, plan_facts, COUNTOF(plan_facts));
}

/* ---- writing */

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, "%s ", key);
    for (; *text; text++)
        if (*text == '\n')
            buf_put_str(out, STR("\\n"));
        else if (*text == '\\')
            buf_put_str(out, STR("\\\\"));
        else
            buf_put_c(out, *text);
    buf_put_c(out, '\n');
}

static void put_pauses(struct buf *out, const char *key, const struct watch_program *p)
{
    buf_put_str(out, str_c(key));
    for (size_t i = 0; i < p->pauses_n; i++) {
        buf_put_c(out, ' ');
        buf_put_i64(out, p->pauses_ms[i]);
    }
    buf_put_c(out, '\n');
}

static void put_facts(struct buf *out, const void *record, const struct fact *facts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct fact *f = &facts[i];
        const char *at = (const char *)record + f->at;
        switch (f->kind) {
        case TEXT:
            put_text(out, f->key, *(const char *const *)at);
            break;
        case TEXTS:
            for (const char *const *t = *(const char *const *const *)at; *t; t++)
                put_text(out, f->key, *t);
            break;
        case NUMBER:
            buf_printf(out, "%s %lld\n", f->key, (long long)*(const int64_t *)at);
            break;
        case NUMBERS:
            put_pauses(out, f->key, record);
            break;
        case FLAG:
            put_text(out, f->key, *(const bool *)at ? "true" : "false");
            break;
        case WORD:
            put_text(out, f->key, f->words[*(const unsigned *)at]);
            break;
        }
    }
}

void watch_plan_write(const struct watch_plan *p, struct buf *out)
{
    buf_printf(out, "%s\n", head_line);
    put_facts(out, p, plan_facts, COUNTOF(plan_facts));
    for (size_t i = 0; i < p->n; i++) {
        put_text(out, "program", p->programs[i].name);
        put_facts(out, &p->programs[i], program_facts, COUNTOF(program_facts));
    }
    buf_put_str(out, STR("end\n"));
}

/* ---- reading */

/* A list while it grows: its record gets a new copy of it at each line. */
struct reading {
    struct watch_plan *plan;
    struct watch_program *programs; /* [n], NULL before the first */
    size_t n, capacity;
    size_t line;
    struct why *why;
};

static int wrong(struct reading *r, const char *what, struct str key)
{
    return why_set(r->why, ERR_FORMAT, "line %zu of the table of programs: %s: " STR_FMT, r->line,
                   what, STR_ARG(key));
}

static int read_text(struct reading *r, struct str value, const char **ret)
{
    char *text = arena_raw(&r->plan->arena, value.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\0')
            return wrong(r, "a NUL in", value);
        if (c == '\\') {
            i++;
            if (i == value.n || (value.p[i] != 'n' && value.p[i] != '\\'))
                return wrong(r, "a backslash before neither n nor \\ in", value);
            c = value.p[i] == 'n' ? '\n' : '\\';
        }
        text[n++] = c;
    }
    text[n] = '\0';
    *ret = text;
    return 0;
}

static int read_texts(struct reading *r, struct str value, const char *const **at)
{
    size_t n = 0;
    while ((*at)[n])
        n++;
    if (n >= WATCH_PLAN_LIST_MAX)
        return wrong(r, "too many of them, at", value);
    /* Grown by doubling: a list of n has room for the next power of two. */
    const char **list;
    if (n == 0 || (n & (n + 1)) == 0) {
        list = arena_array(&r->plan->arena, 2 * (n + 1), sizeof *list);
        memcpy(list, *at, n * sizeof *list);
    } else {
        memcpy(&list, at, sizeof list);
    }
    int err = read_text(r, value, &list[n]);
    if (err)
        return err;
    list[n + 1] = NULL;
    *at = list;
    return 0;
}

static int read_number(struct reading *r, const struct fact *f, struct str value, int64_t *ret)
{
    int64_t number;
    if (!str_i64(value, &number))
        return wrong(r, "not a number", value);
    if (number < f->least || number > f->most)
        return why_set(r->why, ERR_RANGE,
                       "line %zu of the table of programs: %s is %lld, but lies between %lld and "
                       "%lld",
                       r->line, f->key, (long long)number, (long long)f->least, (long long)f->most);
    *ret = number;
    return 0;
}

static int read_pauses(struct reading *r, const struct fact *f, struct str value,
                       struct watch_program *p)
{
    int64_t pauses[WATCH_PLAN_PAUSES_MAX];
    size_t n = 0;
    struct str word;
    while (str_word(&value, &word)) {
        if (n == COUNTOF(pauses))
            return wrong(r, "too many pauses, at", word);
        int err = read_number(r, f, word, &pauses[n]);
        if (err)
            return err;
        n++;
    }
    if (n == 0)
        return wrong(r, "no pause", str_c(f->key));
    int64_t *kept = arena_array(&r->plan->arena, n, sizeof *kept);
    memcpy(kept, pauses, n * sizeof *kept);
    p->pauses_ms = kept;
    p->pauses_n = n;
    return 0;
}

static int read_word(struct reading *r, const struct fact *f, struct str value, unsigned *ret)
{
    for (unsigned i = 0; f->words[i]; i++)
        if (str_eq(value, str_c(f->words[i]))) {
            *ret = i;
            return 0;
        }
    return wrong(r, "not one of the words that go there", value);
}

static int read_fact(struct reading *r, void *record, const struct fact *f, struct str value)
{
    char *at = (char *)record + f->at;
    switch (f->kind) {
    case TEXT:
        return read_text(r, value, (const char **)at);
    case TEXTS:
        return read_texts(r, value, (const char *const **)at);
    case NUMBER:
        return read_number(r, f, value, (int64_t *)at);
    case NUMBERS:
        return read_pauses(r, f, value, record);
    case WORD:
        return read_word(r, f, value, (unsigned *)at);
    case FLAG:
        if (!str_eq(value, STR("true")) && !str_eq(value, STR("false")))
            return wrong(r, "neither true nor false", value);
        *(bool *)at = value.p[0] == 't';
        return 0;
    }
    must_not_reach();
}

static const struct fact *find_fact(const struct fact *facts, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(key, str_c(facts[i].key)))
            return &facts[i];
    return NULL;
}

bool watch_plan_name_ok(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i], small = (char)(c | 0x20);
        bool fine = (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || (c == '.' && i > 0);
        if (!fine)
            return false;
    }
    return name.n > 0 && name.n <= WATCH_PLAN_NAME_MAX && !str_eq(name, STR("all"));
}

static int begin_program(struct reading *r, struct str name)
{
    if (!watch_plan_name_ok(name))
        return wrong(r, "not a program's name (letters, digits, - _ . ; not \"all\")", name);
    if (r->n == WATCH_PLAN_PROGRAMS_MAX)
        return wrong(r, "too many programs, at", name);
    if (r->n == r->capacity) {
        size_t more = r->capacity ? 2 * r->capacity : 8;
        struct watch_program *grown = arena_array(&r->plan->arena, more, sizeof *grown);
        if (r->n)
            memcpy(grown, r->programs, r->n * sizeof *grown);
        r->programs = grown;
        r->capacity = more;
    }
    struct watch_program *p = &r->programs[r->n++];
    watch_plan_program_init(p);
    p->name = arena_str(&r->plan->arena, name).p;
    return 0;
}

static int read_line(struct reading *r, struct str line, bool *ret_end)
{
    size_t space = str_find(line, ' ');
    struct str key = str_sub(line, 0, space), value = str_sub(line, space + 1, line.n);
    if (r->line == 1)
        return str_eq(line, str_c(head_line)) ? 0 : wrong(r, "not a table of programs", line);
    if (str_eq(line, STR("end"))) {
        *ret_end = true;
        return 0;
    }
    if (line.n == 0 || line.p[0] == '#')
        return 0;
    if (str_eq(key, STR("program")))
        return begin_program(r, value);
    void *record = r->n ? (void *)&r->programs[r->n - 1] : (void *)r->plan;
    const struct fact *f = r->n ? find_fact(program_facts, COUNTOF(program_facts), key)
                                : find_fact(plan_facts, COUNTOF(plan_facts), key);
    if (!f)
        return wrong(r, "nothing of that name", key);
    return read_fact(r, record, f, value);
}

/* ---- what no line shows alone */

static size_t find_program(const struct watch_plan *p, struct str name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(name, str_c(p->programs[i].name)))
            return i;
    return p->n;
}

static int check_probe(const struct watch_program *p, const struct watch_probe *probe,
                       const char *which, struct why *why)
{
    bool by_target = probe->kind == WATCH_PROBE_HTTP || probe->kind == WATCH_PROBE_TCP;
    if (by_target && !*probe->target)
        return why_set(why, ERR_FORMAT, "program %s: %s names no target", p->name, which);
    if (probe->kind == WATCH_PROBE_HTTP && !str_starts(str_c(probe->target), STR("http://")))
        return why_set(why, ERR_FORMAT, "program %s: %s: %s does not begin with http://", p->name,
                       which, probe->target);
    if (probe->kind == WATCH_PROBE_COMMAND && !probe->argv[0])
        return why_set(why, ERR_FORMAT, "program %s: %s names no command", p->name, which);
    return 0;
}

static int check_program(const struct watch_plan *plan, size_t i, struct why *why)
{
    const struct watch_program *p = &plan->programs[i];
    if (!p->argv[0] || !p->argv[0][0])
        return why_set(why, ERR_FORMAT, "program %s has no command", p->name);
    if (find_program(plan, str_c(p->name)) != i)
        return why_set(why, ERR_FORMAT, "two programs are called %s", p->name);
    if (p->port && p->port + p->instances - 1 > PORT_MAX)
        return why_set(why, ERR_FORMAT, "program %s: its last instance has no port", p->name);
    for (const char *const *e = p->environment; *e; e++)
        if (**e == '=' || !strchr(*e, '='))
            return why_set(why, ERR_FORMAT, "program %s: %s is not NAME=value", p->name, *e);
    for (const char *const *a = p->after; *a; a++)
        if (find_program(plan, str_c(*a)) == plan->n)
            return why_set(why, ERR_FORMAT, "program %s is to start after %s, which is not there",
                           p->name, *a);
    int err = check_probe(p, &p->liveness, "liveness", why);
    return err ? err : check_probe(p, &p->readiness, "readiness", why);
}

/* Takes away what waits for nothing that is left, until nothing changes: what remains waits for
 * itself in a circle. */
static int check_order(const struct watch_plan *plan, struct why *why)
{
    bool *gone = mem_array(plan->n + 1, sizeof *gone);
    size_t left = plan->n;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < plan->n; i++) {
            bool waits = false;
            for (const char *const *a = plan->programs[i].after; *a; a++)
                waits = waits || !gone[find_program(plan, str_c(*a))];
            if (!gone[i] && !waits) {
                gone[i] = changed = true;
                left--;
            }
        }
    }
    int err = 0;
    for (size_t i = 0; i < plan->n && left && !err; i++)
        if (!gone[i])
            err = why_set(why, ERR_FORMAT, "program %s would have to start before itself (after)",
                          plan->programs[i].name);
    mem_free(gone);
    return err;
}

int watch_plan_check(const struct watch_plan *p, struct why *why)
{
    size_t units = 0;
    for (size_t i = 0; i < p->n; i++) {
        int err = check_program(p, i, why);
        if (err)
            return err;
        units += (size_t)p->programs[i].instances;
    }
    if (units > WATCH_PLAN_PROGRAMS_MAX)
        return why_set(why, ERR_LIMIT, "%zu instances of programs are more than %d", units,
                       WATCH_PLAN_PROGRAMS_MAX);
    return check_order(p, why);
}

int watch_plan_read(struct str text, struct watch_plan **ret, struct why *why)
{
    struct watch_plan *plan = mem_new(sizeof *plan);
    watch_plan_init(plan);
    struct reading r = {.plan = plan, .why = why};
    struct str line;
    bool end = false;
    int err = 0;

    while (!err && !end && str_split(&text, '\n', &line)) {
        r.line++;
        err = read_line(&r, line, &end);
    }
    if (!err && !end)
        err = wrong(&r, "the table is cut off: no line", STR("end"));
    plan->programs = r.programs;
    plan->n = r.n;
    if (!err)
        err = watch_plan_check(plan, why);
    if (err) {
        watch_plan_free(plan);
        return err;
    }
    *ret = plan;
    return 0;
}

void watch_plan_free(struct watch_plan *p)
{
    if (!p)
        return;
    arena_done(&p->arena);
    mem_free(p);
}

const struct watch_program *watch_plan_program(const struct watch_plan *p, struct str name)
{
    size_t i = find_program(p, name);
    return i < p->n ? &p->programs[i] : NULL;
}
