#include "os/terminal.h"

#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/attr.h"

bool terminal_is(int fd)
{
    return isatty(fd) == 1;
}

void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines)
{
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 || w.ws_row == 0)
        return;
    *ret_columns = w.ws_col;
    *ret_lines = w.ws_row;
}

bool terminal_utf8(void)
{
    static const char *const NAMES[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++) {
        const char *value = getenv(NAMES[i]);
        if (value == NULL || value[0] == '\0')
            continue;
        for (; *value; value++)
            if (strncasecmp(value, "utf-8", 5) == 0 || strncasecmp(value, "utf8", 4) == 0)
                return true;
        return false;
    }
    return false;
}

bool terminal_keys(bool on)
{
    static struct termios before;
    if (!on)
        return tcsetattr(0, TCSAFLUSH, &before) == 0;
    if (tcgetattr(0, &before) != 0)
        return false;
    struct termios t = before;
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    return tcsetattr(0, TCSAFLUSH, &t) == 0;
}

int terminal_key(int64_t timeout_ms)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    unsigned char key;
    if (poll(&p, 1, (int)timeout_ms) <= 0)
        return TERMINAL_NONE;
    return read(0, &key, 1) == 1 ? key : TERMINAL_END;
}
