#include "collect/fixture_test.h"

#include "collect/gpu_helper.h"
#include "launch/launch.h"

enum { WAIT_US = 20000, PATIENCE = 500 };

/* A path beside this test's program. */
static const char *beside(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    ssize_t n = readlink("/proc/self/exe", path, 400);
    while (n > 0 && path[n - 1] != '/')
        n--;
    snprintf(path + n, 100, "%s", name);
    return path;
}

/* A launcher whose table has the helper with that library. */
static struct launcher *launcher_with(const char *library)
{
    const char *const argv[] = {beside("sonde-helper-gpu"), "100", library, NULL};
    const struct launch_program row = {.name = GPU_HELPER_PROGRAM, .argv = argv};
    struct launcher *l;
    int fd;
    assert_int_equal(launch_fork(&row, 1, &fd, NULL), 0);
    assert_int_equal(launch_open(fd, &l, NULL), 0);
    return l;
}

/* Runs the collector gpu until it gives something or fails; what it says. */
static int run_until_known(struct launcher *l, struct buf *text, struct why *why)
{
    const struct collector_ops *ops = collector_all[collector_find("gpu")].ops;
    struct emit e;
    void *state = NULL;
    int err = 0;
    host.launcher = l;
    host.clock = &clock_real;
    assert_int_equal(collector_open(ops, &host, &state, why), 0);
    emit_init(&e, STR(""), STR(""));
    for (int i = 0; i < PATIENCE; i++) {
        emit_begin(&e);
        err = ops->run(state, &host, &e, why);
        emit_end(&e);
        if (err != 0 || e.n > 0)
            break;
        usleep(WAIT_US);
    }
    buf_init(text, 1 << 20);
    emit_print(&e, text);
    buf_put_c(text, '\0');
    emit_done(&e);
    collector_close(ops, state);
    host.launcher = NULL;
    host.clock = &hand.clock;
    return err;
}

static void assert_has(const struct buf *text, const char *line)
{
    if (!strstr(text->p, line))
        fail_msg("no line %s in\n%s", line, text->p);
}

