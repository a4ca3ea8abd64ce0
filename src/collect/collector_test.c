/* Every collector against a made-up /proc and /sys with exact values. */
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
#include <sys/utsname.h>
#include <unistd.h>

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

static void path_of(const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", root, name);
    for (char *p = out + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(out, 0755);
        *p = '/';
    }
}

static void put_bytes(const char *name, const char *text, size_t n)
{
    char path[512];
    path_of(name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int clear(void **state)
{
    (void)state;
    process_table_free(host.processes);
    host.processes = NULL;
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static int prepare(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
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

static void use_open(struct use *u, const struct collector_ops *ops)
{
    *u = (struct use){.ops = ops};
    emit_init(&u->e, STR("node"), STR("host"));
    if (ops->open)
        assert_int_equal(ops->open(&host, &u->state, &u->why), 0);
}

static int use_run(struct use *u)
{
    emit_begin(&u->e);
    int err = u->ops->run(u->state, &host, &u->e, &u->why);
    emit_end(&u->e);
    return err;
}

static void use_close(struct use *u)
{
    if (u->ops->close)
        u->ops->close(u->state);
    emit_done(&u->e);
}

/* What the last run gave, in its order. */
static void assert_given(const struct use *u, const char *wanted)
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

static void assert_collects(const struct collector_ops *ops, const char *wanted)
{
    struct use u;
    use_open(&u, ops);
    assert_int_equal(use_run(&u), 0);
    assert_given(&u, wanted);
    assert_int_equal(use_run(&u), 0); /* again, through the files that are open */
    assert_int_equal(u.e.changed, false);
    use_close(&u);
}

static void assert_fails(const struct collector_ops *ops, int err)
{
    struct use u;
    use_open(&u, ops);
    assert_int_equal(use_run(&u), err);
    use_close(&u);
}

static double value_of(const struct use *u, const char *text)
{
    for (size_t i = 0; i < u->e.n; i++)
        if (u->e.v[i]->run == u->e.run && str_eq(u->e.v[i]->text, str_c(text)))
            return u->e.v[i]->value;
    fail_msg("no series %s", text);
    return 0;
}

static bool has(const struct use *u, const char *text)
{
    for (size_t i = 0; i < u->e.n; i++)
        if (u->e.v[i]->run == u->e.run && str_eq(u->e.v[i]->text, str_c(text)))
            return true;
    return false;
}

static void assert_near(double value, double wanted)
{
    assert_true(value >= wanted - 1e-6 && value <= wanted + 1e-6);
}

/* ---- one file, a few numbers */

static void loadavg_gives_three_averages(void **state)
{
    (void)state;
    put("proc/loadavg", "0.52 1.25 3.5 1/234 5678\n");
    assert_collects(&loadavg_collector, "node_load1 0.52\nnode_load5 1.25\nnode_load15 3.5\n");
    put("proc/loadavg", "0.52 1.2");
    assert_fails(&loadavg_collector, -ERR_FORMAT);
    put("proc/loadavg", "");
    assert_fails(&loadavg_collector, -ERR_FORMAT);
}

static void a_missing_file_fails_and_works_once_it_is_there(void **state)
{
    (void)state;
    struct use u;
    use_open(&u, &loadavg_collector);
    assert_int_equal(use_run(&u), -ERR_NOENT);
    assert_non_null(strstr(u.why.text, "/proc/loadavg"));
    put("proc/loadavg", "1 2 3 4/5 6\n");
    assert_int_equal(use_run(&u), 0);
    assert_given(&u, "node_load1 1\nnode_load5 2\nnode_load15 3\n");
    use_close(&u);
}

static void meminfo_turns_kilobytes_into_bytes_and_keeps_counts(void **state)
{
    (void)state;
    put("proc/meminfo", "MemTotal:       24684092 kB\nActive(anon):       1576 kB\n"
                        "HugePages_Total:       7\nOdd row without number: x\nNo colon 5\n"
                        "Huge: 99999999999999999999999 kB\nSwapFree: 1");
    assert_collects(&meminfo_collector,
                    "node_memory_MemTotal_bytes 25276510208\nnode_memory_Active_anon_bytes "
                    "1613824\nnode_memory_HugePages_Total 7\nnode_memory_SwapFree 1\n");
}

static void filefd_entropy_and_conntrack_read_their_numbers(void **state)
{
    (void)state;
    put("proc/sys/fs/file-nr", "637\t0\t2466177\n");
    assert_collects(&filefd_collector, "node_filefd_allocated 637\nnode_filefd_maximum 2466177\n");
    put("proc/sys/kernel/random/entropy_avail", "256\n");
    assert_fails(&entropy_collector, -ERR_NOENT);
    put("proc/sys/kernel/random/poolsize", "4096\n");
    assert_collects(&entropy_collector,
                    "node_entropy_available_bits 256\nnode_entropy_pool_size_bits 4096\n");
    assert_fails(&conntrack_collector, -ERR_NOENT);
    put("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
    put("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    put("proc/net/stat/nf_conntrack", "entries  found invalid drop\n"
                                      "0000000c 0000000a 00000001 00000000\n"
                                      "0000000c 00000010 000000ff 00000002\n");
    assert_collects(&conntrack_collector,
                    "node_nf_conntrack_entries 12\nnode_nf_conntrack_entries_limit 262144\n"
                    "node_nf_conntrack_stat_found 26\nnode_nf_conntrack_stat_invalid 256\n"
                    "node_nf_conntrack_stat_drop 2\n");
}

static void stat_gives_what_is_not_cpu_time(void **state)
{
    (void)state;
    put("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 193842 0 5 7\nctxt 420467\nbtime "
                     "1795322654\nprocesses 9575\nprocs_running 3\nprocs_blocked 1\nsoftirq 9 9\n");
    assert_collects(&stat_collector, "node_intr_total 193842\nnode_context_switches_total 420467\n"
                                     "node_boot_time_seconds 1795322654\nnode_forks_total 9575\n"
                                     "node_procs_running 3\nnode_procs_blocked 1\n");
    put("proc/stat", "cpu  1 2 3 4\n");
    assert_fails(&stat_collector, -ERR_FORMAT);
}

static void pressure_splits_waiting_and_stalled(void **state)
{
    (void)state;
    assert_fails(&pressure_collector, -ERR_NOENT);
    put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9132051\n"
                             "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
    put("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3319293\n"
                            "full avg10=0.00 avg60=0.00 avg300=0.00 total=3098131\n");
    put("proc/pressure/memory", "some avg10=0.00 total=oops\nfull avg10=0.00\n");
    put("proc/pressure/irq", "full avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n");
    assert_collects(&pressure_collector, "node_pressure_cpu_waiting_seconds_total 9.132051\n"
                                         "node_pressure_io_waiting_seconds_total 3.319293\n"
                                         "node_pressure_io_stalled_seconds_total 3.098131\n"
                                         "node_pressure_irq_stalled_seconds_total 2\n");
}

/* ---- cores */

static void cpu_counts_modes_and_shares_them_out(void **state)
{
    (void)state;
    struct use u;
    put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 7 3\nintr 1\n");
    use_open(&u, &cpu_collector);
    assert_int_equal(use_run(&u), 0);
    assert_given(&u, "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"nice\"} 0\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 1\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 8\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"} 0\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"irq\"} 0\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"softirq\"} 0\n"
                     "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0\n"
                     "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 0.07\n"
                     "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0.03\n");
    put("proc/stat", "cpu  150 0 125 825 0 0 0 0 0 0\ncpu0 150 0 125 790 0 0 0 0 7 3\n");
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "sonde_host_cpu_ratio{mode=\"user\"}") == 0.5);
    assert_true(value_of(&u, "sonde_host_cpu_ratio{mode=\"idle\"}") == 0.25);
    /* idle of core 0 went back by 0.1 s: it stays */
    assert_true(value_of(&u, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}") == 8);
    put("proc/stat", "cpu  1 0 1 1 0 0 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\n");
    assert_int_equal(use_run(&u), 0); /* taken out and put back: begun anew */
    assert_true(value_of(&u, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}") == 0.01);
    put("proc/stat", "intr 5\n");
    assert_int_equal(use_run(&u), -ERR_FORMAT);
    use_close(&u);
}

static void throttles_of_two_threads_of_a_core_count_once(void **state)
{
    (void)state;
    struct use u;
    put("proc/stat", "cpu  1 1 1 1\ncpu0 1 1 1 1\n");
    for (int i = 0; i < 2; i++) {
        char name[128];
        const char *const files[] = {"topology/physical_package_id", "topology/core_id",
                                     "thermal_throttle/core_throttle_count",
                                     "thermal_throttle/package_throttle_count"};
        const char *const texts[] = {"0\n", "3\n", "17\n", "40\n"};
        for (size_t k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "sys/devices/system/cpu/cpu%d/%s", i, files[k]);
            put(name, texts[k]);
        }
    }
    use_open(&u, &cpu_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "node_cpu_core_throttles_total{package=\"0\",core=\"3\"}") == 17);
    assert_true(value_of(&u, "node_cpu_package_throttles_total{package=\"0\"}") == 40);
    use_close(&u);
}

static void cpufreq_turns_kilohertz_into_hertz(void **state)
{
    (void)state;
    assert_fails(&cpufreq_collector, -ERR_NOENT);
    put("sys/devices/system/cpu/cpufreq/boost", "1\n");
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1800123\n");
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "3500000\n");
    put("sys/devices/system/cpu/cpu10/cpufreq/cpuinfo_min_freq", "800000\n");
    put("sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq", "<unknown>\n");
    assert_collects(&cpufreq_collector,
                    "node_cpu_scaling_frequency_hertz{cpu=\"0\"} 1800123000\n"
                    "node_cpu_scaling_frequency_max_hertz{cpu=\"0\"} 3500000000\n"
                    "node_cpu_frequency_min_hertz{cpu=\"10\"} 800000000\n");
}

static void schedstat_and_softnet_count_by_core(void **state)
{
    (void)state;
    put("proc/schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2500000000 500000000 9\n"
                          "domain0 3 0 0\ncpu1 0 0\n");
    assert_collects(&schedstat_collector, "node_schedstat_running_seconds_total{cpu=\"0\"} 2.5\n"
                                          "node_schedstat_waiting_seconds_total{cpu=\"0\"} 0.5\n"
                                          "node_schedstat_timeslices_total{cpu=\"0\"} 9\n");
    put("proc/net/softnet_stat",
        "0000000e 00000001 00000002 0 0 0 0 0 00000003 00000004 00000005 00000006 00000007\n"
        "00000eda 00000000\n");
    assert_collects(&softnet_collector, "node_softnet_processed_total{cpu=\"7\"} 14\n"
                                        "node_softnet_dropped_total{cpu=\"7\"} 1\n"
                                        "node_softnet_times_squeezed_total{cpu=\"7\"} 2\n"
                                        "node_softnet_cpu_collision_total{cpu=\"7\"} 3\n"
                                        "node_softnet_received_rps_total{cpu=\"7\"} 4\n"
                                        "node_softnet_flow_limit_count_total{cpu=\"7\"} 5\n"
                                        "node_softnet_backlog_len{cpu=\"7\"} 6\n"
                                        "node_softnet_processed_total{cpu=\"1\"} 3802\n"
                                        "node_softnet_dropped_total{cpu=\"1\"} 0\n");
}

/* ---- memory and disks */

static void vmstat_takes_the_rows_that_the_filter_names(void **state)
{
    (void)state;
    put("proc/vmstat", "nr_free_pages 6000\npgfault 3485427\npgpgin 18446744073709551615\n"
                       "oom_kill 2\npswpin\nthp_fault_alloc 5\n");
    assert_collects(&vmstat_collector, "node_vmstat_pgfault 3485427\n"
                                       "node_vmstat_pgpgin 1.84467440737096e+19\n"
                                       "node_vmstat_oom_kill 2\n");
}

static void diskstats_gives_all_fields_and_leaves_partitions_out(void **state)
{
    (void)state;
    struct use u;
    put("proc/diskstats",
        "   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
        " 254       0 vda 36882 11581 3428858 9017 14533 10988 2620664 4036 2 6404 13588 6910 53 "
        "258928 457 2040 76\n"
        " 254       1 vda1 1 1 1 1 1 1 1 1 1 1 1\n"
        "   8       0 old 1 2 3 4 5 6 7 8 9 10 11\n"
        "   8      16 cut 1 2 3\n");
    put("run/udev/data/b254:0", "S:disk/by-id/x\nE:ID_MODEL=Fast Disk\nE:ID_SERIAL=abc_123\n"
                                "E:ID_WWN=0x5\nE:ID_PATH=pci-0000:00\n");
    use_open(&u, &diskstats_collector);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.n, 18 + 12);
    assert_true(has(&u, "node_disk_info{device=\"vda\",major=\"254\",minor=\"0\",path=\"pci-0000:"
                        "00\",wwn=\"0x5\",model=\"Fast Disk\",serial=\"abc_123\",revision=\"\"}"));
    assert_true(value_of(&u, "node_disk_read_bytes_total{device=\"vda\"}") == 3428858.0 * 512);
    assert_true(value_of(&u, "node_disk_io_now{device=\"vda\"}") == 2);
    assert_near(value_of(&u, "node_disk_io_time_weighted_seconds_total{device=\"vda\"}"), 13.588);
    assert_true(value_of(&u, "node_disk_discarded_sectors_total{device=\"vda\"}") == 258928);
    assert_near(value_of(&u, "node_disk_flush_requests_time_seconds_total{device=\"vda\"}"), 0.076);
    assert_false(has(&u, "node_disk_flush_requests_total{device=\"old\"}"));
    use_close(&u);
}

