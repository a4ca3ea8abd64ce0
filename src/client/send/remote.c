#include "client/send/remote.h"

#include <stdio.h>
#include <string.h>

#include "client/core/setting.h"

static const char *const names[] = {"viewer", "operator", "admin"};
enum { NAMES_N = sizeof names / sizeof *names };

/* The number of a name; NAMES_N: none. */
static unsigned level_of(const char *name)
{
    unsigned i = 0;
    while (i < NAMES_N && strcmp(name, names[i]) != 0) {
        i++;
    }
    return i;
}

bool remote_check(char *problem)
{
    if (level_of(setting.remote_level) == NAMES_N) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "remote.level = \"%.40s\": viewer, operator or admin is expected",
                 setting.remote_level);
        return false;
    }
    return true;
}

static size_t skip_blanks(const char *s, size_t n, size_t at)
{
    while (at < n && (s[at] == ' ' || s[at] == '\t')) {
        at++;
    }
    return at;
}

/* Do the first words of the line equal those of the entry [len]? */
static bool begins(const char *line, size_t n, const char *entry, size_t len)
{
    size_t at = skip_blanks(line, n, 0), of = skip_blanks(entry, len, 0), words = 0;
    while (of < len) {
        while (of < len && at < n && entry[of] != ' ' && line[at] == entry[of]) {
            at++;
            of++;
        }
        bool line_ends =
            at == n || line[at] == ' ' || line[at] == '\t' || line[at] == '\r' || line[at] == '\n';
        if ((of < len && entry[of] != ' ') || !line_ends) {
            return false;
        }
        words++;
        at = skip_blanks(line, n, at);
        of = skip_blanks(entry, len, of);
    }
    return words > 0;
}

static bool is_allowed(const char *line, size_t n)
{
    for (const char *p = setting.remote_allow; *p;) {
        size_t len = strcspn(p, ",");
        if (begins(line, n, p, len)) {
            return true;
        }
        p += len + (p[len] == ',');
    }
    return false;
}

enum command_level remote_level(const char *line, size_t n, unsigned asked)
{
    unsigned most = level_of(setting.remote_level);
    if (most < COMMAND_OPERATOR && is_allowed(line, n)) {
        most = COMMAND_OPERATOR;
    }
    most = most < NAMES_N ? most : COMMAND_VIEWER;
    return (enum command_level)(asked < most ? asked : most);
}
