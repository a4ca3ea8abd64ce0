/* conf/face.h - the inside of a configuration, for the files of this folder alone.
 *
 * Threads: as conf.h.
 */
#ifndef CONF_FACE_H
#define CONF_FACE_H

#include "base/arena.h"
#include "conf/conf.h"

struct conf {
    struct arena arena;
    struct conf_tables tables;
    void **settings;          /* [tables.n], of repeated tables the defaults */
    struct option_rows *rows; /* [tables.n], of repeated tables */
};

#endif