static void filesystem_asks_each_mount_and_reports_the_one_that_is_gone(void **state)
{
    (void)state;
    struct use u;
    char path[512];
    path_of("data disk/x", path);
    put("proc/1/mounts", "/dev/sdb1 /data\\040disk ext4 ro,relatime 0 0\n"
                         "/dev/sdc1 /gone xfs rw 0 0\nproc /proc proc rw 0 0\n"
                         "tmpfs /dev/shm tmpfs rw 0 0\ncut\n"
                         "/dev/sdb1 /data\\040disk ext4 ro,relatime 0 0\n");
    use_open(&u, &filesystem_collector);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.n, 7 + 2);
#define OF_DATA "{device=\"/dev/sdb1\",mountpoint=\"/data disk\",fstype=\"ext4\"}"
#define OF_GONE "{device=\"/dev/sdc1\",mountpoint=\"/gone\",fstype=\"xfs\"}"
    assert_true(value_of(&u, "node_filesystem_readonly" OF_DATA) == 1);
    assert_true(value_of(&u, "node_filesystem_device_error" OF_DATA) == 0);
    assert_true(value_of(&u, "node_filesystem_size_bytes" OF_DATA) > 0);
    assert_true(value_of(&u, "node_filesystem_device_error" OF_GONE) == 1);
    assert_false(has(&u, "node_filesystem_size_bytes" OF_GONE));
    put("proc/1/mounts", "/dev/sdb1 /data\\040disk ext4 rw 0 0\n");
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "node_filesystem_readonly" OF_DATA) == 0);
    assert_false(has(&u, "node_filesystem_device_error" OF_GONE));
    use_close(&u);
}

