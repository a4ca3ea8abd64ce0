/* The collectors of devices against the made-up machine of tests/collect/devices.tree: every series
 * is as recorded in devices.expected (compare_devices.py holds the same against node_exporter), and
 * no file can do harm, whatever is in it. SONDE_RECORD=1 records anew. */
#include "collect/fixture_test.h"

static const struct {
    const char *name;
    const struct collector_ops *ops;
} OPS[] = {
#define ROW(name)                                                                                  \
    {                                                                                              \
#name, &name##_collector                                                                   \
    }
    ROW(bcache),
    ROW(bonding),
    ROW(btrfs),
    ROW(buddyinfo),
    ROW(cgroups),
    ROW(cpuinfo),
    ROW(dmi),
    ROW(dmmultipath),
    ROW(drbd),
    ROW(edac),
    ROW(fibrechannel),
    ROW(infiniband),
    ROW(interrupts),
    ROW(ipvs),
    ROW(kernel_hung),
    ROW(ksmd),
    ROW(lnstat),
    ROW(mdadm),
    ROW(meminfo_numa),
    ROW(mountstats),
    ROW(nfs),
    ROW(nfsd),
    ROW(nvme),
    ROW(pcidevice),
    ROW(rapl),
    ROW(selinux),
    ROW(slabinfo),
    ROW(softirqs),
    ROW(swap),
    ROW(sysctl),
    ROW(tapestats),
    ROW(watchdog),
    ROW(xfrm),
    ROW(xfs),
    ROW(zfs),
    ROW(zoneinfo),
    ROW(cpu_vulnerabilities),
};
static const char TREE[] = "tests/collect/devices.tree";
static const char EXPECTED[] = "tests/collect/devices.expected";
enum { TEXT_MAX = 1 << 20, FILES_MAX = 1000, MUTATIONS = 400 };

static const char *sysctl[] = {"fs.file-nr", "fs.file-nr:total,current,max", "kernel.threads-max"};
static const char *sysctl_info[] = {"kernel.seccomp.actions_avail"};

/* The files that a mutation can pick: [files_n], within tree. */
static char tree[TEXT_MAX];
static struct {
    struct str name, text;
} files[FILES_MAX];
static size_t files_n;

static size_t slurp(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f); /* run me in the root of the repository */
    size_t n = fread(out, 1, size - 1, f);
    fclose(f);
    assert_true(n > 0 && n < size - 1);
    out[n] = 0;
    return n;
}

/* "PATH -> TARGET" with the folder that it leads to. */
static void link_to(struct str head, size_t arrow)
{
    char name[512], path[512], target[512];
    snprintf(name, sizeof name, STR_FMT, (int)arrow, head.p);
    path_of(name, path);
    snprintf(target, sizeof target, STR_FMT, STR_ARG(str_sub(head, arrow + 4, head.n)));
    assert_int_equal(symlink(target, path), 0);
}

static void unpack(void)
{
    struct str rest = {tree, slurp(TREE, tree, sizeof tree)};
    files_n = 0;
    mkdir(proc, 0755);
    char path[512];
    path_of("proc/10/x", path);
    while (rest.n) {
        size_t line = str_find(rest, '\n');
        struct str head = str_sub(rest, 3, line), body = str_sub(rest, line + 1, rest.n);
        size_t end = str_starts(body, STR("== ")) ? 0 : str_search(body, STR("\n== "));
        size_t arrow = str_search(head, STR(" -> "));
        if (arrow < head.n) {
            link_to(head, arrow);
        } else {
            char name[512];
            snprintf(name, sizeof name, STR_FMT, STR_ARG(head));
            struct str text = str_sub(body, 0, end + 1);
            put_bytes(name, text.p, text.n);
            assert_true(files_n < FILES_MAX);
            files[files_n].name = head;
            files[files_n++].text = text;
        }
        bool at_once = str_starts(body, STR("== "));
        rest = at_once ? body : str_sub(body, end + 1, body.n);
    }
    settings.cpu_flags = "aes|avx.?";
    settings.cpu_bugs = "cpu_meltdown|spectre_.*|mds";
    settings.sysctl = (struct option_list){sysctl, COUNTOF(sysctl)};
    settings.sysctl_info = (struct option_list){sysctl_info, COUNTOF(sysctl_info)};
}

