/* The collectors of processes and cgroups against a made-up /proc and cgroup tree. */
#include "collect/fixture_test.h"

/* ---- processes */

static void put_process(int pid, const char *comm, char letter, int user, int threads, int start,
                        int pages)
{
    char name[64], text[512];
    snprintf(name, sizeof name, "proc/%d/stat", pid);
    snprintf(text, sizeof text,
             "%d (%s) %c 1 1 1 0 -1 0 11 0 2 0 %d 50 0 0 20 0 %d 0 %d 8192 %d 18446744073709551615 "
             "1\n",
             pid, comm, letter, user, threads, start, pages);
    put(name, text);
}

static void processes_are_counted_by_state(void **state)
{
    (void)state;
    put("proc/sys/kernel/pid_max", "32768\n");
    put_process(1, "init", 'S', 1, 1, 5, 10);
    put_process(20, "a) R (b", 'S', 1, 2, 5, 10);
    put_process(30, "zombie", 'Z', 1, 1, 5, 0);
    put("proc/20/task/20/stat", "20 (a) S 1 1 1 0 -1 0 1 0 2 0 3 50 0 0 20 0 2 0 1 1 1 1\n");
    put("proc/20/task/21/stat", "21 (a) R 1 1 1 0 -1 0 1 0 2 0 3 50 0 0 20 0 2 0 1 1 1 1\n");
    put("proc/40/stat", "40 (cut off");
    put("proc/50/status", "vanished while it was looked at\n");
    put("proc/kernel/stat", "1 (no) R 1\n");
    assert_collects(&processes_collector,
                    "node_processes_pids 3\nnode_processes_threads 4\n"
                    "node_processes_state{state=\"S\"} 2\nnode_processes_state{state=\"Z\"} 1\n"
                    "node_processes_threads_state{thread_state=\"R\"} 1\n"
                    "node_processes_threads_state{thread_state=\"S\"} 2\n"
                    "node_processes_threads_state{thread_state=\"Z\"} 1\n"
                    "node_processes_max_processes 32768\n");
}

static void the_top_lists_show_who_works_and_who_is_large(void **state)
{
    (void)state;
    struct use u;
    settings.process_top_n = 1;
    long page = sysconf(_SC_PAGESIZE);
    for (int pid = 10; pid < 20; pid++)
        put_process(pid, "idle", 'S', 100, 1, pid, 1);
    put_process(15, "large", 'S', 100, 1, 15, 1000);
    put_process(16, "busy", 'R', 100, 1, 16, 1);
    use_open(&u, &topprocess_collector);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.n, 2); /* nobody has a rate yet */
    clock_manual_pass(&hand, 2000);
    put_process(16, "busy", 'R', 100 + (int)sysconf(_SC_CLK_TCK), 1, 16, 1);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "sonde_process_cpu_ratio{pid=\"16\",comm=\"busy\",group=\"\"}") ==
                0.5);
    assert_true(value_of(&u, "sonde_process_resident_memory_bytes{pid=\"15\",comm=\"large\",group="
                             "\"\"}") == 1000.0 * (double)page);
    /* The number 16 for another process: no rate out of both, and one series ends. */
    clock_manual_pass(&hand, 2000);
    put_process(16, "next", 'R', 5, 1, 999, 1);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.emitted, 2);
    assert_false(has(&u, "sonde_process_cpu_ratio{pid=\"16\",comm=\"busy\",group=\"\"}"));
    use_close(&u);
}

static void a_process_that_sleeps_is_left_alone_for_four_seconds(void **state)
{
    (void)state;
    struct process *v;
    size_t n;
    struct why why = {0};
    static const struct {
        int64_t pass_ms;
        uint64_t user;
    } steps[] = {{1000, 7}, {1000, 7}, {1000, 7}, {3000, 9}, {1000, 9}};
    put_process(10, "sleeper", 'S', 7, 1, 10, 1);
    for (size_t i = 0; i < COUNTOF(steps); i++) {
        if (i == 2) /* by then it is known to be idle */
            put_process(10, "sleeper", 'R', 9, 1, 10, 1);
        clock_manual_pass(&hand, steps[i].pass_ms);
        assert_int_equal(process_table_acquire(host.processes, &v, &n, &why), 0);
        assert_int_equal(n, 1);
        assert_int_equal(v[0].user, steps[i].user);
        process_table_release(host.processes);
    }
}