static void nvidias_cards_are_read_by_the_helper_as_far_as_they_answer(void **state)
{
    struct buf text;
    struct why why = {0};
    put("proc/1/comm", "trainer\n");
    struct launcher *l = launcher_with(beside("libnvml-stand-in.so"));
    assert_int_equal(run_until_known(l, &text, &why), 0);
    static const char *const LINES[] = {
        "sonde_gpu_info{gpu=\"nvidia0\",vendor=\"nvidia\",name=\"Made Up 1\",uuid=\"GPU-1234\","
        "pci=\"00000000:0B:00.0\",driver=\"550.54\"} 1\n",
        "sonde_gpu_info{gpu=\"nvidia1\",vendor=\"nvidia\",name=\"Made Up "
        "2\",uuid=\"\",pci=\"\",driver=\"550.54\"} 1\n",
        "sonde_gpu_utilization_ratio{gpu=\"nvidia0\"} 0.25\n",
        "sonde_gpu_memory_utilization_ratio{gpu=\"nvidia0\"} 0.5\n",
        "sonde_gpu_memory_used_bytes{gpu=\"nvidia0\"} 3000000000\n",
        "sonde_gpu_memory_total_bytes{gpu=\"nvidia1\"} 8000000000\n",
        "sonde_gpu_temperature_celsius{gpu=\"nvidia0\",sensor=\"gpu\"} 61\n",
        "sonde_gpu_power_watts{gpu=\"nvidia0\"} 215.5\n",
        "sonde_gpu_power_limit_watts{gpu=\"nvidia0\"} 300\n",
        "sonde_gpu_energy_joules_total{gpu=\"nvidia0\"} 1234.5\n",
        "sonde_gpu_fan_ratio{gpu=\"nvidia0\"} 0.75\n",
        "sonde_gpu_clock_hertz{gpu=\"nvidia0\",clock=\"memory\"} 1200000000\n",
        "sonde_gpu_clock_max_hertz{gpu=\"nvidia0\",clock=\"video\"} 2300000000\n",
        "sonde_gpu_performance_state{gpu=\"nvidia0\"} 2\n",
        "sonde_gpu_throttled{gpu=\"nvidia0\",reason=\"software_power\"} 1\n",
        "sonde_gpu_throttled{gpu=\"nvidia0\",reason=\"hardware_thermal\"} 1\n",
        "sonde_gpu_throttled{gpu=\"nvidia0\",reason=\"hardware\"} 0\n",
        "sonde_gpu_ecc_errors_total{gpu=\"nvidia0\",kind=\"uncorrected_aggregate\"} 111\n",
        "sonde_gpu_encoder_utilization_ratio{gpu=\"nvidia0\"} 0.5\n",
        "sonde_gpu_decoder_utilization_ratio{gpu=\"nvidia0\"} 0.25\n",
        "sonde_gpu_encoder_sessions{gpu=\"nvidia0\"} 2\n",
        "sonde_gpu_encoder_frames_per_second{gpu=\"nvidia0\"} 60\n",
        "sonde_gpu_encoder_latency_seconds{gpu=\"nvidia0\"} 0.03125\n",
        "sonde_gpu_encoder_queue_frames{gpu=\"nvidia0\"} 3.75\n",
        "sonde_gpu_encoder_session_frames_per_second{gpu=\"nvidia0\",session=\"7\","
        "pid=\"4711\",codec=\"hevc\",size=\"1920x1080\"} 30\n",
        "sonde_gpu_encoder_session_latency_seconds{gpu=\"nvidia0\",session=\"7\","
        "pid=\"4711\",codec=\"hevc\",size=\"1920x1080\"} 0.015625\n",
        "sonde_gpu_processes{gpu=\"nvidia0\"} 2\n",
        "sonde_gpu_process_memory_bytes{gpu=\"nvidia0\",pid=\"1\",comm=\"trainer\",type="
        "\"compute\"} "
        "1048576\n",
    };
    for (size_t i = 0; i < COUNTOF(LINES); i++)
        assert_has(&text, LINES[i]);
    assert_null(strstr(text.p, "pid=\"2\""));
    assert_null(strstr(text.p, "sonde_gpu_power_watts{gpu=\"nvidia1\"}"));
    buf_done(&text);
    launch_close(l);
}

static void a_host_without_card_or_library_is_silent_and_no_failure(void **state)
{
    struct buf text;
    struct why why = {0};
    struct launcher *l = launcher_with("/nowhere/libnvidia-ml.so.1");
    assert_int_equal(run_until_known(l, &text, &why), -ERR_NOENT);
    assert_string_equal(text.p, "");
    buf_done(&text);
    launch_close(l);
    assert_int_equal(run_until_known(NULL, &text, &why), -ERR_NOENT);
    buf_done(&text);
}

static void a_library_without_its_driver_is_silent_too(void **state)
{
    struct buf text;
    struct why why = {0};
    setenv("NVML_NO_DRIVER", "1", 1);
    struct launcher *l = launcher_with(beside("libnvml-stand-in.so"));
    unsetenv("NVML_NO_DRIVER");
    assert_int_equal(run_until_known(l, &text, &why), -ERR_NOENT);
    buf_done(&text);
    launch_close(l);
}

static void a_card_that_falls_off_the_bus_is_told_of(void **state)
{
    struct buf text;
    struct why why = {0};
    setenv("NVML_LOST_AFTER", "0", 1);
    struct launcher *l = launcher_with(beside("libnvml-stand-in.so"));
    unsetenv("NVML_LOST_AFTER");
    assert_int_equal(run_until_known(l, &text, &why), -ERR_STATE);
    assert_non_null(strstr(why.text, "sonde-helper-gpu ended with status 1"));
    buf_done(&text);
    launch_close(l);
}

