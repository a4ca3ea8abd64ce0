/* The engine against the documented rules written down once more, plainly: alerts and groups in
 * arrays, looked at second by second, no heap, no index, no database. Random plans, random
 * histories; the same with the engine started anew again and again. */
#include "alert/alert_testbed.h"

enum {
    NAMES = 3,
    INSTANCES = 3,
    ALERTS = NAMES * INSTANCES,
    ROUTES_MAX = 6,
    RECEIVERS = 4,
    GROUPS_MAX = 400,
    SILENCES_MAX = 64,
    SECONDS = 1800,
    EVENTS = 90,
};

static const char *const NAME[] = {"A", "B", "C"};
static const int NEXT[] = {3, 1};                                  /* who is on the ladder */
static const char *const RECEIVER[] = {"r0", "r1", "!r2", "boss"}; /* r2 hears of no ends */

static bool is_critical(int a)
{
    return a / INSTANCES == 0 || (a / INSTANCES == 2 && a % INSTANCES == 0);
}

static bool want_all(int a)
{
    (void)a;
    return true;
}

static bool want_critical(int a)
{
    return is_critical(a);
}

static bool want_not_critical(int a)
{
    return !is_critical(a);
}

static bool want_a_or_b(int a)
{
    return a / INSTANCES < 2;
}

static bool want_two(int a)
{
    return a % INSTANCES == 1;
}

static bool want_c_not_three(int a)
{
    return a / INSTANCES == 2 && a % INSTANCES != 2;
}

/* What a route, a silence, a rule of inhibition or a ladder may ask for. */
static const struct {
    const char *matchers;
    bool (*holds)(int alert);
} WANT[] = {
    {"alertname=~\".+\"", want_all},
    {"severity=\"critical\"", want_critical},
    {"severity!=\"critical\"", want_not_critical},
    {"alertname=~\"A|B\"", want_a_or_b},
    {"instance=\"2\"", want_two},
    {"alertname=\"C\",instance!=\"3\"", want_c_not_three},
};

enum { BY_ALERTNAME = 1, BY_INSTANCE = 2, BY_ALL = 4 };

/* ---- the plain rules */

struct o_alert {
    bool known, firing, acked;
    int64_t starts, ends, since, over;
    bool timeout;
    unsigned gone; /* bits of routes */
    int ladder_step, ladder_round;
    int64_t ladder_base; /* -1: on none */
};

struct o_route {
    int want, receiver, by;
    int64_t wait, interval, repeat;
    bool go_on;
    int parent; /* -1: the root */
    const struct interval *mute;
};

struct o_told {
    bool there, over;
    unsigned firing, resolved;
    int64_t time;
};

struct o_group {
    bool there;
    int route, name, instance; /* -1: not grouped by it */
    int64_t next;
    bool flushed;
    unsigned members;
};

/* What is remembered of a group outlives it. */
struct o_memory {
    int route, name, instance;
    struct o_told told;
    unsigned escalated[2]; /* of each step */
};

struct o_silence {
    int want;
    int64_t from, to;
    bool until_resolved;
};

struct oracle {
    struct o_alert alerts[ALERTS];
    struct o_route routes[ROUTES_MAX];
    int routes_n, source, target;
    bool equal_instance;
    int64_t step[2];
    int ladder_want, ladder_repeat;
    struct o_group groups[GROUPS_MAX];
    struct o_memory memory[GROUPS_MAX];
    int groups_n, memory_n;
    struct o_silence silences[SILENCES_MAX];
    int silences_n;
    int64_t now;
    struct buf lines;
};

static bool o_silenced(const struct oracle *o, int a)
{
    for (int k = 0; k < o->silences_n; k++)
        if (o->now >= o->silences[k].from && o->now < o->silences[k].to &&
            WANT[o->silences[k].want].holds(a))
            return true;
    return false;
}

static bool o_inhibited(const struct oracle *o, int a)
{
    if (!WANT[o->target].holds(a))
        return false;
    for (int s = 0; s < ALERTS; s++) {
        if (!o->alerts[s].firing || !WANT[o->source].holds(s))
            continue;
        if (o->equal_instance && s % INSTANCES != a % INSTANCES)
            continue;
        if (WANT[o->source].holds(a) && WANT[o->target].holds(s))
            continue;
        return true;
    }
    return false;
}

