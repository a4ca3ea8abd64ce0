/* client/send/dsn.h - a Sentry DSN: SCHEME://PUBLIC[:SECRET]@HOST[:PORT][/PREFIX]/PROJECT.
 *
 * Source:  develop.sentry.dev, parsing the DSN
 * Threads: any; pure functions.
 */
#ifndef CLIENT_SEND_DSN_H
#define CLIENT_SEND_DSN_H

#include <stdbool.h>

enum { DSN_URL_MAX = 700, DSN_AUTH_MAX = 400 };

struct dsn {
    char url[DSN_URL_MAX];   /* "https://host/prefix/api/42/envelope/" */
    char auth[DSN_AUTH_MAX]; /* the header: "X-Sentry-Auth: Sentry sentry_key=..," */
};

/* False where it is none: *ret_problem then says what is wrong, without the DSN (a secret may be in
 * it). */
bool dsn_read(const char *text, struct dsn *ret, const char **ret_problem);

#endif