static void amds_cards_are_read_from_their_drivers_files(void **state)
{
    struct buf text;
    struct why why = {0};
#define D "sys/class/drm/card1/device/"
    put(D "vendor", "0x1002\n");
    put(D "device", "0x744c\n");
    put(D "product_name", "Radeon\n");
    put(D "unique_id", "abc123\n");
    put(D "gpu_busy_percent", "50\n");
    put(D "mem_busy_percent", "75\n");
    put(D "mem_info_vram_used", "1048576\n");
    put(D "mem_info_vram_total", "8388608\n");
    put(D "mem_info_gtt_used", "4096\n");
    put(D "pp_dpm_sclk", "0: 500Mhz\n1: 1500Mhz *\n2: 2500Mhz\n");
    put(D "hwmon/hwmon3/temp1_label", "edge\n");
    put(D "hwmon/hwmon3/temp1_input", "55000\n");
    put(D "hwmon/hwmon3/temp2_label", "junction\n");
    put(D "hwmon/hwmon3/temp2_input", "70000\n");
    put(D "hwmon/hwmon3/power1_average", "120000000\n");
    put(D "hwmon/hwmon3/power1_cap", "300000000\n");
    put(D "hwmon/hwmon3/freq1_input", "1500000000\n");
    put(D "hwmon/hwmon3/freq2_input", "96000000\n");
    put(D "hwmon/hwmon3/fan1_input", "900\n");
    put(D "hwmon/hwmon3/fan1_max", "3600\n");
    put("sys/class/drm/card1-DP-1/status", "connected\n");
    put("sys/class/drm/card2/device/vendor", "0x10de\n");
#undef D
    assert_int_equal(run_until_known(NULL, &text, &why), 0);
    static const char *const LINES[] = {
        "sonde_gpu_info{gpu=\"card1\",vendor=\"amd\",name=\"Radeon\",uuid=\"abc123\"",
        "sonde_gpu_utilization_ratio{gpu=\"card1\"} 0.5\n",
        "sonde_gpu_memory_utilization_ratio{gpu=\"card1\"} 0.75\n",
        "sonde_gpu_memory_used_bytes{gpu=\"card1\"} 1048576\n",
        "sonde_gpu_memory_total_bytes{gpu=\"card1\"} 8388608\n",
        "sonde_gpu_host_memory_used_bytes{gpu=\"card1\"} 4096\n",
        "sonde_gpu_clock_hertz{gpu=\"card1\",clock=\"graphics\"} 1500000000\n",
        "sonde_gpu_clock_hertz{gpu=\"card1\",clock=\"memory\"} 96000000\n",
        "sonde_gpu_clock_max_hertz{gpu=\"card1\",clock=\"graphics\"} 2500000000\n",
        "sonde_gpu_temperature_celsius{gpu=\"card1\",sensor=\"gpu\"} 55\n",
        "sonde_gpu_temperature_celsius{gpu=\"card1\",sensor=\"junction\"} 70\n",
        "sonde_gpu_power_watts{gpu=\"card1\"} 120\n",
        "sonde_gpu_power_limit_watts{gpu=\"card1\"} 300\n",
        "sonde_gpu_fan_ratio{gpu=\"card1\"} 0.25\n",
    };
    for (size_t i = 0; i < COUNTOF(LINES); i++)
        assert_has(&text, LINES[i]);
    assert_null(strstr(text.p, "card2"));
    assert_null(strstr(text.p, "DP-1"));
    buf_done(&text);
}

