/* discover/discoveries.tbl.h - every kind of discovery: DISCOVERY(name), where name_discovery is
 * its struct discovery_ops. In this order their keys are tried. */
DISCOVERY(static)
DISCOVERY(file)
DISCOVERY(http)
DISCOVERY(dns)
DISCOVERY(consul)
DISCOVERY(docker)
DISCOVERY(dockerswarm)
DISCOVERY(kubernetes)
DISCOVERY(linode)
DISCOVERY(ovhcloud)
/* Checked alone. */
#define FOREIGN(name, http) DISCOVERY(foreign_##name)
#include "discover/foreign.tbl.h"
