/* discover/registry_request.h - registrations as JSON, checked.
 *
 * Threads: pure functions.
 */
#ifndef DISCOVER_REGISTRY_REQUEST_H
#define DISCOVER_REGISTRY_REQUEST_H

#include "discover/registry.h"

/* As registry_read(); allowed: addresses of the link are fine. */
MUST_USE int registry_request_read(struct str json, bool allowed, struct arena *a,
                                   struct registry_request *ret, struct why *why);

/* The id of a job's target. */
void registry_request_id(struct str job, struct str address, char ret[REGISTRY_ID_SIZE + 1]);

/* May an address be scraped: HOST:PORT, and not one of the link alone (where clouds answer with
 * secrets) unless allowed? */
MUST_USE int registry_request_check_address(struct str address, bool allowed, struct why *why);

#endif
