#include "tool/notify_tool.h"

#include <stdio.h>
#include <string.h>

#include "alert/config/plan.h"
#include "base/vec.h"
#include "model/labels.h"
#include "notify/outbox.h"
#include "os/file.h"
#include "tool/arguments.h"
#include "tool/options.h"

enum { FILE_MAX = 16 << 20, TIMEOUT_MS = 60000 };

struct trial {
    struct arena arena;
    struct conf *conf;
    struct plan *plan;
    struct launcher *launcher;
    struct state *state;
    struct outbox *outbox;
    const char *receiver;
    struct message message;
};

static int fail(const char *text)
{
    fprintf(stderr, "sonde notify: %s\n", text);
    return 1;
}

/* ---- the configuration */

static int read_text(struct trial *t, const char *path, struct str *ret, struct why *why)
{
    struct buf b;
    buf_init(&b, FILE_MAX);
    int err = file_read(path, &b, why);
    if (!err)
        *ret = arena_str(&t->arena, buf_str(&b));
    buf_done(&b);
    return err;
}

static int read_plan(struct trial *t, const char *config, const char *alertmanager, struct why *why)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    int err = options_read_file(config, NULL, 0, &t->conf, &text);
    if (err)
        why_set(why, ERR_FORMAT, STR_FMT, STR_ARG(str_trim(buf_str(&text))));
    buf_done(&text);
    if (err)
        return err;
    struct plan_source source = {
        .yaml = STR(""),
        .file = "",
        .settings = conf_get(t->conf, &plan_options),
        .notify = conf_rows(t->conf, &notify_row_options),
        .escalations = conf_rows(t->conf, &plan_escalation_options),
    };
    const char *file = alertmanager ? alertmanager : source.settings->config_file;
    if (file[0]) {
        source.file = file;
        err = read_text(t, file, &source.yaml, why);
    }
    return err ? err : plan_read(&source, &t->plan, why);
}

/* ---- the message */

static int made_message(struct trial *t, bool resolved, struct why *why)
{
    struct label labels[] = {{STR("alertname"), STR("SondeTest")},
                             {STR("instance"), STR("test.example:9100")},
                             {STR("severity"), STR("info")}};
    struct label notes[] = {
        {STR("summary"), STR("This is a test: nothing is wrong")},
        {STR("description"), STR("Somebody has asked Sonde to try this receiver.")}};
    struct message_alert *alert = arena_new(&t->arena, sizeof *alert);
    struct buf key, annotations;
    buf_init(&key, LABELS_KEY_MAX);
    buf_init(&annotations, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, COUNTOF(labels), &key, why);
    if (!err)
        err = labels_encode_bare(notes, COUNTOF(notes), &annotations, why);
    int64_t now_ms = clock_wall_ms(&clock_real);
    *alert = (struct message_alert){
        .labels = arena_str(&t->arena, buf_str(&key)),
        .annotations = arena_str(&t->arena, buf_str(&annotations)),
        .starts_ms = now_ms - 60000,
        .ends_ms = resolved ? now_ms : 0,
        .resolved = resolved,
        .generator_url = t->plan->external_url,
    };
    alert->fingerprint = message_fingerprint(alert->labels);
    t->message = (struct message){
        .id = arena_printf(&t->arena, "test-%lld", (long long)now_ms),
        .group_key = STR("{}:{alertname=\"SondeTest\"}"),
        .group_labels = alert->labels,
        .reason = MESSAGE_TEST,
        .alerts = alert,
        .n = 1,
        .time_ms = now_ms,
        .external_url = t->plan->external_url,
    };
    buf_done(&key);
    buf_done(&annotations);
    return err;
}

static int read_message(struct trial *t, const char *path, struct why *why)
{
    struct str text;
    int err = read_text(t, path, &text, why);
    if (!err)
        err = message_decode(text, &t->arena, &t->message, why);
    return err;
}

/* ---- sending */