static void a_group_adds_up_its_members_and_keeps_what_the_dead_used(void **state)
{
    (void)state;
    struct use u;
    const char *names[] = {"db"};
    struct settings_group groups[] = {
        {.name = "database", .comm = {names, 1}, .comm_regex = "", .cmdline_regex = ""},
        {.name = "java", .comm = {NULL, 0}, .comm_regex = "", .cmdline_regex = ".*-jar app.*"},
    };
    struct why why = {0};
    settings.groups = (struct option_rows){groups, 2};
    assert_int_equal(settings_check(&settings, &why), 0);
    process_table_free(host.processes);
    host.processes = process_table_new(&host);
    put("proc/stat", "btime 1000\n");
    put_process(5, "db", 'S', 200, 3, 100, 10);
    put_process(6, "db", 'D', 300, 1, 50, 20);
    put_process(7, "java", 'S', 700, 9, 50, 20);
    put_bytes("proc/7/cmdline", "java\0-jar\0app.jar\0", 18);
    put("proc/5/status", "Name:\tdb\nVmSwap:\t4 kB\nvoluntary_ctxt_switches:\t10\n"
                         "nonvoluntary_ctxt_switches:\t3\n");
    put("proc/5/io", "rchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\n");
    put("proc/5/limits",
        "Limit    Soft Limit  Hard Limit  Units\nMax open files    100   200  files\n");
    put("proc/5/fd/0", "");
    put("proc/5/fd/1", "");
    use_open(&u, &processgroup_collector);
    assert_int_equal(use_run(&u), 0);
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
#define DB(name)         "namedprocess_namegroup_" name "{groupname=\"database\"}"
#define DB2(name, label) "namedprocess_namegroup_" name "{groupname=\"database\"," label "}"
    assert_true(value_of(&u, DB("num_procs")) == 2);
    assert_true(value_of(&u, DB("num_threads")) == 4);
    assert_near(value_of(&u, DB2("cpu_seconds_total", "mode=\"user\"")), 500 * tick);
    assert_near(value_of(&u, DB2("memory_bytes", "memtype=\"resident\"")),
                30.0 * (double)sysconf(_SC_PAGESIZE));
    assert_true(value_of(&u, DB2("memory_bytes", "memtype=\"swapped\"")) == 4096);
    assert_true(value_of(&u, DB("open_filedesc")) == 2);
    assert_near(value_of(&u, DB("worst_fd_ratio")), 0.02);
    assert_true(value_of(&u, DB("write_bytes_total")) == 8192);
    assert_true(value_of(&u, DB2("context_switches_total", "ctxswitchtype=\"voluntary\"")) == 10);
    assert_near(value_of(&u, DB("oldest_start_time_seconds")), 1000 + 50 * tick);
    assert_true(value_of(&u, DB2("states", "state=\"Waiting\"")) == 1);
    assert_true(value_of(&u, "namedprocess_namegroup_num_procs{groupname=\"java\"}") == 1);

    char path[512];
    snprintf(path, sizeof path, "%s/6", proc);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    clock_manual_pass(&hand, 5000);
    put_process(5, "db", 'S', 210, 3, 100, 10);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, DB("num_procs")) == 1);
    assert_near(value_of(&u, DB2("cpu_seconds_total", "mode=\"user\"")), 510 * tick);
    use_close(&u);
    settings.groups = (struct option_rows){0};
}

/* ---- cgroups */

