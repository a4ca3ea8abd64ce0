#include "apps/apps_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "model/sink.h"

#define AT(member) offsetof(struct apps_settings, member)

static const struct option ROWS[] = {
    {"enabled", OPTION_BOOL, AT(enabled), "true", 0, 0, NULL, 0,
     "Listen for applications that link libsonde, or that speak its protocol."},
    {"listen", OPTION_LIST, AT(listen), APPS_SETTINGS_AUTO, 0, 0, NULL, 0,
     "Unix sockets that they connect to: unix:/PATH or auto, which is /run/sonde/sonde.sock where "
     "that folder may be written, else $XDG_RUNTIME_DIR/sonde/sonde.sock, else "
     "/tmp/sonde-UID/sonde.sock: the places where the library looks."},
    {"mode", OPTION_CHOICE, AT(mode), "0666", 0, 0, "0666|0660|0600", 0,
     "Who may connect, where the folder lets them come so far: everybody, the group, the owner."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 1, TENANT_NAME_MAX, NULL, 0,
     "The tenant whose series the metrics of applications become."},
    {"connections_max", OPTION_INT, AT(connections_max), "1000", 1, 100000, NULL, 0,
     "Applications at once; the one past it is refused and tries again."},
    {"series_max", OPTION_INT, AT(series_max), "50000", 1, 1e7, NULL, 0,
     "Series of one application; samples of others are refused and counted."},
    {"bytes_per_second_max", OPTION_INT, AT(bytes_per_second_max), "33554432", 65536, 1e10, NULL, 0,
     "Bytes that are read from one connection in a second; more waits in the application."},
    {"spans_bytes_max", OPTION_INT, AT(spans_bytes_max), "268435456", 33554432, 1e13, NULL, 0,
     "Bytes on disk of the spool of spans; what is oldest goes when it is full, and is counted."},
    {"logs_bytes_max", OPTION_INT, AT(logs_bytes_max), "268435456", 33554432, 1e13, NULL, 0,
     "The same for log records."},
    {"errors_bytes_max", OPTION_INT, AT(errors_bytes_max), "268435456", 33554432, 1e13, NULL, 0,
     "The same for errors, crashes and sessions."},
    {"symbols", OPTION_BOOL, AT(symbols), "true", 0, 0, NULL, 0,
     "Have sonde-helper-symbols put names of functions, files and lines into crashes and errors."},
    {"otlp_endpoint", OPTION_TEXT, AT(otlp_endpoint), "", 0, 400, NULL, 0,
     "Base URL of an OTLP/HTTP collector (http://HOST:4318) that gets the spans and logs too; "
     "empty: none."},
};

const struct option_table apps_settings_options = {
    "apps", "Applications that link libsonde: their socket, and what is kept of what they send.",
    false,  sizeof(struct apps_settings),
    ROWS,   COUNTOF(ROWS),
};

#undef AT
#define AT(member) offsetof(struct apps_settings_sentry, member)

static const struct option SENTRY[] = {
    {"dsn", OPTION_TEXT, AT(dsn), "", 0, 500, NULL, OPTION_SECRET,
     "Where errors of applications are sent on to: https://KEY@HOST/PROJECT of a server that takes "
     "Sentry's envelopes; empty: nowhere."},
    {"timeout_ms", OPTION_INT, AT(timeout_ms), "30000", 100, 600000, NULL, 0,
     "How long one envelope may take."},
};

const struct option_table apps_settings_sentry_options = {
    "sentry", "Errors of applications are sent on to a server that speaks Sentry's protocol.",
    false,    sizeof(struct apps_settings_sentry),
    SENTRY,   COUNTOF(SENTRY),
};

void apps_settings_folder(size_t i, char ret[APPS_SETTINGS_PATH_MAX], bool *ret_ours)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    *ret_ours = i > 0;
    ret[0] = '\0';
    if (i == 0)
        snprintf(ret, APPS_SETTINGS_PATH_MAX, "/run/sonde");
    else if (i == 1 && runtime != NULL && runtime[0] == '/' &&
             str_c(runtime).n + sizeof "/sonde/sonde.sock" <= APPS_SETTINGS_PATH_MAX)
        snprintf(ret, APPS_SETTINGS_PATH_MAX, "%.80s/sonde", runtime);
    else if (i == 2)
        snprintf(ret, APPS_SETTINGS_PATH_MAX, "/tmp/sonde-%u", (unsigned)getuid());
}

static bool plain(struct str s, bool dots)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' ||
                    (dots && (c == '.' || c == ':' || c == '[' || c == ']' || c == '/'));
        if (!fine)
            return false;
    }
    return s.n > 0;
}

int apps_settings_dsn(const char *dsn, struct apps_settings_dsn *ret, struct why *why)
{
    static const char FORM[] = "sentry.dsn must look as https://KEY@HOST/PROJECT";
    struct str all = str_c(dsn), rest;
    size_t scheme = str_search(all, STR("://"));
    struct str word = str_sub(all, 0, scheme);
    if (!str_eq(word, STR("http")) && !str_eq(word, STR("https")))
        return why_set(why, ERR_FORMAT, "%s", FORM);
    rest = str_sub(all, scheme + 3, all.n);
    size_t at = str_find(rest, '@');
    struct str user = str_sub(rest, 0, at), place = str_sub(rest, at + 1, rest.n);
    struct str key = str_sub(user, 0, str_find(user, ':')); /* an old DSN has a secret behind it */
    size_t slash = place.n;
    while (slash > 0 && place.p[slash - 1] != '/')
        slash--;
    struct str project = str_sub(place, slash, place.n);
    struct str host = str_sub(place, 0, slash > 0 ? slash - 1 : 0);
    if (at == rest.n || !plain(key, false) || !plain(project, false) || !plain(host, true) ||
        key.n >= sizeof ret->key)
        return why_set(why, ERR_FORMAT, "%s", FORM);
    snprintf(ret->url, sizeof ret->url, STR_FMT "://" STR_FMT "/api/" STR_FMT "/envelope/",
             STR_ARG(word), STR_ARG(host), STR_ARG(project));
    snprintf(ret->shown, sizeof ret->shown, STR_FMT "://" STR_FMT "/" STR_FMT, STR_ARG(word),
             STR_ARG(host), STR_ARG(project));
    snprintf(ret->key, sizeof ret->key, STR_FMT, STR_ARG(key));
    return 0;
}

int apps_settings_check(const struct apps_settings *s, const struct apps_settings_sentry *sentry,
                        struct why *why)
{
    struct apps_settings_dsn dsn;
    struct str endpoint = str_c(s->otlp_endpoint);
    for (size_t i = 0; i < s->listen.n; i++) {
        struct str path = str_c(s->listen.v[i]);
        if (!str_eq(path, STR(APPS_SETTINGS_AUTO)) && !str_starts(path, STR("unix:/")))
            return why_set(why, ERR_FORMAT, "apps.listen must be auto or unix:/PATH, not %s",
                           s->listen.v[i]);
        if (path.n >= APPS_SETTINGS_PATH_MAX + sizeof "unix:" - 1)
            return why_set(why, ERR_FORMAT,
                           "apps.listen: the path of a socket has at most 107 bytes");
    }
    if (endpoint.n > 0 && !str_starts(endpoint, STR("http://")) &&
        !str_starts(endpoint, STR("https://")))
        return why_set(why, ERR_FORMAT, "apps.otlp_endpoint must be a URL: http://HOST:4318");
    return sentry->dsn[0] == '\0' ? 0 : apps_settings_dsn(sentry->dsn, &dsn, why);
}