static struct o_memory *o_remember(struct oracle *o, const struct o_group *g)
{
    for (int k = 0; k < o->memory_n; k++)
        if (o->memory[k].route == g->route && o->memory[k].name == g->name &&
            o->memory[k].instance == g->instance)
            return &o->memory[k];
    assert_true(o->memory_n < GROUPS_MAX);
    o->memory[o->memory_n] =
        (struct o_memory){.route = g->route, .name = g->name, .instance = g->instance};
    return &o->memory[o->memory_n++];
}

/* By instance, then by name: the labels have the same names in all. */
static void o_put(struct oracle *o, unsigned members, unsigned firing)
{
    for (int i = 0; i < INSTANCES; i++)
        for (int n = 0; n < NAMES; n++) {
            int a = n * INSTANCES + i;
            if (members >> a & 1)
                buf_printf(&o->lines, " %s/%d%s", NAME[n], i + 1, firing >> a & 1 ? "" : "(r)");
        }
    buf_put_c(&o->lines, '\n');
}

static void o_say(struct oracle *o, int receiver, const char *reason)
{
    const char *name = RECEIVER[receiver];
    buf_printf(&o->lines, "%lld %s %s:", (long long)o->now, name + (name[0] == '!'), reason);
}

static bool o_leaf_routes(const struct oracle *o, int route, int a, int *v, int *n)
{
    bool any = false;
    if (!WANT[o->routes[route].want].holds(a))
        return false;
    for (int k = 0; k < o->routes_n; k++) {
        if (o->routes[k].parent != route || k == route)
            continue;
        bool taken = o_leaf_routes(o, k, a, v, n);
        any = any || taken;
        if (taken && !o->routes[k].go_on)
            break;
    }
    if (!any)
        v[(*n)++] = route;
    return true;
}

static struct o_group *o_group(struct oracle *o, int route, int a)
{
    int by = o->routes[route].by;
    int name = by & (BY_ALERTNAME | BY_ALL) ? a / INSTANCES : -1;
    int instance = by & (BY_INSTANCE | BY_ALL) ? a % INSTANCES : -1;
    /* Everything: also the severity, which name and instance decide. */
    for (int k = 0; k < o->groups_n; k++) {
        struct o_group *g = &o->groups[k];
        if (g->there && g->route == route && g->name == name && g->instance == instance)
            return g;
    }
    assert_true(o->groups_n < GROUPS_MAX);
    struct o_group *g = &o->groups[o->groups_n++];
    *g = (struct o_group){.there = true,
                          .route = route,
                          .name = name,
                          .instance = instance,
                          .next = o->now + o->routes[route].wait};
    return g;
}

static void o_insert(struct oracle *o, int a)
{
    int v[ROUTES_MAX], n = 0;
    (void)o_leaf_routes(o, 0, a, v, &n);
    for (int k = 0; k < n; k++) {
        if (!o->alerts[a].firing && o->alerts[a].gone >> v[k] & 1)
            continue;
        struct o_group *g = o_group(o, v[k], a);
        g->members |= 1U << a;
        if (!g->flushed && o->alerts[a].starts + o->routes[v[k]].wait < o->now)
            g->next = MIN(g->next, o->now);
    }
}

static void o_resolve(struct oracle *o, int a)
{
    o->alerts[a].firing = false;
    o->alerts[a].over = o->now;
    o->alerts[a].ladder_base = -1;
    for (int k = 0; k < o->silences_n; k++) {
        struct o_silence *s = &o->silences[k];
        bool holds = false;
        if (!s->until_resolved || o->now < s->from || o->now >= s->to || !WANT[s->want].holds(a))
            continue;
        for (int other = 0; other < ALERTS; other++)
            holds = holds || (o->alerts[other].firing && WANT[s->want].holds(other));
        if (!holds)
            s->to = -o->now - 1; /* when this moment's alerts have all been taken: below */
    }
}

