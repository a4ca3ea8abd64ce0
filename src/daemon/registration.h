/* daemon/registration.h - the registry of targets and the pool that scrapes what is in it.
 *
 * Threads: as work.
 */
#ifndef DAEMON_REGISTRATION_H
#define DAEMON_REGISTRATION_H

#include "conf/conf.h"
#include "discover/registry.h"
#include "promfile/promfile.h"

struct registration {
    struct registry *registry; /* NULL before registration_open() */
    struct promfile *file;     /* of one scrape_config without targets: the defaults */
    struct discovery_config discovery;
    struct promfile_scrape pool; /* for scrape_config.own */
};

/* Reads what is kept in disk. */
MUST_USE int registration_open(struct registration *r, const struct conf *conf, struct disk *disk,
                               struct why *why);

/* After the scraper and the servers have ended. */
void registration_close(struct registration *r);

#endif
