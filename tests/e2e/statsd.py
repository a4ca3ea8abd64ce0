#!/usr/bin/env python3
"""StatsD and DogStatsD: lines over UDP and Unix sockets to the running daemon, what queries say of
them, over restarts, and addresses that are taken.
"""
# timeout: 120
import json
import os
import signal
import socket
import time

from _daemon import Daemon, run, wait
from _port import free_port

QUIET = ["collect.enabled=false"]


class Statsd:
    """A daemon with a port and a path for StatsD, and sockets to both."""

    def __init__(self, *settings):
        self.port = free_port()
        self.daemon = Daemon(config="", settings=[*QUIET, *settings])
        self.path = os.path.join(self.daemon.folder, "statsd.sock")
        self.daemon.argv += ["--set", f"statsd.listen=127.0.0.1:{self.port},unix:{self.path}"]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self):
        self.daemon.start()
        self.udp.connect(("127.0.0.1", self.port))
        self.unix.connect(self.path)
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.unix.close()
        self.daemon.__exit__()

    def send(self, *lines):
        self.udp.send("\n".join(lines).encode())

    def value(self, text):
        """The one value of an expression, or None."""
        rows = self.daemon.query(text)
        return rows[0][1] if len(rows) == 1 else None

    def becomes(self, text, wanted):
        wait(f"{text} is {wanted}, not {self.daemon.query(text)}",
             lambda: self.value(text) == wanted)

    def raw(self, selector):
        data = self.daemon.json(f"/api/v1/query?query={selector}[5m]")["data"]["result"]
        return [[float(v) for _, v in series["values"]] for series in data]

    def own(self, name):
        """A series of the daemon's own page, 0 where it is not there."""
        for line in self.daemon.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0


def counters_are_totals_and_their_increase_is_all_that_came():
    with Statsd() as s:
        time.sleep(1.1)  # an interval before the first line
        s.send("shop.orders:1|c", "shop.orders:2|c", "shop.orders:1|c|@0.1")
        s.becomes("shop_orders", 13)
        s.send("shop.orders:7|c")
        s.becomes("shop_orders", 20)
        values = s.raw("shop_orders")[0]
        assert values[0] == 0 and values == sorted(values), values
        kinds = s.daemon.json("/api/v1/metadata?metric=shop_orders")["data"]
        assert kinds["shop_orders"][0]["type"] == "counter", kinds
        assert s.value("max_over_time(shop_orders[5m]) - min_over_time(shop_orders[5m])") == 20


def gauges_keep_their_value_and_take_signs():
    with Statsd() as s:
        s.send("queue.length:10|g")
        s.becomes("queue_length", 10)
        s.send("queue.length:-4|g", "queue.length:+1.5|g")
        s.becomes("queue_length", 7.5)
        time.sleep(1.5)
        assert s.value("queue_length") == 7.5
        assert len(s.raw("queue_length")[0]) >= 3  # written in each interval


def timers_have_quantiles_of_native_histograms():
    with Statsd() as s:
        for first in range(1, 1001, 50):
            s.send(*[f"request.time:{ms}|ms|#route:home" for ms in range(first, first + 50)])
        s.becomes("histogram_count(request_time)", 1000)
        assert abs(s.value("histogram_sum(request_time)") - 500.5) < 1e-6
        for q in (0.5, 0.9, 0.99):
            found = s.value(f"histogram_quantile({q}, request_time{{route='home'}})")
            assert abs(found / q - 1) < 0.045, (q, found)


def distributions_and_histograms_take_packed_and_sampled_values():
    with Statsd() as s:
        s.send("size:1:2:4:8|h", "length:100|d|@0.25", "length:100|d")
        s.becomes("histogram_count(size)", 4)
        s.becomes("histogram_sum(size)", 15)
        s.becomes("histogram_count(length)", 5)
        s.becomes("histogram_sum(length)", 500)


def classic_histograms_come_where_they_are_asked_for():
    with Statsd("statsd.histograms=classic", "statsd.buckets=0.1,0.5") as s:
        s.send("t:50|ms", "t:320|ms", "t:900|ms")
        s.becomes("t_count", 3)
        buckets = {m["le"]: v for m, v in s.daemon.query("t_bucket")}
        assert buckets == {"0.1": 1, "0.5": 2, "+Inf": 3}, buckets
        assert abs(s.value("t_sum") - 1.27) < 1e-9


def sets_count_the_different_values_of_an_interval():
    with Statsd() as s:
        s.send(*[f"users:{i % 70}|s" for i in range(200)])
        wait("70 users", lambda: 70 in [v for series in s.raw("users") for v in series])
        s.becomes("users", 0)