static void o_climb(struct oracle *o, int a)
{
    o->alerts[a].ladder_base = WANT[o->ladder_want].holds(a) ? o->now : -1;
    o->alerts[a].ladder_step = o->alerts[a].ladder_round = 0;
}

static void o_post(struct oracle *o, int a, int64_t starts, int64_t ends)
{
    struct o_alert *v = &o->alerts[a];
    bool timeout = false;
    if (starts < 0)
        starts = ends ? ends : o->now;
    if (ends == 0) {
        ends = o->now + 300;
        timeout = true;
    }
    if (v->known &&
        ((ends > v->starts && ends < v->ends) || (starts > v->starts && starts < v->ends))) {
        starts = MIN(starts, v->starts);
        if (ends <= o->now && v->ends <= o->now)
            ends = MAX(ends, v->ends);
        else if (ends > o->now && !v->timeout)
            ends = MAX(ends, v->ends);
    }
    bool was = v->known && v->firing, old = v->known && !v->firing && ends <= o->now;
    v->known = true;
    v->starts = starts;
    v->ends = ends;
    v->timeout = timeout;
    if (ends > o->now && !was) {
        v->firing = true;
        v->since = o->now;
        v->acked = false;
        v->gone = 0;
        o_climb(o, a);
    } else if (ends <= o->now && was) {
        o_resolve(o, a);
    }
    if (!old)
        o_insert(o, a);
}

static const char *o_decide(const struct oracle *o, const struct o_route *r, const struct o_told *t,
                            unsigned firing, unsigned resolved, int64_t tick)
{
    bool sends = RECEIVER[r->receiver][0] != '!';
    unsigned open = 0;
    for (int a = 0; a < ALERTS; a++)
        if (firing >> a & 1 && !o->alerts[a].acked)
            open |= 1U << a;
    if (!t->there)
        return open ? "first notification" : NULL;
    for (int a = 0; a < ALERTS; a++) {
        bool flap = o->alerts[a].over > 0 && o->alerts[a].since - o->alerts[a].over < r->interval;
        if (open >> a & 1 && (!(t->firing >> a & 1) || (t->over && !flap)))
            return "new alerts in group";
    }
    if (firing == 0)
        return t->firing && !t->over ? "all alerts resolved" : NULL;
    if (sends && resolved & ~t->resolved)
        return "new resolved alerts";
    return open && tick - t->time >= r->repeat ? "repeat interval elapsed" : NULL;
}

static void o_tell(struct oracle *o, const struct o_group *g, unsigned firing, unsigned resolved,
                   int64_t tick)
{
    const struct o_route *r = &o->routes[g->route];
    struct o_told *t = &o_remember(o, g)->told;
    bool sends = RECEIVER[r->receiver][0] != '!';
    if (t->there && tick >= t->time + 2 * r->repeat)
        t->there = false;
    const char *reason = o_decide(o, r, t, firing, resolved, tick);
    if (reason == NULL)
        return;
    if (reason[0] == 'a' && !sends) {
        t->over = true;
        return;
    }
    unsigned shown = firing | (sends ? resolved : 0);
    for (int a = 0; a < ALERTS; a++)
        if (strcmp(reason, "repeat interval elapsed") == 0 && o->alerts[a].acked && firing >> a & 1)
            shown &= ~(1U << a);
    o_say(o, r->receiver, reason);
    o_put(o, shown, firing);
    *t = (struct o_told){.there = true, .firing = firing, .resolved = resolved, .time = tick};
}

static void o_tell_next(struct oracle *o, const struct o_group *g, unsigned resolved, int step)
{
    struct o_memory *m = o_remember(o, g);
    unsigned over = m->escalated[step] & resolved;
    for (int a = 0; a < ALERTS; a++)
        if (g->members >> a & 1 && !o->alerts[a].firing)
            m->escalated[step] &= ~(1U << a);
    if (over == 0)
        return;
    if (o->routes[g->route].receiver == NEXT[step])
        return;
    o_say(o, NEXT[step], m->escalated[step] ? "new resolved alerts" : "all alerts resolved");
    o_put(o, m->escalated[step] | over, m->escalated[step]);
}

