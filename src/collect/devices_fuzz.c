/* Any bytes as one of the kernel's files: the first byte picks the collector, the rest is the file.
 * Each is run twice, so that the order of series that the emitter has learnt is used too. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collect/collector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct collector_ops *const OPS[] = {
    &buddyinfo_collector, &cgroups_collector,    &drbd_collector, &interrupts_collector,
    &mdadm_collector,     &mountstats_collector, &nfs_collector,  &nfsd_collector,
    &slabinfo_collector,  &swap_collector,       &xfrm_collector, &zoneinfo_collector,
};

static char root[] = "/tmp/sonde-fuzz-XXXXXX";

/* The file of a collector below root, with its folders. */
static void put(const char *file, const uint8_t *data, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, file);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        (void)mkdir(path, 0700); /* there from the input before */
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    if (!f)
        abort();
    fwrite(data, 1, n, f);
    fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool ready;
    static struct settings settings;
    if (!ready && !mkdtemp(root))
        abort();
    if (!ready)
        settings_default(&settings);
    ready = true;
    if (n < 1)
        return 0;
    const struct collector_ops *ops = OPS[data[0] % COUNTOF(OPS)];
    const struct collector_host host = {.proc = root,
                                        .sys = root,
                                        .cgroup = root,
                                        .root = root,
                                        .clock = &clock_real,
                                        .settings = &settings};
    put(ops->file, data + 1, n - 1);
    struct emit e;
    struct why why = {0};
    void *state = NULL;
    emit_init(&e, STR("node"), STR("host"));
    if (collector_open(ops, &host, &state, &why))
        abort();
    for (int i = 0; i < 2; i++) {
        emit_begin(&e);
        (void)ops->run(state, &host, &e, &why); /* any answer but a crash */
        emit_end(&e);
    }
    collector_close(ops, state);
    emit_done(&e);
    return 0;
}
