/* examples/offline.c - a tool that runs for a moment, on machines that may be offline.
 *
 *     cc offline.c $(pkg-config --cflags --libs sonde) && ./a.out
 *
 * Reports one error and says where it is now: at the daemon, or on disk until a later run (of this
 * or any program of the service) reaches one.
 */
#include <stdio.h>
#include <string.h>

#include <sonde/sonde.h>

/* Does something still wait to leave the program? */
static int waits(void)
{
    static char answer[8192];
    if (sonde_query("outgoing", answer, sizeof answer, NULL) != 0) {
        return 0;
    }
    return strstr(answer, "\"oldest\":null") == NULL;
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "offline";
    options.release = "offline@1.0.0";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "without libsonde: %s\n", sonde_last_problem());
    }
    sonde_error_capture(SONDE_LEVEL_ERROR, "BackupError", "the backup of /srv took no files");
    int err = sonde_flush(2000); /* delivered, or on disk */
    printf("%s\n", err                ? sonde_error_text(err)
                   : waits()          ? "kept for a later run"
                   : !sonde_running() ? "not started"
                                      : "delivered");
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