/* ---- network */

static void netdev_reads_columns_behind_any_name(void **state)
{
    (void)state;
    struct use u;
    put("proc/net/dev",
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
        "  eth0:202858412    3786 1 2 3 4 5 6   146470    2049 7 8 9 10 11 12\n"
        "veth:1: 18446744073709551615 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  cut0: 1 2 3\n");
    put("sys/class/net/eth0/statistics/rx_nohandler", "13\n");
    use_open(&u, &netdev_collector);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.n, 16 + 16 + 1);
    assert_true(value_of(&u, "node_network_receive_bytes_total{device=\"eth0\"}") == 202858412);
    assert_true(value_of(&u, "node_network_receive_multicast_total{device=\"eth0\"}") == 6);
    assert_true(value_of(&u, "node_network_transmit_colls_total{device=\"eth0\"}") == 10);
    assert_true(value_of(&u, "node_network_transmit_compressed_total{device=\"eth0\"}") == 12);
    assert_true(value_of(&u, "node_network_receive_nohandler_total{device=\"eth0\"}") == 13);
    assert_true(value_of(&u, "node_network_receive_bytes_total{device=\"veth:1\"}") ==
                18446744073709551615.0);
    use_close(&u);
}

static void netclass_reads_numbers_and_texts(void **state)
{
    (void)state;
    put("sys/class/net/bonding_masters", "\n");
    put("sys/class/net/eth0/flags", "0x1003\n");
    put("sys/class/net/eth0/mtu", "1400\n");
    put("sys/class/net/eth0/speed", "10000\n");
    put("sys/class/net/eth0/operstate", "up\n");
    put("sys/class/net/eth0/address", "02:fc:00:00:00:01\n");
    put("sys/class/net/eth0/ifalias", "up\"link\\\n");
    assert_collects(&netclass_collector,
                    "node_network_flags{device=\"eth0\"} 4099\n"
                    "node_network_mtu_bytes{device=\"eth0\"} 1400\n"
                    "node_network_speed_bytes{device=\"eth0\"} 1250000000\n"
                    "node_network_up{device=\"eth0\"} 1\n"
                    "node_network_info{device=\"eth0\",address=\"02:fc:00:00:00:01\",broadcast="
                    "\"\",duplex=\"\",operstate=\"up\",adminstate=\"up\",ifalias=\"up\\\"link\\\\"
                    "\"} 1\n");
}

