#!/usr/bin/env python3
"""collectd's binary protocol from Debian's collectd: names, labels and values beside its own
write_prometheus plugin, signed and encrypted packets, and those that are refused.
"""
# timeout: 120
import os
import re
import shutil
import subprocess
import tempfile
import time

from _daemon import Daemon, Skip, run, wait
from _peers import fetch
from _port import free_port

PROGRAM, PLUGINS = "/usr/sbin/collectd", "/usr/lib/collectd"
TYPES = "/usr/share/collectd/types.db"


class Collectd:
    """collectd with a few plugins, sending to a port each second."""

    def __init__(self, port, network="", page=0, more=""):
        if not os.path.exists(PROGRAM):
            raise Skip("collectd is not installed")
        self.folder = tempfile.mkdtemp(prefix="sonde-collectd-")
        self.config = os.path.join(self.folder, "collectd.conf")
        plugins = "".join(f"LoadPlugin {p}\n" for p in
                          ("cpu", "load", "memory", "interface", "df", "processes", "uptime"))
        text = f"""Hostname "collectd.example"
BaseDir "{self.folder}"
PIDFile "{self.folder}/pid"
PluginDir "{PLUGINS}"
TypesDB "{TYPES}"
FQDNLookup false
Interval 1
LoadPlugin logfile
<Plugin logfile>
  File "{self.folder}/log"
</Plugin>
{plugins}{more}
LoadPlugin network
<Plugin network>
  <Server "127.0.0.1" "{port}">
    {network}
  </Server>
</Plugin>
"""
        if page:
            text += f"""LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "{page}"
</Plugin>
"""
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.folder, "out"), "wb") as out:
            self.process = subprocess.Popen([PROGRAM, "-f", "-C", self.config], stdout=out,
                                            stderr=out)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self):
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as f:
            assert self.process.poll() is None, f.read()


class Receiver:
    def __init__(self, *settings):
        self.port = free_port()
        self.daemon = Daemon(config="", settings=[
            "collect.enabled=false", f"collectd.listen=127.0.0.1:{self.port}", *settings])

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()

    def series(self):
        return {(m.pop("__name__"), *sorted(m.items())): v
                for m, v in self.daemon.query('{__name__=~"collectd_.+"}')}

    def own(self, name):
        for line in self.daemon.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0


def users(folder, text):
    path = os.path.join(folder, "users")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def samples_of_page(text):
    """{(name, labels..): value} of an exposition, and {name: type}."""
    found, kinds = {}, {}
    for line in text.splitlines():
        kind = re.match(r"# TYPE (\S+) (\S+)", line)
        if kind:
            kinds[kind.group(1)] = kind.group(2)
        m = re.match(r"([a-zA-Z_:]\w*){(.*)} (\S+) \d+$", line)
        if m and m.group(3) != "NaN":
            labels = re.findall(r'(\w+)="([^"]*)"', m.group(2))
            found[(m.group(1), *sorted(labels))] = float(m.group(3))
    return found, kinds


def names_labels_types_and_values_are_those_of_write_prometheus():
    if not shutil.which("ldd") or "not found" in subprocess.run(
            ["ldd", f"{PLUGINS}/write_prometheus.so"], capture_output=True, text=True).stdout:
        raise Skip("collectd's write_prometheus cannot be loaded")
    with Receiver() as r, Collectd(r.port, page=(page := free_port())) as c:
        url = f"http://127.0.0.1:{page}/metrics"
        wait("collectd's page", lambda: c.alive() is None and "collectd_load" in
             fetch(url)[1].decode())
        time.sleep(3)

        def same():
            theirs, _ = samples_of_page(fetch(url)[1].decode())
            ours = r.series()
            return len(theirs) > 30 and set(ours) == set(theirs)
        wait("the same series", same)
        theirs, kinds = samples_of_page(fetch(url)[1].decode())
        ours = r.series()
        metadata = r.daemon.json("/api/v1/metadata?limit=10000")["data"]
        assert {n: metadata[n][0]["type"] for n in kinds} == kinds
        # Both look at a moving machine, a second apart at most: totals are near each other.
        totals = [k for k in theirs if k[0].endswith("_total") and theirs[k] > 1000]
        assert len(totals) > 5
        for key in totals:
            assert abs(ours[key] / theirs[key] - 1) < 0.05, (key, ours[key], theirs[key])
        assert r.own('sonde_collectd_bad_packets_total{reason="format"}') == 0


def samples_bear_collectds_own_times():
    with Receiver() as r, Collectd(r.port) as c:
        wait("load", lambda: c.alive() is None and r.daemon.query("collectd_load_shortterm"))
        time.sleep(2.5)
        data = r.daemon.json("/api/v1/query?query=collectd_load_shortterm[1m]")["data"]["result"]
        times = [t for t, _ in data[0]["values"]]
        assert len(times) >= 3
        for a, b in zip(times, times[1:]):
            assert 0.9 < b - a < 1.1, times
        assert data[0]["metric"] == {"__name__": "collectd_load_shortterm",
                                     "instance": "collectd.example"}, data


def signed_and_encrypted_packets_are_taken_from_known_users():
    with tempfile.TemporaryDirectory() as folder:
        path = users(folder, "ann: open sesame\n")
        for level in ("Sign", "Encrypt"):
            network = f'SecurityLevel {level}\nUsername "ann"\nPassword "open sesame"\n'
            with Receiver(f"collectd.auth_file={path}",
                          f"collectd.security={level.lower()}") as r:
                with Collectd(r.port, network) as c:
                    wait(level, lambda: c.alive() is None and
                         r.daemon.query("collectd_load_shortterm"))
                    for reason in ("format", "signature", "security"):
                        assert r.own(
                            f'sonde_collectd_bad_packets_total{{reason="{reason}"}}') == 0


def packets_of_others_are_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = users(folder, "ann: open sesame\n")
        with Receiver(f"collectd.auth_file={path}", "collectd.security=sign") as r:
            for network, reason in (
                    ("", "security"),
                    ('SecurityLevel Sign\nUsername "ann"\nPassword "guess"\n', "signature"),
                    ('SecurityLevel Encrypt\nUsername "bob"\nPassword "x"\n', "signature")):
                before = r.own(f'sonde_collectd_bad_packets_total{{reason="{reason}"}}')
                with Collectd(r.port, network) as c:
                    wait(reason, lambda: c.alive() is None and r.own(
                        f'sonde_collectd_bad_packets_total{{reason="{reason}"}}') > before)
            assert r.series() == {}
    with Receiver() as r:  # without a file of users nobody is known
        with Collectd(r.port, 'SecurityLevel Encrypt\nUsername "ann"\nPassword "x"\n') as c:
            wait("refused", lambda: c.alive() is None and r.own(
                'sonde_collectd_bad_packets_total{reason="signature"}') > 0)
        assert r.series() == {}


def it_listens_only_where_it_is_told_to():
    with Daemon(config="", settings=["collect.enabled=false"]) as d:
        d.start()
        with open("/proc/net/udp", encoding="ascii") as f:
            assert ":64E2 " not in f.read()  # 25826
        lines = d.get("/metrics")[1].decode()
        assert "sonde_collectd_datagrams_total" not in lines


def a_file_of_users_that_is_missing_ends_the_start():
    d = Daemon(config="", settings=["collectd.auth_file=/nonexistent/users",
                                    f"collectd.listen=127.0.0.1:{free_port()}"])
    with d:
        d.start(ready=False)
        assert d.exit() != 0
        assert "/nonexistent/users" in d.said(), d.said()


if __name__ == "__main__":
    run(globals())