def tags_become_labels_in_every_manner_of_writing_them():
    with Statsd() as s:
        s.send("a.hits:1|g|#env:prod,canary", "b,host=x,zone=y:2|g", "c#host=z:3|g")
        s.becomes("a_hits{env='prod',canary='true'}", 1)
        s.becomes("b{host='x',zone='y'}", 2)
        s.becomes("c{host='z'}", 3)


def unix_sockets_take_the_same_lines():
    with Statsd("statsd.container_label=container_id") as s:
        s.unix.send(b"from.unix:5|c|c:ci-1234\nfrom.unix:5|c|c:ci-1234")
        s.becomes("from_unix{container_id='ci-1234'}", 10)
        assert os.stat(s.path).st_mode & 0o007 == 0  # for the owner and the group


def events_are_counted_and_service_checks_are_gauges():
    with Statsd() as s:
        s.send("_e{6,9}:Backup|disk full|t:error|#host:x", "_e{2,2}:up|ok",
               "_sc|db.up|2|h:web1|#env:prod|m:connection refused")
        s.becomes("statsd_service_check_status{name='db.up',host='web1',env='prod'}", 2)
        wait("events", lambda: s.own('sonde_statsd_events_total{alert_type="error"}') == 1
             and s.own('sonde_statsd_events_total{alert_type="info"}') == 1)


def bad_lines_are_counted_by_reason_and_good_ones_are_taken():
    with Statsd() as s:
        s.send("good:1|c", "novalue", "x:abc|c", "x:1|q", "x:1|c|@7", "good:1|g", "good:1|c")
        s.becomes("good", 2)

        def bad(reason):
            return s.own('sonde_statsd_bad_lines_total{reason="%s"}' % reason)
        wait("counts", lambda: bad("value") == 2)
        assert [bad(r) for r in ("type", "rate", "kind", "name")] == [1, 1, 1, 0]
        assert s.own("sonde_statsd_metrics_total") == 2


def series_end_when_nothing_comes_any_more():
    with Statsd("statsd.expiry_ms=2000", "statsd.interval_ms=500") as s:
        s.send("short.lived:1|g")
        s.becomes("short_lived", 1)
        wait("it ends", lambda: s.value("short_lived") is None, 10)
        wait("no series", lambda: s.own("sonde_statsd_series") == 0)


def what_came_in_the_last_interval_is_kept_when_the_daemon_stops():
    with Statsd("statsd.interval_ms=60000") as s:
        s.send("last.words:3|c")
        time.sleep(0.3)
        s.daemon.stop()
        s.daemon.start()
        s.becomes("last_words", 3)


def a_worker_that_dies_costs_no_datagram_that_comes_later():
    with Statsd() as s:
        s.send("hits:5|c")
        s.becomes("hits", 5)
        pid = s.daemon.worker()
        os.kill(pid, signal.SIGKILL)
        s.send("hits:2|c")  # into the socket that the parent holds
        wait("another worker", lambda: s.daemon.worker() not in (0, pid))
        s.becomes("hits", 2)
        values = s.raw("hits")[0]
        assert values[-1] == 2 and 5 in values, values
        resets = s.value("resets(hits[5m])")
        assert resets == 1, (resets, values)


def a_port_that_is_taken_is_a_warning_and_no_failure():
    with Statsd() as s:
        other = Daemon(config="", settings=[*QUIET, f"statsd.listen=127.0.0.1:{s.port}"])
        with other:
            other.start()
            assert "statsd is not received" in other.said(), other.said()
        s.send("still:1|c")
        s.becomes("still", 1)


def other_machines_need_to_be_let_in():
    d = Daemon(config="", settings=[*QUIET, "statsd.listen=0.0.0.0:0"])
    with d:
        d.start(ready=False)
        assert d.exit() == 1
        assert "statsd.listen has 0.0.0.0:0, which other machines can reach" in d.said(), d.said()


def a_flood_of_series_stops_at_the_limit():
    with Statsd("statsd.series_max=100") as s:
        for first in range(0, 1000, 20):
            s.send(*[f"flood.{i}:1|c" for i in range(first, first + 20)])
        wait("refusals", lambda: s.own('sonde_statsd_bad_lines_total{reason="limit"}') == 900)
        assert s.own("sonde_statsd_series") == 100
        answer = json.loads(s.daemon.get("/api/v1/query?query=count({__name__=~%22flood_.*%22})")[1])
        assert answer["data"]["result"][0]["value"][1] == "100", answer


if __name__ == "__main__":
    run(globals())
