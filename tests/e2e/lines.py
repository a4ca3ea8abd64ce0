#!/usr/bin/env python3
"""Line protocols that are pushed: InfluxDB's and collectd's over HTTP; Graphite's over sockets."""
# timeout: 180
# suites: plain asan
import gzip
import json
import os
import pickle
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse

from _daemon import Daemon, run, wait
from _peers import api, needs, victoria
from _port import free_port

# What Telegraf 1.2x writes of one host, as its file output has it.
CAPTURED = r"""cpu,cpu=cpu-total,host=web\ 1,role=a\,b usage_user=1.2562814070351758,usage_system=0.5025125628140703,usage_idle=98.24120603015075,usage_steal=0 {t}
mem,host=web\ 1 active=1325514752i,available_percent=81.34,total=8326131712i,used_percent=14.2 {t}
disk,device=sda1,fstype=ext4,host=web\ 1,mode=rw,path=/ free=30064771072i,inodes_used=120331i,used_percent=47.5 {t}
system,host=web\ 1 load1=0.15,n_cpus=2i,n_users=1i {t}
system,host=web\ 1 uptime=123456i {t}
system,host=web\ 1 uptime_format="1 day, 10:17" {t}
docker_container_status,com.docker.compose.project=shop,host=web\ 1 oomkilled=false,exitcode=0i,container_id="3a1f" {t}
"""
STORED = {"cpu_usage_user": 1.2562814070351758, "cpu_usage_system": 0.5025125628140703,
          "cpu_usage_idle": 98.24120603015075, "cpu_usage_steal": 0, "mem_active": 1325514752,
          "mem_available_percent": 81.34, "mem_total": 8326131712, "mem_used_percent": 14.2,
          "disk_free": 30064771072, "disk_inodes_used": 120331, "disk_used_percent": 47.5,
          "system_load1": 0.15, "system_n_cpus": 2, "system_n_users": 1, "system_uptime": 123456,
          "docker_container_status_oomkilled": 0, "docker_container_status_exitcode": 0}


def daemon(*settings):
    return Daemon(settings=["collect.enabled=false", *settings])


