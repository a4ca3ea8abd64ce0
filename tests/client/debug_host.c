/* A program with a debug socket: states, commands of its own, and work to be profiled.
 * usage: host-debug_host SOCKET; ends at the end of its standard input; an "f" there forks it. */
#include <pthread.h>
#include <sonde/sonde.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic bool over;
static _Atomic unsigned long work_done;
static int volume = 3;

static __attribute__((noinline)) unsigned long churn_numbers(unsigned long n)
{
    for (int i = 0; i < 100000; i++) {
        n = n * 6364136223846793005u + 1442695040888963407u;
    }
    return n;
}

static void *work(void *unused)
{
    unsigned long n = 1;
    while (!atomic_load(&over)) {
        n = churn_numbers(n);
        atomic_store(&work_done, n);
    }
    return unused;
}

static void show_player(sonde_writer *w, const char *detail, void *user)
{
    sonde_writer_int(w, "volume", volume);
    sonde_writer_string(w, "detail", detail);
    sonde_writer_string(w, "password", "hunter2");
    sonde_writer_printf(w, "owner", "write to %s", "jane@example.org");
    sonde_writer_array(w, "tracks");
    for (int i = 0; i < 3; i++) {
        sonde_writer_object(w, NULL);
        sonde_writer_int(w, "number", i);
        sonde_writer_end(w);
    }
    /* left open: the library closes it */
}

static void show_too_much(sonde_writer *w, const char *detail, void *user)
{
    for (int i = 0; i < 200000; i++) {
        sonde_writer_string(w, "again", "and again");
    }
}

static int set_volume(int argc, const char *const *argv, sonde_writer *w, void *user)
{
    int value;
    if (argc != 2 || sscanf(argv[1], "%d", &value) != 1 || value < 0 || value > 11) {
        sonde_writer_string(w, "message", "volume N, from 0 to 11");
        return SONDE_ERROR_ARGUMENT;
    }
    *(int *)user = value;
    sonde_writer_int(w, "volume", value);
    return 0;
}

int main(int argc, char **argv)
{
    char setting[300];
    snprintf(setting, sizeof setting, "debug.socket=%s", argc > 1 ? argv[1] : "auto");
    const char *settings[] = {setting, NULL};
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "debug-host";
    options.settings = settings;
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    sonde_dump_register("player", "What plays.", show_player, NULL);
    sonde_dump_register("flood", "More than there is room for.", show_too_much, NULL);
    sonde_command_register("volume", "N", "Sets the volume.", SONDE_ACCESS_OPERATOR, set_volume,
                           &volume);
    pthread_t t;
    pthread_create(&t, NULL, work, NULL);
    printf("%s\n", sonde_debug_path());
    fflush(stdout);
    char c;
    pid_t child = -1;
    while (read(0, &c, 1) > 0) {
        if (c == 'f' && child < 0) {
            child = fork();
            if (child == 0) { /* lives as long as its parent, and uses the library */
                char answer[2000];
                sonde_query("info", answer, sizeof answer, NULL);
                printf("%ld\n", (long)getpid());
                fflush(stdout);
            }
        }
    }
    if (child == 0) {
        return sonde_shutdown(2000);
    }
    atomic_store(&over, true);
    pthread_join(t, NULL);
    return sonde_shutdown(2000);
}