static void netstat_takes_pairs_of_lines_and_rows(void **state)
{
    (void)state;
    put("proc/net/netstat", "TcpExt: SyncookiesSent ListenDrops Ignored\nTcpExt: 1 2 3\n"
                            "IpExt: InOctets OutOctets\nTcp: 9 9\n");
    put("proc/net/snmp", "Tcp: RtoMin ActiveOpens CurrEstab\nTcp: 200 14 -1\n"
                         "Udp: InDatagrams\nUdp: oops\n");
    put("proc/net/snmp6", "Ip6InOctets                     \t128\nNoSix 5\nIcmp6InMsgs 1\n");
    assert_collects(&netstat_collector,
                    "node_netstat_TcpExt_SyncookiesSent 1\nnode_netstat_TcpExt_ListenDrops 2\n"
                    "node_netstat_Tcp_ActiveOpens 14\nnode_netstat_Tcp_CurrEstab -1\n"
                    "node_netstat_Ip6_InOctets 128\nnode_netstat_Icmp6_InMsgs 1\n");
}

static void sockstat_udpqueue_and_arp_count_sockets_and_neighbours(void **state)
{
    (void)state;
    char wanted[512];
    put("proc/net/sockstat", "sockets: used 26\nTCP: inuse 4 mem 280\nFRAG: inuse 0 memory 0\n");
    put("proc/net/sockstat6", "TCP6: inuse 3\n");
    snprintf(wanted, sizeof wanted,
             "node_sockstat_sockets_used 26\nnode_sockstat_TCP_inuse 4\nnode_sockstat_TCP_mem 280\n"
             "node_sockstat_TCP_mem_bytes %ld\nnode_sockstat_FRAG_inuse 0\n"
             "node_sockstat_FRAG_memory 0\nnode_sockstat_TCP6_inuse 3\n",
             280 * sysconf(_SC_PAGESIZE));
    assert_collects(&sockstat_collector, wanted);
    put("proc/net/udp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr\n"
        "  1: 00000000:0044 00000000:0000 07 00000010:00000020 00:00000000\n"
        "  2: 00000000:0045 00000000:0000 07 00000001:0000000A 00:00000000\n  3: cut\n");
    assert_collects(&udpqueue_collector, "node_udp_queues{queue=\"tx\",ip=\"v4\"} 17\n"
                                         "node_udp_queues{queue=\"rx\",ip=\"v4\"} 42\n");
    put("proc/net/arp", "IP address HW type Flags HW address Mask Device\n"
                        "10.0.0.1 0x1 0x2 02:fc:00:00:00:05 * eth0\n"
                        "10.0.0.2 0x1 0x2 02:fc:00:00:00:06 * eth1\n"
                        "10.0.0.3 0x1 0x2 02:fc:00:00:00:07 * eth0\ncut 0x1\n");
    assert_collects(&arp_collector,
                    "node_arp_entries{device=\"eth0\"} 2\nnode_arp_entries{device=\"eth1\"} 1\n");
}