def write(d, body, path="/write?db=telegraf", **headers):
    body = body.encode() if isinstance(body, str) else body
    status, text = d.get(path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    return status, json.loads(text) if text else None


def captured():
    return CAPTURED.replace("{t}", str(int(time.time()) * 10**9))


def an_agents_lines_are_stored_as_they_come_and_gzipped():
    for pack in (lambda b: b, gzip.compress):
        with daemon() as d:
            d.start()
            headers = {"Content-Encoding": "gzip"} if pack is gzip.compress else {}
            assert write(d, pack(captured().encode()), **headers) == (204, None)
            found = {m["__name__"]: v for m, v in d.query('{db="telegraf"}')}
            assert found == STORED, found
            assert d.query("cpu_usage_user")[0][0] == {
                "__name__": "cpu_usage_user", "cpu": "cpu-total", "host": "web 1", "role": "a,b",
                "db": "telegraf"}
            assert d.query("docker_container_status_exitcode")[0][0]["com.docker.compose.project"] \
                == "shop"


def both_versions_and_all_addresses_take_lines():
    with daemon() as d:
        d.start()
        now = int(time.time())
        for i, path in enumerate(["/write?db=x&precision=s", "/influx/write?db=x&precision=s&u=a&p=b",
                                  "/api/v2/write?bucket=x&org=o&precision=s",
                                  "/influx/api/v2/write?bucket=x&precision=s"]):
            assert write(d, f"m,i={i} v={i} {now}", path) == (204, None)
        assert sorted(v for m, v in d.query('m_v{db="x"}')) == [0, 1, 2, 3]
        # curl --data-binary says that it sends a form; the body is none.
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = write(d, f"m,i=50%&db v=5 {now}", "/write?precision=s", **form)
        assert answer == (204, None), answer
        assert d.query('m_v{i="50%&db"}')[0][1] == 5


def what_clients_ask_first_is_answered():
    with daemon() as d:
        d.start()
        assert d.get("/ping")[0] == 204
        assert d.get("/ping?verbose=true")[0] == 200
        q = urllib.parse.urlencode({"q": 'CREATE DATABASE "telegraf"'})
        assert d.get("/query", q.encode()) == (200, b'{"results":[{"statement_id":0}]}\n')
        answer = d.json("/query?" + urllib.parse.urlencode({"q": "SHOW DATABASES"}))
        assert answer["results"][0]["series"][0]["columns"] == ["name"], answer
        answer = d.json("/query?" + urllib.parse.urlencode({"q": "SELECT 1"}))
        assert "PromQL" in answer["results"][0]["error"], answer
        # Prometheus's page at the same address still leads to ours.
        assert d.get("/query?g0.expr=up")[0] == 200


def good_lines_of_a_bad_body_are_kept():
    with daemon() as d:
        d.start()
        status, answer = write(d, "good a=1\nbad\nbetter b=2\nworse c=x\n")
        assert status == 400, answer
        assert answer["error"] == ("partial write: unable to parse 'bad': missing fields\n"
                                   "unable to parse 'worse c=x': invalid field format dropped=2")
        assert len(d.query('{db="telegraf"}')) == 2
        status, answer = write(d, "bad", "/api/v2/write")
        assert (status, answer["code"]) == (400, "invalid"), answer
        assert answer["message"] == "unable to parse 'bad': missing fields"
        status, answer = write(d, "a b=1 99999999999999", "/write?precision=s")
        assert status == 400 and "a_b" in answer["error"], answer
        assert write(d, "a b=1", "/write?precision=d")[0] == 400
        assert write(d, "\x1f\x8b broken", Content_Encoding="gzip")[0] == 400
        assert write(d, "a b=1", Content_Encoding="br")[0] == 415


def series_are_called_as_the_options_say():
    with daemon('influx.separator=.', "influx.skip_single_field=true",
                'influx.names=underscores', 'influx.db_label=') as d:
        d.start()
        assert write(d, "one.x,a.b=c v=1\ntwo v=1,w=2\n")[0] == 204
        found = sorted(tuple(sorted(m.items())) for m, _ in d.query('{__name__=~"one.*|two.*"}'))
        assert found == [(("__name__", "one_x"), ("a_b", "c")), (("__name__", "two_v"),),
                         (("__name__", "two_w"),)], found


def the_same_lines_give_the_same_series_as_in_victoria_metrics():
    needs("victoria-metrics")
    body = captured().replace('system,host=web\\ 1 uptime_format="1 day, 10:17" {t}\n', "")
    body = "\n".join(line for line in body.split("\n") if '"' not in line)
    with daemon() as d, victoria() as peer:
        d.start()
        assert write(d, body)[0] == 204
        import urllib.request
        request = urllib.request.Request(peer.url + "/write?db=telegraf", data=body.encode())
        assert urllib.request.urlopen(request, timeout=10).status == 204

        def series(url):
            found = api(url, "query", query='last_over_time({db="telegraf"}[1h])')
            return sorted((tuple(sorted(r["metric"].items())), f"{float(r['value'][1]):.10g}")  # the peer keeps twelve digits
                          for r in found["result"])
        ours = series(d.url)
        assert len(ours) == 15, ours
        try:
            wait("", lambda: series(peer.url) == ours, 10)
        except AssertionError:
            raise AssertionError(f"{series(peer.url)} is not {ours}") from None


# ---- Graphite

class Carbon:
    def __init__(self, *settings):
        self.lines, self.pickles = free_port(), free_port()
        self.daemon = daemon(f'graphite.listen=127.0.0.1:{self.lines}',
                             f'graphite.listen_udp=127.0.0.1:{self.lines}',
                             f'graphite.listen_pickle=127.0.0.1:{self.pickles}', *settings)

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()

    def say(self, *parts, port=None, pause=0.0):
        with socket.create_connection(("127.0.0.1", port or self.lines), 5) as s:
            for part in parts:
                s.sendall(part if isinstance(part, bytes) else part.encode())
                time.sleep(pause)

    def values(self, selector='{__name__!=""}'):
        return {m.pop("__name__") + "".join(f";{k}={v}" for k, v in sorted(m.items())): value
                for m, value in self.daemon.query(selector)}

    def wait(self, wanted, selector='{__name__!=""}'):
        try:
            wait("", lambda: self.values(selector) == wanted, 10)
        except AssertionError:
            raise AssertionError(f"{self.values(selector)} is not {wanted}") from None


def framed(data, protocol):
    body = pickle.dumps(data, protocol)
    return struct.pack("!L", len(body)) + body


def lines_over_tcp_come_in_pieces_and_without_an_end():
    with Carbon() as c:
        now = int(time.time())
        c.say("a.b 1 ", f"{now}\nc;x=y", f" 2 {now}\nbad\n", f"d 3.5 {now}", pause=0.05)
        c.wait({"a.b": 1, "c;x=y": 2, "d": 3.5})
        counted = c.daemon.get("/metrics")[1].decode()
        assert "sonde_graphite_refused_total 1\n" in counted, counted
        assert "sonde_graphite_samples_total 3\n" in counted
        assert any("a line is PATH VALUE TIME" in line for line in c.daemon.errors)


def lines_over_udp_are_taken():
    with Carbon() as c:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for i in range(10):
                s.sendto(f"u.m{i} {i} {int(time.time())}\nv.m{i} {i}".encode(), ("127.0.0.1", c.lines))
        c.wait({f"{a}.m{i}": i for a in "uv" for i in range(10)})


def pickles_of_every_protocol_are_taken():
    with Carbon() as c:
        now = time.time()
        wanted = {}
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            rows = [(f"p{protocol}.m{i};a=b", (now, i + 0.5)) for i in range(600)]
            wanted.update({name: value for name, (_, value) in rows})
            c.say(framed(rows, protocol)[:100], framed(rows, protocol)[100:], port=c.pickles,
                  pause=0.02)
        c.say(framed([("text", (str(int(now)), "7")), ("none", (now, None)), "odd"], 2) +
              framed([("int", (int(now), 2**40))], 2), port=c.pickles)
        wanted.update({"text": 7, "int": 2**40})
        c.wait(wanted)
        assert "sonde_graphite_refused_total 2\n" in c.daemon.get("/metrics")[1].decode()


def a_pickle_that_would_run_something_is_refused():
    class Evil:
        def __reduce__(self):
            return (print, ("called",))

    with Carbon() as c:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with socket.create_connection(("127.0.0.1", c.pickles), 5) as s:
                s.sendall(framed([("x", (1, 1)), Evil()], protocol))
                s.settimeout(5)
                assert s.recv(1) == b""  # closed
        with socket.create_connection(("127.0.0.1", c.pickles), 5) as s:
            s.sendall(b"\xff\xff\xff\xff")
            s.settimeout(5)
            assert s.recv(1) == b""
        assert c.values() == {}
        assert any("not of plain data" in line for line in c.daemon.errors), c.daemon.said()


def templates_and_plain_names_are_obeyed():
    with Carbon('graphite.names=underscores',
                'graphite.templates=servers.* .host.measurement* site=a') as c:
        c.say(f"servers.web1.cpu.load 1 {int(time.time())}\nother.x-y 2\n")
        c.wait({"cpu_load;host=web1;site=a": 1, "other_x_y": 2})


def many_lines_are_all_there_after_a_stop():
    with Carbon() as c:
        now = int(time.time()) - 1000
        n = 200000
        body = "".join(f"m{i % 1000} {i} {now + i // 1000}\n" for i in range(n))
        c.say(body)
        wait("all are taken", lambda: f"sonde_graphite_samples_total {n}\n" in
             c.daemon.get("/metrics")[1].decode())
        idle = socket.create_connection(("127.0.0.1", c.lines), 5)
        idle.sendall(b"half a line")
        assert c.daemon.stop(signal.SIGTERM) == 0, c.daemon.said()
        idle.close()
        c.daemon.start()
        found = sum(v for _, v in c.daemon.query('sum by (x) (count_over_time({__name__="m7"}[1h]))'))
        assert found == n / 1000, found
        found = c.daemon.query("count(last_over_time({__name__!=''}[1h]))")[0][1]
        assert found == 1000, found


# ---- collectd

COLLECTD = """
Hostname "web1"
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin load
LoadPlugin memory
LoadPlugin interface
LoadPlugin write_http
<Plugin write_http>
  <Node "sonde">
    URL "{url}/api/collectd"
    Format "{format}"
    BufferSize 4096
    Timeout 2000
  </Node>
</Plugin>
"""


def collectd_writes_in_both_of_its_formats():
    needs("collectd")
    for form in ("JSON", "Command"):
        folder = tempfile.mkdtemp(prefix="sonde-e2e-collectd-")
        with daemon() as d:
            d.start()
            config = os.path.join(folder, "collectd.conf")
            with open(config, "w", encoding="ascii") as f:
                f.write(COLLECTD.format(folder=folder, url=d.url, format=form))
            collectd = subprocess.Popen(["collectd", "-f", "-C", config], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
            try:
                wait(f"load as {form}", lambda: d.query('collectd_load_shortterm{instance="web1"}'))
                wait(f"memory as {form}", lambda: d.query('collectd_memory{memory="used"} > 1e6'))
                wait(f"traffic as {form}",
                     lambda: d.query('collectd_interface_if_octets_rx_total{interface="lo"} > 0'))
            finally:
                collectd.send_signal(signal.SIGTERM)
                collectd.wait(20)
                shutil.rmtree(folder)
            page = d.get("/metrics")[1].decode()
            assert "sonde_collectd_http_rejected_total 0\n" in page, page


def bad_collectd_items_are_named():
    with daemon() as d:
        d.start()
        status, text = d.get("/api/collectd", b"PUTVAL a/b/c N:1\nPUTVAL a/b/c x:1\n")
        assert status == 400 and b"1 values were refused, 1 are stored" in text, text
        assert b"line 2: the time is not a number" in text, text
        assert d.get("/api/collectd", b"[{")[0] == 400
        assert d.query('collectd_b_c{instance="a"}')[0][1] == 1


run(globals())