/* One collector's series, with ROOT for the place of the tree. */
static void print(const struct use *u, const char *name, struct buf *out)
{
    buf_printf(out, "# %s\n", name);
    for (size_t i = 0; i < u->e.n; i++) {
        const struct emit_series *s = u->e.v[i];
        size_t at = str_search(s->text, str_c(root));
        buf_put_str(out, str_sub(s->text, 0, at));
        if (at < s->text.n) {
            buf_put_str(out, STR("ROOT"));
            buf_put_str(out, str_sub(s->text, at + strlen(root), s->text.n));
        }
        buf_printf(out, " %s %.17g\n", metric_type_text(s->family->type), s->value);
    }
}

static void every_device_gives_the_series_that_are_recorded(void **state)
{
    (void)state;
    static char wanted[TEXT_MAX];
    struct buf b;
    buf_init(&b, TEXT_MAX);
    unpack();
    for (size_t i = 0; i < COUNTOF(OPS); i++) {
        struct use u;
        use_open(&u, OPS[i].ops);
        assert_int_equal(use_run(&u), 0);
        print(&u, OPS[i].name, &b);
        assert_true(u.e.n > 0);
        assert_int_equal(u.e.dropped, 0);
        assert_int_equal(use_run(&u), 0);
        assert_false(u.e.changed);
        use_close(&u);
    }
    buf_put_c(&b, 0);
    assert_false(buf_failed(&b));
    if (getenv("SONDE_RECORD")) {
        FILE *f = fopen(EXPECTED, "w");
        assert_non_null(f);
        fputs(b.p, f);
        fclose(f);
    }
    slurp(EXPECTED, wanted, sizeof wanted);
    assert_string_equal(b.p, wanted);
    buf_done(&b);
}

static void a_machine_without_devices_says_so_and_gives_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(OPS); i++) {
        struct use u;
        if (OPS[i].ops == &selinux_collector || OPS[i].ops == &sysctl_collector)
            continue; /* "off" is an answer; nothing is asked for */
        use_open(&u, OPS[i].ops);
        assert_int_equal(use_run(&u), -ERR_NOENT);
        assert_int_equal(u.e.n, 0);
        assert_true(u.why.text[0] != 0);
        use_close(&u);
    }
}

static void no_file_can_do_harm_whatever_is_in_it(void **state)
{
    (void)state;
    static const char BYTES[] = "0 9\n\t:/[]()-x=.,#\xff";
    static char text[TEXT_MAX];
    unsigned seed = 12345;
    unpack();
    for (int i = 0; i < MUTATIONS; i++) {
        size_t file = (size_t)rand_r(&seed) % files_n, n = files[file].text.n;
        char name[512];
        memcpy(text, files[file].text.p, n);
        for (int k = rand_r(&seed) % 8; k >= 0 && n > 0; k--)
            text[(size_t)rand_r(&seed) % n] = BYTES[(size_t)rand_r(&seed) % (sizeof BYTES - 1)];
        if (n > 0 && rand_r(&seed) % 3 == 0)
            n = (size_t)rand_r(&seed) % n;
        snprintf(name, sizeof name, STR_FMT, STR_ARG(files[file].name));
        put_bytes(name, text, n);
        struct use u;
        use_open(&u, OPS[(size_t)i % COUNTOF(OPS)].ops);
        (void)use_run(&u); /* any answer but a crash */
        use_close(&u);
    }
}

static void one_value_of_a_parameter_is_missing(void **state)
{
    (void)state;
    static const char *names[] = {"no.such-thing", "../../etc/passwd"};
    struct use u;
    settings.sysctl = (struct option_list){names, 1};
    use_open(&u, &sysctl_collector);
    assert_int_equal(use_run(&u), -ERR_IO);
    assert_non_null(strstr(u.why.text, "no.such-thing"));
    settings.sysctl = (struct option_list){names + 1, 1};
    put("etc/passwd", "7\n");
    assert_int_equal(use_run(&u), -ERR_IO); /* dots are slashes: there is no way up */
    use_close(&u);
}

static void a_dataset_may_have_blanks_in_its_name(void **state)
{
    (void)state;
    put("proc/spl/kstat/zfs/tank/objset-1",
        "23 1 0x01\nname type data\ndataset_name 7 tank/my  set\n"
        "nread 4 28\n");
    assert_collects(&zfs_collector,
                    "node_zfs_zpool_dataset_nread{zpool=\"tank\",dataset=\"tank/my  set\"} 28\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_device_gives_the_series_that_are_recorded, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(a_machine_without_devices_says_so_and_gives_nothing,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(no_file_can_do_harm_whatever_is_in_it, prepare, clear),
        cmocka_unit_test_setup_teardown(one_value_of_a_parameter_is_missing, prepare, clear),
        cmocka_unit_test_setup_teardown(a_dataset_may_have_blanks_in_its_name, prepare, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