/* ---- sensors and power */

static void hwmon_names_chips_sensors_and_units(void **state)
{
    (void)state;
    assert_fails(&hwmon_collector, -ERR_NOENT);
    put("sys/class/hwmon/hwmon0/name", "coretemp\n");
    put("sys/class/hwmon/hwmon0/temp1_input", "45500\n");
    put("sys/class/hwmon/hwmon0/temp1_crit", "100000\n");
    put("sys/class/hwmon/hwmon0/temp1_crit_alarm", "0\n");
    put("sys/class/hwmon/hwmon0/temp1_label", "Core 0\n");
    put("sys/class/hwmon/hwmon0/fan2_input", "1200\n");
    put("sys/class/hwmon/hwmon0/fan2_alarm", "1\n");
    put("sys/class/hwmon/hwmon0/in0_input", "1216\n");
    put("sys/class/hwmon/hwmon0/power1_average", "15500000\n");
    put("sys/class/hwmon/hwmon0/energy1_input", "2000000\n");
    put("sys/class/hwmon/hwmon0/curr1_input", "oops\n");
    put("sys/class/hwmon/hwmon0/pwm1", "128\n");
    put("sys/class/hwmon/hwmon0/update_interval", "1500\n");
    put("sys/class/hwmon/hwmon0/uevent", "x\n");
    assert_collects(
        &hwmon_collector,
        "node_hwmon_chip_names{chip=\"coretemp\",chip_name=\"coretemp\"} 1\n"
        "node_hwmon_sensor_label{chip=\"coretemp\",sensor=\"temp1\",label=\"Core 0\"} 1\n"
        "node_hwmon_energy_joule_total{chip=\"coretemp\",sensor=\"energy1\"} 2\n"
        "node_hwmon_fan_alarm{chip=\"coretemp\",sensor=\"fan2\"} 1\n"
        "node_hwmon_fan_rpm{chip=\"coretemp\",sensor=\"fan2\"} 1200\n"
        "node_hwmon_in_volts{chip=\"coretemp\",sensor=\"in0\"} 1.216\n"
        "node_hwmon_power_average_watt{chip=\"coretemp\",sensor=\"power1\"} 15.5\n"
        "node_hwmon_pwm{chip=\"coretemp\",sensor=\"pwm1\"} 128\n"
        "node_hwmon_temp_crit_celsius{chip=\"coretemp\",sensor=\"temp1\"} 100\n"
        "node_hwmon_temp_crit_alarm_celsius{chip=\"coretemp\",sensor=\"temp1\"} 0\n"
        "node_hwmon_temp_celsius{chip=\"coretemp\",sensor=\"temp1\"} 45.5\n"
        "node_hwmon_update_interval_seconds{chip=\"coretemp\"} 1.5\n");
}