static void o_flush(struct oracle *o, struct o_group *g)
{
    const struct o_route *r = &o->routes[g->route];
    int64_t tick = g->next;
    unsigned firing = 0, resolved = 0;
    g->next = tick + r->interval;
    g->flushed = true;
    bool mute = r->mute && interval_holds(r->mute, (o->now + BED_START_S) * 1000);
    for (int a = 0; a < ALERTS; a++)
        if (g->members >> a & 1 && !mute && !o_inhibited(o, a) && !o_silenced(o, a)) {
            if (o->alerts[a].firing)
                firing |= 1U << a;
            else
                resolved |= 1U << a;
        }
    if (firing | resolved)
        o_tell(o, g, firing, resolved, tick);
    for (int step = 0; step < 2; step++)
        o_tell_next(o, g, resolved, step);
    for (int a = 0; a < ALERTS; a++)
        if (g->members >> a & 1 && !o->alerts[a].firing) {
            g->members &= ~(1U << a);
            o->alerts[a].gone |= 1U << g->route;
        }
    g->there = g->members != 0;
}

/* ---- ladders */

static void o_step(struct oracle *o, unsigned due, int step)
{
    while (due) {
        int first = __builtin_ctz(due), v[ROUTES_MAX], n = 0;
        (void)o_leaf_routes(o, 0, first, v, &n);
        struct o_group *g = o_group(o, v[0], first);
        unsigned told = 0;
        for (int a = 0; a < ALERTS; a++)
            if (due >> a & 1 && g->members >> a & 1) {
                int w[ROUTES_MAX], m = 0;
                (void)o_leaf_routes(o, 0, a, w, &m);
                if (w[0] == v[0])
                    told |= 1U << a;
            }
        o_say(o, NEXT[step], "not acknowledged");
        o_put(o, told, told);
        o_remember(o, g)->escalated[step] |= told;
        due &= ~told;
    }
}

/* Steps that are due; of each time a message of its own. */
static void o_ladders(struct oracle *o)
{
    for (bool more = true; more;) {
        more = false;
        for (int step = 0; step < 2; step++) {
            unsigned due = 0;
            for (int a = 0; a < ALERTS; a++) {
                struct o_alert *v = &o->alerts[a];
                if (!v->firing || v->acked || v->ladder_base < 0 || v->ladder_step != step ||
                    v->ladder_base + o->step[step] > o->now)
                    continue;
                if (o_silenced(o, a) || o_inhibited(o, a)) {
                    v->ladder_base = o->now;
                    v->ladder_step = v->ladder_round = 0;
                    continue;
                }
                due |= 1U << a;
            }
            o_step(o, due, step);
            for (int a = 0; a < ALERTS; a++) {
                struct o_alert *v = &o->alerts[a];
                if (!(due >> a & 1))
                    continue;
                more = true;
                v->ladder_step++;
                if (v->ladder_step == 2 && v->ladder_round < o->ladder_repeat) {
                    v->ladder_round++;
                    v->ladder_step = 0;
                    v->ladder_base += o->step[1];
                }
            }
        }
    }
}

static void o_second(struct oracle *o)
{
    for (int a = 0; a < ALERTS; a++)
        if (o->alerts[a].firing && o->alerts[a].ends <= o->now)
            o_resolve(o, a);
    for (int k = 0; k < o->silences_n; k++) {
        struct o_silence *s = &o->silences[k];
        if (s->to >= 0)
            continue;
        bool holds = false; /* another may fire by now */
        for (int other = 0; other < ALERTS; other++)
            holds = holds || (o->alerts[other].firing && WANT[s->want].holds(other));
        s->to = holds ? INT64_MAX : o->now;
    }
    for (bool more = true; more;) {
        more = false;
        for (int k = 0; k < o->groups_n; k++)
            if (o->groups[k].there && o->groups[k].next <= o->now) {
                o_flush(o, &o->groups[k]);
                more = true;
            }
    }
    o_ladders(o);
}

/* ---- random plans */