static void cgroups_v2_are_read_down_to_the_container(void **state)
{
    (void)state;
    struct use u;
#define DOCKER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SCOPE  "/system.slice/docker-" DOCKER ".scope"
    put("cgroup/cgroup.controllers", "cpu memory io pids\n");
    put("cgroup/cpu.stat", "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\n");
    put("cgroup" SCOPE "/cpu.stat", "usage_usec 1500000\nnr_periods 10\nnr_throttled 2\n"
                                    "throttled_usec 250000\n");
    put("cgroup" SCOPE "/cpu.max", "50000 100000\n");
    put("cgroup" SCOPE "/memory.current", "1000000\n");
    put("cgroup" SCOPE "/memory.max", "max\n");
    put("cgroup" SCOPE "/memory.stat",
        "anon 600000\nfile 300000\ninactive_file 250000\npgfault 7\n");
    put("cgroup" SCOPE "/memory.events", "low 0\nmax 4\noom 1\noom_kill 1\n");
    put("cgroup" SCOPE "/io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0\n9:9 \n");
    put("cgroup" SCOPE "/pids.current", "12\n");
    put("cgroup" SCOPE "/pids.max", "oops\n");
    put("cgroup" SCOPE "/cpu.pressure",
        "some avg10=0.00 total=1500000\nfull avg10=0 total=500000\n");
    put("var/lib/docker/containers/" DOCKER "/config.v2.json", "{\"ID\":1,\"Name\":\"/web\"}");
    use_open(&u, &cgroup_collector);
    assert_int_equal(use_run(&u), 0);
#define C(name)         "container_" name "{id=\"" SCOPE "\",name=\"web\"}"
#define C2(name, label) "container_" name "{id=\"" SCOPE "\",name=\"web\"," label "}"
    assert_true(value_of(&u, C2("cpu_usage_seconds_total", "cpu=\"total\"")) == 1.5);
    assert_true(value_of(&u, C("cpu_cfs_throttled_periods_total")) == 2);
    assert_true(value_of(&u, C("cpu_cfs_throttled_seconds_total")) == 0.25);
    assert_true(value_of(&u, C("spec_cpu_quota")) == 50000);
    assert_true(value_of(&u, C("memory_usage_bytes")) == 1000000);
    assert_true(value_of(&u, C("memory_working_set_bytes")) == 750000);
    assert_true(value_of(&u, C("spec_memory_limit_bytes")) == 0);
    assert_true(value_of(&u, C("oom_events_total")) == 1);
    assert_true(value_of(&u, C2("fs_writes_bytes_total", "device=\"8:0\"")) == 8192);
    assert_true(value_of(&u, C("threads")) == 12);
    assert_false(has(&u, C("threads_max")));
    assert_true(value_of(&u, C("pressure_cpu_waiting_seconds_total")) == 1.5);
    assert_true(value_of(&u, C("pressure_cpu_stalled_seconds_total")) == 0.5);
    assert_true(value_of(&u, "container_cpu_user_seconds_total{id=\"/\",name=\"\"}") == 3);
    char path[512];
    path_of("cgroup/system.slice", path);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(use_run(&u), 0);
    assert_false(has(&u, C("threads")));
    use_close(&u);
}

static void cgroups_v1_join_their_trees_by_path(void **state)
{
    (void)state;
    struct use u;
    assert_fails(&cgroup_collector, -ERR_NOENT);
    put("cgroup/cpu,cpuacct/app.service/cpuacct.usage", "2500000000\n");
    put("cgroup/cpu,cpuacct/app.service/cpu.cfs_quota_us", "-1\n");
    put("cgroup/memory/app.service/memory.usage_in_bytes", "4096\n");
    put("cgroup/memory/app.service/memory.limit_in_bytes", "9223372036854771712\n");
    put("cgroup/memory/app.service/memory.stat", "total_rss 1024\ntotal_inactive_file 8192\n");
    put("cgroup/blkio/app.service/blkio.throttle.io_service_bytes_recursive",
        "8:0 Read 100\n8:0 Write 200\nTotal 300\n");
    put("cgroup/unified/app.service/cpu.stat", "usage_usec 9\nuser_usec 1000000\n");
    use_open(&u, &cgroup_collector);
    assert_int_equal(use_run(&u), 0);
#define S(name)         "container_" name "{id=\"/app.service\",name=\"app.service\"}"
#define S2(name, label) "container_" name "{id=\"/app.service\",name=\"app.service\"," label "}"
    assert_true(value_of(&u, S2("cpu_usage_seconds_total", "cpu=\"total\"")) == 2.5);
    assert_true(value_of(&u, S("cpu_user_seconds_total")) == 1);
    assert_false(has(&u, S("spec_cpu_quota")));
    assert_true(value_of(&u, S("memory_working_set_bytes")) == 0);
    assert_true(value_of(&u, S("spec_memory_limit_bytes")) == 0);
    assert_true(value_of(&u, S2("fs_reads_bytes_total", "device=\"8:0\"")) == 100);
    use_close(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(processes_are_counted_by_state, prepare, clear),
        cmocka_unit_test_setup_teardown(the_top_lists_show_who_works_and_who_is_large, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(a_process_that_sleeps_is_left_alone_for_four_seconds,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(a_group_adds_up_its_members_and_keeps_what_the_dead_used,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(cgroups_v2_are_read_down_to_the_container, prepare, clear),
        cmocka_unit_test_setup_teardown(cgroups_v1_join_their_trees_by_path, prepare, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
