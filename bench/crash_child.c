/* A program to be watched, for ./dev bench watchdog: it writes down its own starts and fails in
 * the ways that a supervisor has to see.
 *
 * usage: crash_child LOG MODE [ARGUMENT..]
 *   stay            does nothing until it is ended
 *   pidfile PATH    goes into the background as monit wants it, then stays
 *   fork            forks twice, with a session of its own for the grandchild; then stays
 *   beat MS         READY=1, then WATCHDOG=1 each MS until SIGUSR1
 *   http PORT       answers every request with 200 until SIGUSR1
 *   random CALM     crashes at random, now and then with a grandchild, until the file CALM is there
 * A line of LOG is: WHAT NANOSECONDS PID, of CLOCK_MONOTONIC.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static volatile sig_atomic_t hung;

static void note(const char *what)
{
    struct timespec t;
    char line[128];
    clock_gettime(CLOCK_MONOTONIC, &t);
    int n = snprintf(line, sizeof line, "%s %lld %d\n", what,
                     (long long)t.tv_sec * 1000000000 + t.tv_nsec, (int)getpid());
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

static void on_signal(int signum)
{
    (void)signum;
    hung = 1;
}

static void stay(void)
{
    for (;;)
        pause();
}

/* A grandchild that a process group does not hold; its command line says whose it is. */
static void grandchild(char **argv)
{
    char owner[32];
    snprintf(owner, sizeof owner, "%d", (int)getpid());
    if (fork() != 0)
        return;
    setsid();
    if (fork() != 0)
        _exit(0);
    execl(argv[0], argv[0], path, "grandchild", owner, (char *)NULL);
    _exit(98);
}

static void notify(const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (name == NULL || strlen(name) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, name, strlen(name));
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t n = (socklen_t)(sizeof to.sun_family + strlen(name) + (name[0] != '@'));
    if (fd >= 0 && sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, n) < 0)
        note("unheard");
    close(fd);
}

static void beat(int ms)
{
    notify("READY=1");
    while (!hung) {
        notify("WATCHDOG=1");
        note("beat");
        struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
        nanosleep(&t, NULL);
    }
    note("hung");
    stay();
}

static void http(int port)
{
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char request[4096];
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0)
        _exit(97);
    while (!hung) {
        int client = accept(fd, NULL, NULL);
        if (client < 0)
            continue;
        if (read(client, request, sizeof request) > 0 &&
            write(client, ANSWER, sizeof ANSWER - 1) < 0)
            note("unread");
        close(client);
    }
    note("hung");
    stay(); /* the kernel goes on taking connections: nobody answers */
}

static void crash_at_random(char **argv, const char *calm)
{
    unsigned seed = (unsigned)getpid() ^ (unsigned)time(NULL);
    char lock[512];
    snprintf(lock, sizeof lock, "%s.lock", path);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        note("doubled"); /* another one of this program lives */
    if (rand_r(&seed) % 4 == 0)
        grandchild(argv);
    int naps = rand_r(&seed) % 200; /* of 100 ms: 10 s on average */
    for (int i = 0; i < naps; i++) {
        usleep(100000);
        if (i % 10 == 0 && access(calm, F_OK) == 0)
            stay();
    }
    if (access(calm, F_OK) == 0)
        stay();
    switch (rand_r(&seed) % 4) {
    case 0:
        _exit(0);
    case 1:
        _exit(1);
    case 2:
        raise(SIGKILL);
        break;
    default:
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 96;
    path = argv[1];
    const char *mode = argv[2], *more = argc > 3 ? argv[3] : "";
    if (strcmp(mode, "grandchild") == 0)
        stay();
    if (strcmp(mode, "pidfile") == 0) {
        if (fork() != 0)
            _exit(0);
        setsid();
        FILE *f = fopen(more, "w");
        if (f == NULL)
            return 95;
        fprintf(f, "%d\n", (int)getpid());
        fclose(f);
        if (argc > 4 && strcmp(argv[4], "fork") == 0) {
            note("start");
            grandchild(argv);
            stay();
        }
    }
    note("start");
    struct sigaction hang = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &hang, NULL);
    if (strcmp(mode, "fork") == 0)
        grandchild(argv);
    if (strcmp(mode, "beat") == 0)
        beat(atoi(more));
    if (strcmp(mode, "http") == 0)
        http(atoi(more));
    if (strcmp(mode, "random") == 0)
        crash_at_random(argv, more);
    stay();
}