struct made {
    struct plan_route routes[ROUTES_MAX];
    struct plan_inhibit inhibit;
    struct str equal[1];
    struct plan_escalation ladder;
    struct plan_step steps[2];
    const struct interval *mute[ROUTES_MAX];
    struct interval interval;
};

static void make_route(struct bed *b, struct oracle *o, struct made *m, struct rand *r, int k)
{
    static const char *const NONE[] = {NULL}, *const BOTH[] = {"alertname", "instance", NULL};
    struct o_route *w = &o->routes[k];
    *w = (struct o_route){.want = k ? (int)rand_below(r, COUNTOF(WANT)) : 0,
                          .receiver = (int)rand_below(r, RECEIVERS),
                          .by = (int)rand_below(r, 5),
                          .wait = (int64_t)rand_below(r, 4) * 10,
                          .interval = 20 + (int64_t)rand_below(r, 5) * 20,
                          .go_on = rand_below(r, 2),
                          .parent = k ? (int)rand_below(r, k > 2 ? 2 : (uint64_t)k) : -1};
    w->repeat = w->interval * (2 + (int64_t)rand_below(r, 5)) + (int64_t)rand_below(r, 2) * 7;
    const char *const *by = w->by == 0              ? NONE
                            : w->by & BY_ALL        ? NONE
                            : w->by == BY_ALERTNAME ? BOTH
                            : w->by == BY_INSTANCE  ? BOTH + 1
                                                    : BOTH;
    struct plan_route *p = &m->routes[k];
    const char *name = RECEIVER[w->receiver];
    *p = bed_route(name + (name[0] == '!'), by);
    p->group_by_n = w->by == BY_ALERTNAME ? 1 : p->group_by_n;
    p->group_by_all = w->by & BY_ALL;
    p->group_wait_ms = w->wait * 1000;
    p->group_interval_ms = w->interval * 1000;
    p->repeat_interval_ms = w->repeat * 1000;
    p->go_on = w->go_on;
    p->matchers = bed_match(b, k ? WANT[w->want].matchers : "");
    p->id = p->key = arena_printf(&b->plan.arena, "route %d", k);
    if (rand_below(r, 5) == 0) {
        m->mute[k] = w->mute = &m->interval;
        p->mute = &m->mute[k];
        p->mute_n = 1;
    }
}

/* Children of one parent stand behind one another in memory: their order is that of numbers. */
static void link_routes(struct bed *b, const struct oracle *o, struct made *m, int k)
{
    struct plan_route *v = arena_array(&b->plan.arena, ROUTES_MAX, sizeof *v);
    size_t n = 0;
    for (int c = o->routes_n - 1; c > k; c--)
        if (o->routes[c].parent == k)
            link_routes(b, o, m, c);
    for (int c = k + 1; c < o->routes_n; c++)
        if (o->routes[c].parent == k)
            v[n++] = m->routes[c];
    m->routes[k].routes = v;
    m->routes[k].routes_n = n;
}

