/* receive/receivers.tbl.h - every way in over HTTP: RECEIVER(name), where name_receiver is its
 * struct receiver_ops. */
RECEIVER(collectd_http)
RECEIVER(influx)
RECEIVER(metrics_push)
RECEIVER(otlp)
RECEIVER(pushgateway)
RECEIVER(remote_write)
