/* collect/fixture_test.h - a made-up host for the tests of collectors: a tree of files, a clock
 * that the test turns, and one collector in use on them. Included by tests only.
 *
 * Threads: one.
 */
#ifndef COLLECT_FIXTURE_TEST_H
#define COLLECT_FIXTURE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"
#include "collect/collector.h"
#include "collect/process.h"

static char root[] = "/tmp/sonde-collect-XXXXXX";
static char proc[64], sys[64], cgroup[64];
static struct settings settings;
static struct clock_manual hand;
static struct collector_host host;

/* ---- a tree of files */

UNUSED static void path_of(const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", root, name);
    for (char *p = out + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(out, 0755);
        *p = '/';
    }
}

UNUSED static void put_bytes(const char *name, const char *text, size_t n)
{
    char path[512];
    path_of(name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

UNUSED static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

UNUSED static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

UNUSED static int clear(void **state)
{
    (void)state;
    process_table_free(host.processes);
    host.processes = NULL;
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

UNUSED static int prepare(void **state)
{
    (void)state;
    memcpy(root + sizeof root - sizeof "XXXXXX", "XXXXXX", sizeof "XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(proc, sizeof proc, "%s/proc", root);
    snprintf(sys, sizeof sys, "%s/sys", root);
    snprintf(cgroup, sizeof cgroup, "%s/cgroup", root);
    mkdir(proc, 0755);
    mkdir(sys, 0755);
    settings_default(&settings);
    clock_manual_init(&hand, 1700000000123);
    clock_manual_pass(&hand, 1000);
    host = (struct collector_host){.proc = proc,
                                   .sys = sys,
                                   .cgroup = cgroup,
                                   .root = root,
                                   .clock = &hand.clock,
                                   .settings = &settings};
    host.processes = process_table_new(&host);
    return 0;
}

/* ---- one collector in use */

struct use {
    const struct collector_ops *ops;
    void *state;
    struct emit e;
    struct why why;
};

UNUSED static void use_open(struct use *u, const struct collector_ops *ops)
{
    *u = (struct use){.ops = ops};
    emit_init(&u->e, STR("node"), STR("host"));
    assert_int_equal(collector_open(ops, &host, &u->state, &u->why), 0);
}

UNUSED static int use_run(struct use *u)
{
    emit_begin(&u->e);
    int err = u->ops->run(u->state, &host, &u->e, &u->why);
    emit_end(&u->e);
    return err;
}

UNUSED static void use_close(struct use *u)
{
    collector_close(u->ops, u->state);
    emit_done(&u->e);
}

/* What the last run gave, in its order. */
UNUSED static void assert_given(const struct use *u, const char *wanted)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < u->e.n; i++)
        if (u->e.v[i]->run == u->e.run)
            buf_printf(&b, STR_FMT " %.15g\n", STR_ARG(u->e.v[i]->text), u->e.v[i]->value);
    buf_put_c(&b, 0);
    assert_string_equal(b.p, wanted);
    buf_done(&b);
}

UNUSED static void assert_collects(const struct collector_ops *ops, const char *wanted)
{
    struct use u;
    use_open(&u, ops);
    assert_int_equal(use_run(&u), 0);
    assert_given(&u, wanted);
    assert_int_equal(use_run(&u), 0); /* again, through the files that are open */
    assert_int_equal(u.e.changed, false);
    use_close(&u);
}

UNUSED static void assert_fails(const struct collector_ops *ops, int err)
{
    struct use u;
    use_open(&u, ops);
    assert_int_equal(use_run(&u), err);
    use_close(&u);
}

UNUSED static double value_of(const struct use *u, const char *text)
{
    for (size_t i = 0; i < u->e.n; i++)
        if (u->e.v[i]->run == u->e.run && str_eq(u->e.v[i]->text, str_c(text)))
            return u->e.v[i]->value;
    fail_msg("no series %s", text);
    return 0;
}

UNUSED static bool has(const struct use *u, const char *text)
{
    for (size_t i = 0; i < u->e.n; i++)
        if (u->e.v[i]->run == u->e.run && str_eq(u->e.v[i]->text, str_c(text)))
            return true;
    return false;
}

UNUSED static void assert_near(double value, double wanted)
{
    assert_true(value >= wanted - 1e-6 && value <= wanted + 1e-6);
}

#endif
