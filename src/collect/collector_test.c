/* Every collector against a made-up /proc and /sys with exact values; those of processes and
 * cgroups have a test of their own. */
#include "collect/fixture_test.h"

#include <sys/utsname.h>

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
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors",
        "performance powersave \n");
    put("sys/devices/system/cpu/cpu10/cpufreq/cpuinfo_min_freq", "800000\n");
    put("sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq", "<unknown>\n");
    assert_collects(&cpufreq_collector,
                    "node_cpu_scaling_frequency_hertz{cpu=\"0\"} 1800123000\n"
                    "node_cpu_scaling_frequency_max_hertz{cpu=\"0\"} 3500000000\n"
                    "node_cpu_scaling_governor{cpu=\"0\",governor=\"performance\"} 0\n"
                    "node_cpu_scaling_governor{cpu=\"0\",governor=\"powersave\"} 1\n"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loadavg_gives_three_averages, prepare, clear),
        cmocka_unit_test_setup_teardown(a_missing_file_fails_and_works_once_it_is_there, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(meminfo_turns_kilobytes_into_bytes_and_keeps_counts,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(filefd_entropy_and_conntrack_read_their_numbers, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(stat_gives_what_is_not_cpu_time, prepare, clear),
        cmocka_unit_test_setup_teardown(pressure_splits_waiting_and_stalled, prepare, clear),
        cmocka_unit_test_setup_teardown(cpu_counts_modes_and_shares_them_out, prepare, clear),
        cmocka_unit_test_setup_teardown(throttles_of_two_threads_of_a_core_count_once, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(cpufreq_turns_kilohertz_into_hertz, prepare, clear),
        cmocka_unit_test_setup_teardown(schedstat_and_softnet_count_by_core, prepare, clear),
        cmocka_unit_test_setup_teardown(vmstat_takes_the_rows_that_the_filter_names, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(diskstats_gives_all_fields_and_leaves_partitions_out,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(filesystem_asks_each_mount_and_reports_the_one_that_is_gone,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(netdev_reads_columns_behind_any_name, prepare, clear),
        cmocka_unit_test_setup_teardown(netclass_reads_numbers_and_texts, prepare, clear),
        cmocka_unit_test_setup_teardown(netstat_takes_pairs_of_lines_and_rows, prepare, clear),
        cmocka_unit_test_setup_teardown(sockstat_udpqueue_and_arp_count_sockets_and_neighbours,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(hwmon_names_chips_sensors_and_units, prepare, clear),
        cmocka_unit_test_setup_teardown(a_chip_is_called_by_its_place_on_the_bus, prepare, clear),
        cmocka_unit_test_setup_teardown(thermal_and_powersupply_read_their_devices, prepare, clear),
        cmocka_unit_test_setup_teardown(os_reads_os_release, prepare, clear),
        cmocka_unit_test_setup_teardown(time_uname_and_timex_ask_the_kernel, prepare, clear),
        cmocka_unit_test_setup_teardown(self_gives_the_process_and_its_statistics, prepare, clear),
        cmocka_unit_test_setup_teardown(every_collector_survives_noise_in_all_its_files, prepare,
                                        clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
