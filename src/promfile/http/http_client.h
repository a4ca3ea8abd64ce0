/* promfile/http/http_client.h - the part of Prometheus's files that says how to talk to a server.
 *
 * basic_auth, authorization, bearer_token, oauth2, tls_config, proxies, http_headers,
 * follow_redirects, enable_http2: they stand among a scrape's, a discovery's or a remote's own
 * keys, so that who reads those asks http_client_key() for each key that is none of its own.
 *
 * Flow:    yaml node -> struct fetch_settings
 * Source:  Prometheus, common/config: fields, defaults and the wording of what is wrong.
 * Threads: pure functions.
 */
#ifndef PROMFILE_HTTP_HTTP_CLIENT_H
#define PROMFILE_HTTP_HTTP_CLIENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "net/fetch_settings.h"
#include "text/yaml.h"

/* Is key one of those that http_client_read() reads? */
bool http_client_key(struct str key);

/* Fills *ret from those keys of map that are its own, and checks them; relative paths of files
 * begin at folder. Memory from a. -ERR_FORMAT with what is wrong and *ret_place. Where map has
 * none of the keys, *ret is fetch_settings_default. */
MUST_USE int http_client_read(const struct yaml_node *map, struct str folder, struct arena *a,
                              struct fetch_settings *ret, struct yaml_place *ret_place,
                              struct why *why);

/* The same for a map that is a tls_config. */
MUST_USE int http_client_tls(const struct yaml_node *map, struct str folder, struct arena *a,
                             struct fetch_tls *ret, struct yaml_place *ret_place, struct why *why);

/* Calls f for each file that settings name. */
void http_client_files(const struct fetch_settings *settings,
                       void (*f)(void *context, struct str path), void *context);

#endif