static void intels_cards_of_both_drivers_are_read_from_their_files(void **state)
{
    struct buf text;
    struct why why = {0};
    put("sys/class/drm/card0/device/vendor", "0x8086\n");
    put("sys/class/drm/card0/gt/gt0/rps_act_freq_mhz", "1150\n");
    put("sys/class/drm/card0/gt/gt0/rps_RP0_freq_mhz", "1300\n");
    put("sys/class/drm/card0/gt/gt0/throttle_reason_thermal", "1\n");
    put("sys/class/drm/card0/device/hwmon/hwmon0/energy1_input", "5000000\n");
    put("sys/class/drm/card3/device/vendor", "0x8086\n");
    put("sys/class/drm/card3/device/tile0/gt0/freq0/act_freq", "2400\n");
    put("sys/class/drm/card3/device/tile0/gt0/freq0/rp0_freq", "2900\n");
    put("sys/class/drm/card3/device/tile0/gt1/freq0/act_freq", "1500\n");
    put("sys/class/drm/card3/device/tile0/gt0/freq0/throttle/reason_pl1", "0\n");
    put("sys/class/drm/card3/device/tile0/physical_vram_size_bytes", "0x200000000\n");
    put("sys/class/drm/card3/device/hwmon/hwmon1/temp2_label", "pkg\n");
    put("sys/class/drm/card3/device/hwmon/hwmon1/temp2_input", "48000\n");
    put("sys/class/drm/card3/device/hwmon/hwmon1/power1_max", "190000000\n");
    assert_int_equal(run_until_known(NULL, &text, &why), 0);
    static const char *const LINES[] = {
        "sonde_gpu_clock_hertz{gpu=\"card0\",clock=\"graphics\"} 1150000000\n",
        "sonde_gpu_clock_max_hertz{gpu=\"card0\",clock=\"graphics\"} 1300000000\n",
        "sonde_gpu_throttled{gpu=\"card0\",reason=\"hardware_thermal\"} 1\n",
        "sonde_gpu_energy_joules_total{gpu=\"card0\"} 5\n",
        "sonde_gpu_clock_hertz{gpu=\"card3\",clock=\"graphics\"} 2400000000\n",
        "sonde_gpu_clock_hertz{gpu=\"card3\",clock=\"video\"} 1500000000\n",
        "sonde_gpu_throttled{gpu=\"card3\",reason=\"software_power\"} 0\n",
        "sonde_gpu_memory_total_bytes{gpu=\"card3\"} 8589934592\n",
        "sonde_gpu_temperature_celsius{gpu=\"card3\",sensor=\"gpu\"} 48\n",
        "sonde_gpu_power_limit_watts{gpu=\"card3\"} 190\n",
    };
    for (size_t i = 0; i < COUNTOF(LINES); i++)
        assert_has(&text, LINES[i]);
    buf_done(&text);
}

/* ---- clients */

static void put_client(const char *pid, const char *fd, const char *text)
{
    char name[128], path[512];
    snprintf(name, sizeof name, "proc/%s/fdinfo/%s", pid, fd);
    put(name, text);
    snprintf(name, sizeof name, "proc/%s/fd/%s", pid, fd);
    path_of(name, path);
    unlink(path);
    assert_int_equal(symlink("/dev/dri/renderD128", path), 0);
}

