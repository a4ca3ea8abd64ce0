/* daemon/doors.tbl.h - every kind of listening socket: DOOR(name, table of options, list of
 * addresses in its settings struct, stream or datagram, how many sockets an address gets, what is
 * done where an address is taken). The parent opens them, the worker gets them with their kind. */
DOOR(http, options_server_table, struct options_server, listen, DOOR_STREAM, DOOR_EACH_LOOP,
     DOOR_NEEDED)
DOOR(otlp, otlp_settings_options, struct otlp_settings, listen, DOOR_STREAM, DOOR_EACH_LOOP,
     DOOR_WANTED)
DOOR(statsd, statsd_options, struct statsd_settings, listen, DOOR_DATAGRAM, DOOR_ALONE, DOOR_WANTED)
DOOR(graphite, graphite_options, struct graphite_settings, listen, DOOR_STREAM, DOOR_EACH_LOOP,
     DOOR_WANTED)
DOOR(graphite_pickle, graphite_options, struct graphite_settings, listen_pickle, DOOR_STREAM,
     DOOR_EACH_LOOP, DOOR_WANTED)
DOOR(graphite_udp, graphite_options, struct graphite_settings, listen_udp, DOOR_DATAGRAM,
     DOOR_ALONE, DOOR_WANTED)
DOOR(collectd, collectd_options, struct collectd_settings, listen, DOOR_DATAGRAM, DOOR_ALONE,
     DOOR_WANTED)
DOOR(apps, apps_settings_options, struct apps_settings, listen, DOOR_LOCAL, DOOR_ALONE, DOOR_WANTED)