static const struct notify_integration *find(void *context, struct str receiver, struct str kind,
                                             uint32_t index)
{
    const struct trial *t = context;
    const struct plan_receiver *r = plan_receiver(t->plan, receiver);
    uint32_t at = 0;
    for (size_t i = 0; r && i < r->n; i++)
        if (str_eq(kind, str_c(r->integrations[i].notifier->kind)) && at++ == index)
            return &r->integrations[i];
    return NULL;
}

struct programs {
    struct launch_program *v;
    size_t n, capacity;
};

static void add_program(void *context, struct str name, const char *const *argv)
{
    struct programs *all = context;
    struct launch_program row = {.name = name.p, .argv = argv, .input = true};
    vec_push(all, row);
}

static int open_launcher(struct trial *t, struct why *why)
{
    struct programs all = {0};
    int fd, err = 0;
    plan_programs(t->plan, add_program, &all);
    if (all.n > 0) {
        err = launch_fork(all.v, all.n, &fd, why);
        if (!err)
            err = launch_open(fd, &t->launcher, why);
    }
    vec_free(&all);
    return err;
}

static int open_outbox(struct trial *t, struct why *why)
{
    int err = open_launcher(t, why); /* before there are threads */
    if (!err)
        err = state_open(":memory:", &t->state, why);
    struct outbox_config config = {
        .state = t->state,
        .clock = &clock_real,
        .launcher = t->launcher,
        .receivers = {find, t->plan->templates, t},
    };
    if (!err)
        err = outbox_new(&config, &t->outbox, why);
    if (!err)
        outbox_start(t->outbox);
    return err;
}

static int send_all(struct trial *t)
{
    const struct plan_receiver *r = plan_receiver(t->plan, str_c(t->receiver));
    int status = 0;
    struct why why = {0};
    if (!r)
        return fail("the configuration has no receiver of that name");
    if (r->n == 0)
        return fail("this receiver tells nobody: it has no integration");
    if (open_outbox(t, &why) != 0)
        return fail(why.text);
    for (size_t i = 0; i < r->n; i++) {
        struct message m = t->message;
        m.receiver = r->name;
        m.kind = str_c(r->integrations[i].notifier->kind);
        for (size_t k = 0; k < i; k++)
            m.index += r->integrations[k].notifier == r->integrations[i].notifier;
        int err = outbox_test(t->outbox, &m, TIMEOUT_MS, &why);
        printf("%s %s[%u]: %s\n", t->receiver, r->integrations[i].notifier->kind, m.index,
               err ? why.text : "told");
        status |= err != 0;
    }
    return status;
}

static int run(struct trial *t, const char *config, const char *alertmanager, const char *message,
               bool resolved)
{
    struct why why = {0};
    int err = read_plan(t, config, alertmanager, &why);
    if (!err)
        err = message ? read_message(t, message, &why) : made_message(t, resolved, &why);
    return err ? fail(why.text) : send_all(t);
}

int notify_tool_run(int argc, char **argv)
{
    struct arguments a;
    if (!arguments_init(&a, argc, argv))
        return 2;
    const char *config = arguments_value(&a, "config");
    const char *alertmanager = arguments_value(&a, "alertmanager");
    const char *message = arguments_value(&a, "message");
    bool resolved = arguments_flag(&a, "resolved");
    const char *what = arguments_word(&a), *receiver = arguments_word(&a);
    if (!arguments_end(&a, "notify"))
        return 2;
    if (!what || strcmp(what, "test") != 0 || !receiver || (!config && !alertmanager)) {
        fprintf(stderr, "sonde notify: say what: sonde notify test RECEIVER --config sonde.toml\n");
        return 2;
    }
    struct trial t = {.receiver = receiver};
    arena_init(&t.arena);
    int status = run(&t, config, alertmanager, message, resolved);
    outbox_free(t.outbox);
    state_close(t.state);
    launch_close(t.launcher);
    plan_free(t.plan);
    conf_free(t.conf);
    arena_done(&t.arena);
    return status;
}