static void what_programs_use_of_a_card_adds_up_and_stays_when_they_end(void **state)
{
    const struct collector_ops *ops = collector_all[collector_find("gpuclient")].ops;
    struct emit e;
    struct buf text;
    void *s = NULL;
    put("sys/class/drm/card0/device/vendor", "0x8086\n");
    put("sys/bus/pci/devices/0000:00:02.0/drm/card0/dev", "226:0\n");
    put("proc/10/comm", "player\n");
    put("proc/11/comm", "game\n");
    put_client("10", "5",
               "drm-driver:\ti915\ndrm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n"
               "drm-engine-video:\t1000000000 ns\ndrm-engine-capacity-video:\t2\n"
               "drm-resident-vram0:\t512 KiB\n");
    put_client("10", "6",
               "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n"
               "drm-engine-video:\t1000000000 ns\n");
    put_client("11", "3",
               "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t8\n"
               "drm-cycles-rcs:\t100\ndrm-total-cycles-rcs:\t1000\n");
    assert_int_equal(collector_open(ops, &host, &s, NULL), 0);
    emit_init(&e, STR(""), STR(""));
    emit_begin(&e);
    assert_int_equal(ops->run(s, &host, &e, NULL), 0);
    emit_end(&e);
    put_client("10", "5",
               "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n"
               "drm-engine-video:\t3500000000 ns\n");
    put_client("10", "6",
               "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n"
               "drm-engine-video:\t3500000000 ns\n");
    put_client("11", "3",
               "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t8\n"
               "drm-cycles-rcs:\t600\ndrm-total-cycles-rcs:\t2000\n");
    clock_manual_pass(&hand, 5000);
    emit_begin(&e);
    assert_int_equal(ops->run(s, &host, &e, NULL), 0);
    emit_end(&e);
    buf_init(&text, 1 << 20);
    emit_print(&e, &text);
    buf_put_c(&text, '\0');
    assert_has(&text, "sonde_gpu_engine_busy_seconds_total{gpu=\"card0\",engine=\"video\"} 3.5\n");
    assert_has(&text, "sonde_gpu_engine_busy_seconds_total{gpu=\"card0\",engine=\"rcs\"} 2.5\n");
    assert_has(&text, "sonde_gpu_utilization_ratio{gpu=\"card0\"} 0.5\n");
    assert_has(&text, "gpu=\"card0\",pid=\"10\",comm=\"player\",type=\"7\"");
    buf_done(&text);
    char path[512];
    path_of("proc/10/fdinfo/5", path);
    unlink(path);
    path_of("proc/10/fdinfo/6", path);
    unlink(path);
    clock_manual_pass(&hand, 5000);
    emit_begin(&e);
    assert_int_equal(ops->run(s, &host, &e, NULL), 0);
    emit_end(&e);
    buf_init(&text, 1 << 20);
    emit_print(&e, &text);
    buf_put_c(&text, '\0');
    assert_has(&text, "sonde_gpu_engine_busy_seconds_total{gpu=\"card0\",engine=\"video\"} 3.5\n");
    assert_has(&text, "sonde_gpu_utilization_ratio{gpu=\"card0\"} 0\n");
    buf_done(&text);
    emit_done(&e);
    collector_close(ops, s);
}

static void lines_that_are_no_helpers_give_nothing(void **state)
{
    static const char *const BLOCKS[] = {
        "",
        "\n\n",
        "utilization\n",
        "utilization\tnvidia0\t\n",
        "utilization\tnvidia0\t\tmuch\n",
        "nonsense\tnvidia0\t\t1\n",
        "info\tnvidia0\n",
        "process\tnvidia0\t1\tcompute\tx\n",
        "a\tb\tc\td\te\tf\tg\th\ti\tj\tk\n",
    };
    struct emit e;
    emit_init(&e, STR(""), STR(""));
    emit_begin(&e);
    for (size_t i = 0; i < COUNTOF(BLOCKS); i++)
        gpu_helper_emit(str_c(BLOCKS[i]), host.proc, &e);
    emit_end(&e);
    assert_int_equal(e.n, 0);
    emit_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nvidias_cards_are_read_by_the_helper_as_far_as_they_answer,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(a_host_without_card_or_library_is_silent_and_no_failure,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(a_library_without_its_driver_is_silent_too, prepare, clear),
        cmocka_unit_test_setup_teardown(a_card_that_falls_off_the_bus_is_told_of, prepare, clear),
        cmocka_unit_test_setup_teardown(amds_cards_are_read_from_their_drivers_files, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(intels_cards_of_both_drivers_are_read_from_their_files,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(what_programs_use_of_a_card_adds_up_and_stays_when_they_end,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(lines_that_are_no_helpers_give_nothing, prepare, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
