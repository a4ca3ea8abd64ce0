/* Components that say how they are: a folder that is checked, a connection that reports.
 *
 *     cc health.c $(pkg-config --cflags --libs sonde) -o health && ./health /tmp
 */
#include <sonde/sonde.h>
#include <stdio.h>
#include <sys/statvfs.h>

static void check_folder(sonde_health_result *result, void *user)
{
    struct statvfs s;
    if (statvfs(user, &s) != 0 || s.f_blocks == 0) {
        sonde_health_set(result, SONDE_UNHEALTHY, "the folder cannot be looked at");
        return;
    }
    double free_ratio = (double)s.f_bavail / (double)s.f_blocks;
    sonde_health_figure(result, "free_ratio", free_ratio);
    if (free_ratio < 0.02) {
        sonde_health_set(result, SONDE_UNHEALTHY, "the disk is full");
    } else if (free_ratio < 0.1) {
        sonde_health_set(result, SONDE_DEGRADED, "the disk is nearly full");
    }
}

int main(int argc, char **argv)
{
    static char here[] = ".";
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "health-example";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    sonde_health_options folder = SONDE_HEALTH_OPTIONS_INIT;
    folder.kind = "storage";
    folder.check = check_folder;
    folder.user = argc > 1 ? argv[1] : here;
    folder.period_ms = 5000;
    sonde_health_register("folder", &folder);

    const sonde_health_value figures[] = {{"lag_seconds", 4.2}};
    sonde_health_options replica = SONDE_HEALTH_OPTIONS_INIT;
    replica.kind = "connection";
    replica.ttl_ms = 30000; /* silent for longer: unhealthy */
    replica.not_critical = true;
    sonde_health_register("replica", &replica);
    sonde_health_report("replica", SONDE_DEGRADED, "it lags behind", figures, 1);

    sonde_health_run(1000);
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    sonde_health_get("replica", &s);
    printf("replica: state %d, %s\n", s.state, s.message);
    char answer[8192];
    sonde_query("health", answer, sizeof answer, NULL);
    printf("%s\n", answer);
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