static void a_chip_is_called_by_its_place_on_the_bus(void **state)
{
    (void)state;
    struct use u;
    char link[512];
    put("sys/devices/platform/coretemp.0/x", "");
    put("sys/class/hwmon/hwmon3/temp1_input", "1000\n");
    path_of("sys/class/hwmon/hwmon3/device", link);
    assert_int_equal(symlink("../../../devices/platform/coretemp.0", link), 0);
    use_open(&u, &hwmon_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(
        value_of(&u, "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"}") ==
        1);
    /* pulled out */
    nftw(sys, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    put("sys/class/hwmon/x", "");
    assert_int_equal(use_run(&u), 0);
    assert_given(&u, "");
    use_close(&u);
}

static void thermal_and_powersupply_read_their_devices(void **state)
{
    (void)state;
    put("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    put("sys/class/thermal/thermal_zone0/temp", "41000\n");
    put("sys/class/thermal/cooling_device1/type", "Processor\n");
    put("sys/class/thermal/cooling_device1/cur_state", "2\n");
    put("sys/class/thermal/cooling_device1/max_state", "10\n");
    assert_collects(&thermal_collector,
                    "node_thermal_zone_temp{zone=\"0\",type=\"x86_pkg_temp\"} 41\n"
                    "node_cooling_device_cur_state{name=\"1\",type=\"Processor\"} 2\n"
                    "node_cooling_device_max_state{name=\"1\",type=\"Processor\"} 10\n");
    put("sys/class/power_supply/BAT0/capacity", "77\n");
    put("sys/class/power_supply/BAT0/energy_now", "33500000\n");
    put("sys/class/power_supply/BAT0/cycle_count", "12\n");
    put("sys/class/power_supply/BAT0/status", "Discharging\n");
    assert_collects(&powersupply_collector,
                    "node_power_supply_capacity{power_supply=\"BAT0\"} 77\n"
                    "node_power_supply_cyclecount{power_supply=\"BAT0\"} 12\n"
                    "node_power_supply_energy_watthour{power_supply=\"BAT0\"} 33.5\n"
                    "node_power_supply_info{power_supply=\"BAT0\",capacity_level=\"\",charge_type="
                    "\"\",health=\"\",manufacturer=\"\",model_name=\"\",serial_number=\"\",status="
                    "\"Discharging\",technology=\"\",type=\"\",usb_type=\"\",scope=\"\"} 1\n");
}

/* ---- the system */

static void os_reads_os_release(void **state)
{
    (void)state;
    assert_fails(&os_collector, -ERR_NOENT);
    put("etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12.5.1\"\n# note\n");
    assert_collects(&os_collector,
                    "node_os_info{build_id=\"\",id=\"debian\",id_like=\"\",image_id=\"\","
                    "image_version=\"\",name=\"Debian GNU/Linux\",pretty_name=\"\",variant=\"\","
                    "variant_id=\"\",version=\"\",version_codename=\"\",version_id=\"12.5.1\"} 1\n"
                    "node_os_version{id=\"debian\",id_like=\"\",name=\"Debian GNU/Linux\"} 12.5\n");
}

static void time_uname_and_timex_ask_the_kernel(void **state)
{
    (void)state;
    struct use u;
    setenv("TZ", "UTC", 1);
    put("sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock tsc \n");
    put("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    assert_collects(
        &time_collector,
        "node_time_seconds 1700000001.123\nnode_time_zone_offset_seconds{time_zone=\"UTC\"} 0\n"
        "node_time_clocksource_available_info{device=\"0\",clocksource=\"kvm-clock\"} 1\n"
        "node_time_clocksource_available_info{device=\"0\",clocksource=\"tsc\"} 1\n"
        "node_time_clocksource_current_info{device=\"0\",clocksource=\"tsc\"} 1\n");
    struct utsname name;
    char wanted[1024];
    assert_int_equal(uname(&name), 0);
    snprintf(wanted, sizeof wanted,
             "node_uname_info{sysname=\"%s\",release=\"%s\",version=\"%s\",machine=\"%s\","
             "nodename=\"%s\",domainname=\"%s\"} 1\n",
             name.sysname, name.release, name.version, name.machine, name.nodename,
             name.domainname);
    assert_collects(&uname_collector, wanted);
    use_open(&u, &timex_collector);
    assert_int_equal(use_run(&u), 0);
    assert_int_equal(u.e.n, 17);
    assert_true(value_of(&u, "node_timex_frequency_adjustment_ratio") > 0.99);
    use_close(&u);
}

static void self_gives_the_process_and_its_statistics(void **state)
{
    (void)state;
    struct use u;
    put("proc/stat", "cpu 1\nbtime 1000\n");
    put("proc/self/stat",
        "77 (sonde) S 1 77 77 0 -1 0 10 0 2 0 100 50 0 0 20 0 4 0 500 4096 3 1\n");
    put("proc/self/fd/0", "");
    put("proc/self/fd/1", "");
    put("proc/self/fd/2", "");
    use_open(&u, &self_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "process_virtual_memory_bytes") == 4096);
    assert_true(value_of(&u, "process_resident_memory_bytes") ==
                3.0 * (double)sysconf(_SC_PAGESIZE));
    assert_true(value_of(&u, "process_open_fds") == 3);
    assert_true(value_of(&u, "process_start_time_seconds") ==
                1000 + 500.0 / (double)sysconf(_SC_CLK_TCK));
    assert_true(value_of(&u, "process_cpu_seconds_total") > 0);
    put("proc/self/stat", "77 (sonde");
    assert_int_equal(use_run(&u), -ERR_FORMAT);
    use_close(&u);
}

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

static void every_collector_survives_noise_in_all_its_files(void **state)
{
    (void)state;
    static const char *const FILES[] = {"proc/loadavg",
                                        "proc/meminfo",
                                        "proc/stat",
                                        "proc/vmstat",
                                        "proc/diskstats",
                                        "proc/1/mounts",
                                        "proc/net/dev",
                                        "proc/net/netstat",
                                        "proc/net/snmp",
                                        "proc/net/snmp6",
                                        "proc/net/sockstat",
                                        "proc/net/sockstat6",
                                        "proc/net/udp",
                                        "proc/net/arp",
                                        "proc/net/softnet_stat",
                                        "proc/schedstat",
                                        "proc/pressure/cpu",
                                        "proc/pressure/io",
                                        "proc/sys/fs/file-nr",
                                        "proc/net/stat/nf_conntrack",
                                        "proc/self/stat",
                                        "proc/7/stat",
                                        "sys/class/hwmon/hwmon0/temp1_input",
                                        "sys/class/net/e/flags",
                                        "sys/class/net/e/address",
                                        "cgroup/cgroup.controllers",
                                        "cgroup/cpu.stat",
                                        "cgroup/io.stat",
                                        "cgroup/cpu.max",
                                        "cgroup/memory.stat",
                                        "etc/os-release"};
    uint32_t seed = 1;
    for (int round = 0; round < 40; round++) {
        char noise[600];
        for (size_t i = 0; i < sizeof noise; i++) {
            static const char ALPHABET[] = "0019 \n\t:=(){}-.xE\"\\\xff\xc3%SR";
            seed = seed * 1664525 + 1013904223;
            noise[i] = ALPHABET[(seed >> 16) % (sizeof ALPHABET - 1)];
        }
        for (size_t i = 0; i < COUNTOF(FILES); i++)
            put_bytes(FILES[i], noise + i, (size_t)(round * 14));
        for (int i = 0; i < COLLECTORS_N; i++) {
            struct use u;
            use_open(&u, collector_all[i].ops);
            int err = use_run(&u); /* any answer will do, as long as there is one */
            assert_true(err <= 0 && err > -ERR_COUNT);
            for (size_t k = 0; k < u.e.n; k++)
                assert_true(str_utf8(u.e.v[k]->key));
            use_close(&u);
        }
        clock_manual_pass(&hand, 1000);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, prepare, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(loadavg_gives_three_averages),
        CASE(a_missing_file_fails_and_works_once_it_is_there),
        CASE(meminfo_turns_kilobytes_into_bytes_and_keeps_counts),
        CASE(filefd_entropy_and_conntrack_read_their_numbers),
        CASE(stat_gives_what_is_not_cpu_time),
        CASE(pressure_splits_waiting_and_stalled),
        CASE(cpu_counts_modes_and_shares_them_out),
        CASE(throttles_of_two_threads_of_a_core_count_once),
        CASE(cpufreq_turns_kilohertz_into_hertz),
        CASE(schedstat_and_softnet_count_by_core),
        CASE(vmstat_takes_the_rows_that_the_filter_names),
        CASE(diskstats_gives_all_fields_and_leaves_partitions_out),
        CASE(filesystem_asks_each_mount_and_reports_the_one_that_is_gone),
        CASE(netdev_reads_columns_behind_any_name),
        CASE(netclass_reads_numbers_and_texts),
        CASE(netstat_takes_pairs_of_lines_and_rows),
        CASE(sockstat_udpqueue_and_arp_count_sockets_and_neighbours),
        CASE(hwmon_names_chips_sensors_and_units),
        CASE(a_chip_is_called_by_its_place_on_the_bus),
        CASE(thermal_and_powersupply_read_their_devices),
        CASE(os_reads_os_release),
        CASE(time_uname_and_timex_ask_the_kernel),
        CASE(self_gives_the_process_and_its_statistics),
        CASE(processes_are_counted_by_state),
        CASE(the_top_lists_show_who_works_and_who_is_large),
        CASE(a_process_that_sleeps_is_left_alone_for_four_seconds),
        CASE(a_group_adds_up_its_members_and_keeps_what_the_dead_used),
        CASE(cgroups_v2_are_read_down_to_the_container),
        CASE(cgroups_v1_join_their_trees_by_path),
        CASE(every_collector_survives_noise_in_all_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