static void make_plan(struct bed *b, struct oracle *o, struct made *m, struct rand *r)
{
    const struct yaml_node *node;
    struct yaml_place place;
    assert_int_equal(yaml_parse(STR("- times: [{start_time: '22:20', end_time: '22:27'}]"),
                                &b->plan.arena, &node, NULL, NULL),
                     0);
    assert_int_equal(interval_read(node, &b->plan.arena, &m->interval, &place, NULL), 0);
    m->interval.name = STR("pause");
    o->routes_n = 1 + (int)rand_below(r, ROUTES_MAX - 1);
    for (int k = 0; k < o->routes_n; k++)
        make_route(b, o, m, r, k);
    link_routes(b, o, m, 0);
    b->plan.root = &m->routes[0];
    o->source = (int)rand_below(r, COUNTOF(WANT));
    o->target = (int)rand_below(r, COUNTOF(WANT));
    o->equal_instance = rand_below(r, 2);
    m->equal[0] = STR("instance");
    m->inhibit = (struct plan_inhibit){.source = bed_match(b, WANT[o->source].matchers),
                                       .target = bed_match(b, WANT[o->target].matchers),
                                       .equal = m->equal,
                                       .equal_n = o->equal_instance};
    b->plan.inhibits = &m->inhibit;
    b->plan.inhibits_n = 1;
    o->step[0] = 50 + (int64_t)rand_below(r, 100);
    o->step[1] = o->step[0] + 30 + (int64_t)rand_below(r, 100);
    o->ladder_want = (int)rand_below(r, COUNTOF(WANT));
    o->ladder_repeat = (int)rand_below(r, 3);
    m->steps[0] = (struct plan_step){o->step[0] * 1000, STR("boss")};
    m->steps[1] = (struct plan_step){o->step[1] * 1000, STR("r1")};
    m->ladder = (struct plan_escalation){.name = STR("ladder"),
                                         .match = bed_match(b, WANT[o->ladder_want].matchers),
                                         .steps = m->steps,
                                         .n = 2,
                                         .repeat = o->ladder_repeat};
    b->plan.escalations = &m->ladder;
    b->plan.escalations_n = 1;
    b->plan.receivers = bed_receivers(b, RECEIVER, RECEIVERS);
    b->plan.receivers_n = RECEIVERS;
    b->plan.resolve_timeout_ms = 300000;
}

/* ---- random histories */

static void labels_of(int a, char ret[64])
{
    snprintf(ret, 64, "alertname=%s,instance=%d,severity=%s", NAME[a / INSTANCES],
             a % INSTANCES + 1, is_critical(a) ? "critical" : "warning");
}

static void add_silence(struct bed *b, struct oracle *o, struct rand *r)
{
    int want = (int)rand_below(r, COUNTOF(WANT));
    int64_t s = 30 + (int64_t)rand_below(r, 200);
    bool until = rand_below(r, 3) == 0;
    if (o->silences_n == SILENCES_MAX || want == 2) /* not critical: holds the empty string */
        return;
    if (until)
        s = 90000;
    (void)bed_silence(b, WANT[want].matchers, s, until);
    o->silences[o->silences_n++] = (struct o_silence){want, o->now, o->now + s, until};
}

static void act(struct bed *b, struct oracle *o, struct rand *r)
{
    char labels[64];
    int a = (int)rand_below(r, ALERTS);
    struct o_alert *v = &o->alerts[a];
    labels_of(a, labels);
    switch (rand_below(r, 10)) {
    case 0:
        add_silence(b, o, r);
        break;
    case 1:
        if (!v->known || !v->firing)
            break;
        bed_act(b, labels, v->acked ? ALERT_UNACKNOWLEDGE : ALERT_ACKNOWLEDGE, "anna", "");
        v->acked = !v->acked;
        if (v->acked)
            v->ladder_base = -1;
        else
            o_climb(o, a);
        break;
    case 2:
    case 3: {
        int64_t ago = (int64_t)rand_below(r, 60); /* began before */
        int64_t ends = o->now + 20 + (int64_t)rand_below(r, 300);
        bed_post(b, labels, o->now - ago, ends);
        o_post(o, a, o->now - ago, ends);
        break;
    }
    case 4:
    case 5:
    case 6:
        bed_post(b, labels, -1, 0);
        o_post(o, a, -1, 0);
        break;
    default:
        bed_post(b, labels, o->now - 1, o->now);
        o_post(o, a, o->now - 1, o->now);
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines sorted: what is told in one second may come in any order. */
static void sort_lines(struct buf *b)
{
    struct {
        char **v;
        size_t n, capacity;
    } lines = {0};
    struct buf out;
    buf_init(&out, BED_TEXT_MAX);
    struct str rest = buf_str(b), one;
    while (rest.n && str_split(&rest, '\n', &one))
        if (one.n)
            vec_push(&lines, mem_text(one.p, one.n));
    if (lines.n)
        qsort(lines.v, lines.n, sizeof *lines.v, compare_lines);
    for (size_t k = 0; k < lines.n; k++) {
        buf_printf(&out, "%s\n", lines.v[k]);
        mem_free(lines.v[k]);
    }
    vec_free(&lines);
    buf_clear(b);
    buf_put_str(b, buf_str(&out));
    buf_put_c(b, '\0');
    buf_done(&out);
}

/* The order of alerts in one message is the engine's own business when boss hears of an end. */
static void sort_words(struct buf *b)
{
    struct buf out;
    buf_init(&out, BED_TEXT_MAX);
    struct str rest = buf_str(b), line, word;
    while (rest.n && str_split(&rest, '\n', &line)) {
        char *words[ALERTS + 1];
        size_t n = 0, colon = str_find(line, ':');
        buf_put_str(&out, str_sub(line, 0, colon));
        struct str tail = str_sub(line, colon + 1, line.n);
        while (str_word(&tail, &word) && n < COUNTOF(words))
            words[n++] = mem_text(word.p, word.n);
        if (n)
            qsort(words, n, sizeof *words, compare_lines);
        for (size_t k = 0; k < n; k++) {
            buf_printf(&out, " %s", words[k]);
            mem_free(words[k]);
        }
        buf_put_c(&out, '\n');
    }
    buf_clear(b);
    buf_put_str(b, buf_str(&out));
    buf_done(&out);
}

static void to(struct bed *b, struct oracle *o, int64_t s, struct rand *chance)
{
    b->restarts = chance && rand_below(chance, 4) == 0;
    bed_until(b, s);
    while (o->now < s) {
        o->now++;
        o_second(o);
    }
}

static size_t live_once(uint64_t seed, bool restarts)
{
    struct rand r, chance;
    struct bed b = {0};
    struct oracle *o = mem_new(sizeof *o);
    struct made *m = mem_new(sizeof *m);
    rand_init(&r, seed);
    rand_init(&chance, seed);
    buf_init(&o->lines, BED_TEXT_MAX);
    make_plan(&b, o, m, &r);
    if (restarts)
        bed_open_at(&b);
    else
        bed_open_memory(&b);
    bed_up(&b);
    for (int k = 0; k < ALERTS; k++)
        o->alerts[k].ladder_base = -1;
    for (int k = 0; k < EVENTS; k++) {
        act(&b, o, &r);
        o_second(o);
        to(&b, o, o->now + (int64_t)rand_below(&r, 2 * SECONDS / EVENTS),
           restarts ? &chance : NULL);
    }
    to(&b, o, o->now + 700, NULL);
    size_t n = b.n;
    sort_words(&b.lines);
    sort_words(&o->lines);
    sort_lines(&b.lines);
    sort_lines(&o->lines);
    if (strcmp(b.lines.p, o->lines.p) != 0) {
        printf("seed %" PRIu64 "\n--- engine\n%s--- plainly\n%s", seed, b.lines.p, o->lines.p);
        fail_msg("seed %" PRIu64 ": not what the rules say", seed);
    }
    for (int k = 1; k < o->routes_n; k++)
        matcher_list_done(&m->routes[k].matchers);
    matcher_list_done(&m->inhibit.source);
    matcher_list_done(&m->inhibit.target);
    matcher_list_done(&m->ladder.match);
    bed_close(&b);
    buf_done(&o->lines);
    mem_free(o);
    mem_free(m);
    return n;
}

static uint64_t first_seed(void)
{
    const char *text = getenv("SONDE_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

static int histories(int fallback)
{
    const char *text = getenv("SONDE_HISTORIES");
    return text ? (int)strtol(text, NULL, 10) : fallback;
}

static void random_histories_are_told_as_the_rules_say(void **state)
{
    (void)state;
    size_t told = 0;
    for (int k = 0; k < histories(500); k++)
        told += live_once(first_seed() + (uint64_t)k, false);
    assert_true(told > 500);
}

static void an_engine_that_is_killed_again_and_again_tells_the_same(void **state)
{
    (void)state;
    for (int k = 0; k < histories(500) / 25; k++)
        (void)live_once(first_seed() + (uint64_t)k, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_are_told_as_the_rules_say),
        cmocka_unit_test(an_engine_that_is_killed_again_and_again_tells_the_same),
    };
    return cmocka_run_group_tests_name("alert against the rules", tests, NULL, NULL);
}
