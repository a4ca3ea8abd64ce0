#!/usr/bin/env python3
"""Checks of components against what they check: databases that are stopped and started, plug-ins of
Nagios, servers that hang, lie and redirect, a certificate that ends soon, gRPC's health service.
"""
# timeout: 240
# suites: plain asan
import glob
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from _daemon import ROOT, SONDE, Daemon, Skip, run, wait
from _dns import NameServer
from _port import free_port

sys.path.append(os.path.join(ROOT, "tests", "collect"))
import _systemd  # noqa: E402

DEBIAN = "/usr/bin/python3"  # whose modules python3-grpcio is one of

try:
    import grpc
except ImportError:
    grpc = None
    if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN) and os.path.exists(DEBIAN):
        os.execv(DEBIAN, [DEBIAN, *sys.argv])

FAST = "interval_ms = 200\nfall = 2\nrise = 1\ntimeout_ms = 1500\n"
PLUGINS = "/usr/lib/nagios/plugins"


def row(name, kind="http", more=FAST, **settings):
    lines = [f"[[check]]\nname = {json.dumps(name)}\nkind = {json.dumps(kind)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n" + more + "\n"


def check(daemon, name):
    return daemon.json(f"/api/checks/{name}")["data"]


def reaches(daemon, name, status, patience=20):
    def there():
        now = check(daemon, name)
        return now if now["status"] == status else None
    try:
        return wait(f"{name} is {status}", there, patience)
    except AssertionError as e:
        raise AssertionError(f"{e}: {check(daemon, name)}") from e


def kept(daemon, name, *states):
    """The history, once it begins with these states, the newest first: it is written soon."""
    def there():
        history = daemon.json(f"/api/checks/{name}/history")["data"]
        return history if [h["status"] for h in history[:len(states)]] == list(states) else None
    return wait(f"{name} was {states}", there)


class Server:
    """An HTTP server whose answers can be changed."""

    def __init__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                outer.asked += 1
                outer.connections.add(self.client_address)
                if outer.hangs:
                    time.sleep(4)
                body = outer.body.encode()
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", str(len(body) + outer.lies))
                self.end_headers()
                try:
                    self.wfile.write(body)
                    if outer.lies:
                        self.close_connection = True
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.status, self.body, self.location = 200, "all is well", ""
        self.hangs, self.lies, self.asked, self.connections = False, 0, 0, set()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


class Started:
    """A program with a folder of its own, ended by its number."""

    def __init__(self, argv, **how):
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        **how)

    def stop(self, signum=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signum)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def end(daemon):
    daemon.stop()
    shutil.rmtree(daemon.folder, ignore_errors=True)


def needs(path):
    found = shutil.which(path) or (path if os.path.exists(path) else None)
    if not found:
        raise Skip(f"{path} is not here")
    return found


def an_http_server_that_errs_hangs_lies_and_redirects_is_told_apart():
    server = Server()
    daemon = Daemon(row("web", url=server.url + "/", contains="well") +
                    row("slow", url=server.url + "/", degraded_above_ms=1) +
                    row("gone", url=f"http://127.0.0.1:{free_port()}/")).start()
    try:
        web = reaches(daemon, "web", "healthy")
        assert web["message"] == "status 200", web
        assert "refused" in reaches(daemon, "gone", "unhealthy")["message"]
        assert daemon.get("/health")[0] == 503
        server.status = 503
        assert "503" in reaches(daemon, "web", "unhealthy")["message"]
        server.status, server.body = 200, "sorry"
        wait("what is missing is told", lambda: "not in the answer" in check(daemon, "web")["message"])
        server.status, server.location = 302, "http://127.0.0.1:1/login"
        wait("the redirect is told", lambda: "/login" in check(daemon, "web")["message"])
        server.status, server.location, server.body = 200, "", "all is well"
        reaches(daemon, "web", "healthy")
        server.lies = 50
        assert "closed" in reaches(daemon, "web", "unhealthy")["message"]
        server.lies, server.hangs = 0, True
        wait("it is late", lambda: "1500 ms" in check(daemon, "web")["message"])
        server.hangs = False
        reaches(daemon, "web", "healthy")
        history = kept(daemon, "web", "healthy", "unhealthy", "healthy")
        assert history[0]["end_ms"] is None and history[1]["end_ms"] == history[0]["time_ms"]
        assert check(daemon, "web")["uptime"]["day"] < 1
        assert server.asked > len(server.connections), "connections are kept"
    finally:
        end(daemon)
        server.stop()


def databases_that_stop_and_start_are_seen():
    redis, mariadb = needs("redis-server"), needs("mariadbd")
    postgres = needs((glob.glob("/usr/lib/postgresql/*/bin/postgres") or ["postgres"])[0])
    folder = tempfile.mkdtemp(prefix="sonde-peers-")
    ports = {name: free_port() for name in ("redis", "mysql", "postgresql")}
    root = os.geteuid() == 0
    how = {"user": "postgres", "cwd": "/"} if root else {}
    os.chmod(folder, 0o777)
    pg = os.path.join(folder, "pg")
    subprocess.run([os.path.join(os.path.dirname(postgres), "initdb"), "-D", pg, "-A", "trust",
                    "-N"], check=True, capture_output=True, **how)
    my = os.path.join(folder, "my")
    os.makedirs(os.path.join(my, "mysql"))
    tables = b"create database if not exists mysql;\nuse mysql;\n"
    for name in ("tables", "tables_data"):
        with open(f"/usr/share/mysql/mysql_system_{name}.sql", "rb") as f:
            tables += f.read()
    subprocess.run([mariadb, "--no-defaults", "--bootstrap", f"--datadir={my}",
                    *(["--user=root"] if root else [])], input=tables, check=True,
                   capture_output=True)
    commands = {
        "redis": ([redis, "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", "",
                   "--requirepass", "secret", "--dir", folder], {}),
        "mysql": ([mariadb, "--no-defaults", f"--datadir={my}", f"--port={ports['mysql']}",
                   "--bind-address=127.0.0.1", f"--socket={folder}/my.sock",
                   *(["--user=root"] if root else [])], {}),
        "postgresql": ([postgres, "-D", pg, "-p", str(ports["postgresql"]), "-k", folder, "-F",
                        "-c", "listen_addresses=127.0.0.1"], how),
    }
    running = {name: Started(argv, **more) for name, (argv, more) in commands.items()}
    daemon = Daemon("".join(row(name, name, address=f"127.0.0.1:{port}", more=FAST +
                                ('password = "secret"\n' if name == "redis" else ""))
                            for name, port in ports.items()) +
                    row("redis-bare", "redis", address=f"127.0.0.1:{ports['redis']}") +
                    row("redis-wrong", "redis", address=f"127.0.0.1:{ports['redis']}",
                        password="wrong") +
                    row("wrong-port", "postgresql", address=f"127.0.0.1:{ports['redis']}")).start()
    try:
        for name in ports:
            reaches(daemon, name, "healthy", 40)
        assert check(daemon, "redis")["message"] == "PONG"
        assert "password" in reaches(daemon, "redis-bare", "healthy")["message"]
        assert "WRONGPASS" in reaches(daemon, "redis-wrong", "unhealthy")["message"]
        reaches(daemon, "wrong-port", "unhealthy")
        for name in ports:
            running[name].stop(signal.SIGINT if name == "postgresql" else signal.SIGTERM)
            reaches(daemon, name, "unhealthy")
        alerts = [m["check"] for m, _ in daemon.query("sonde_check_status == 2")] if wait(
            "states are series", lambda: len(daemon.query("sonde_check_status == 2")) >= 3) else []
        assert set(ports) <= set(alerts), alerts
        for name, (argv, more) in commands.items():
            running[name] = Started(argv, **more)
            reaches(daemon, name, "healthy", 40)
    finally:
        end(daemon)
        for one in running.values():
            one.stop(signal.SIGINT)
        shutil.rmtree(folder, ignore_errors=True)


def plug_ins_of_nagios_give_states_and_figures():
    needs(os.path.join(PLUGINS, "check_load"))
    server = Server()
    daemon = Daemon(
        row("load", "command", command=[f"{PLUGINS}/check_load", "-w", "900,900,900", "-c",
                                        "999,999,999"]) +
        row("disk", "command", command=[f"{PLUGINS}/check_disk", "-w", "101%", "-c", "0%", "-p",
                                        "/"]) +
        row("http", "command", command=[f"{PLUGINS}/check_http", "-H", "127.0.0.1", "-p",
                                        str(server.port)]) +
        row("dummy", "command", command=[f"{PLUGINS}/check_dummy", "3", "whatever"]) +
        row("hangs", "command", command=["/bin/sleep", "60"], more=FAST) +
        "[health]\nmetrics_interval_ms = 1000\n").start()
    try:
        load = reaches(daemon, "load", "healthy", 30)
        assert {"load1", "load5", "load15"} <= {f["label"] for f in load["figures"]}, load
        assert load["message"].startswith(("LOAD OK", "OK")), load
        assert reaches(daemon, "disk", "degraded")["message"].startswith("DISK WARNING")
        web = reaches(daemon, "http", "healthy")
        units = {f["label"]: f.get("unit") for f in web["figures"]}
        assert units.get("time") == "s" and units.get("size") == "B", units
        assert "whatever" in reaches(daemon, "dummy", "unknown")["message"]
        assert "1500 ms" in reaches(daemon, "hangs", "unhealthy", 30)["message"]
        wait("figures are series", lambda: daemon.query(
            'sonde_check_value{check="http", label="time", unit="s"} > 0'))
        server.stop()
        reaches(daemon, "http", "unhealthy")
    finally:
        end(daemon)


def a_certificate_that_ends_soon_is_degraded_and_its_days_are_a_figure():
    openssl = needs("openssl")
    folder = tempfile.mkdtemp(prefix="sonde-tls-")
    port = free_port()
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "5", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = Started([openssl, "s_server", "-accept", str(port), "-cert", cert, "-key", key, "-www",
                      "-quiet"])
    url = f"https://127.0.0.1:{port}/"
    daemon = Daemon(row("soon", url=url, ca_file=cert) +
                    row("later", url=url, ca_file=cert, certificate_days=3) +
                    row("stranger", url=url)).start()
    try:
        soon = reaches(daemon, "soon", "degraded")
        assert "ends in" in soon["message"], soon
        days = {f["label"]: f["value"] for f in soon["figures"]}["certificate_days"]
        assert 4.5 < days <= 5, soon
        reaches(daemon, "later", "healthy")
        assert "certificate" in reaches(daemon, "stranger", "unhealthy")["message"].lower()
        assert daemon.get("/health")[0] == 503
    finally:
        end(daemon)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def grpc_says_whether_it_serves():
    if grpc is None:
        raise Skip("python3-grpcio is not here")
    said = {"": 1, "orders": 1}

    def answer(request, context):
        name = request[2:].decode() if request else ""
        if name not in said:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08" + bytes([said[name]])

    handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {
        "Check": grpc.unary_unary_rpc_method_handler(answer)})
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    plain = Server()
    daemon = Daemon(row("whole", "grpc", address=f"127.0.0.1:{port}") +
                    row("orders", "grpc", address=f"127.0.0.1:{port}", service="orders") +
                    row("other", "grpc", address=f"127.0.0.1:{port}", service="other") +
                    row("http1", "grpc", address=f"127.0.0.1:{plain.port}")).start()
    try:
        reaches(daemon, "whole", "healthy")
        reaches(daemon, "orders", "healthy")
        assert "no service" in reaches(daemon, "other", "unhealthy")["message"]
        reaches(daemon, "http1", "unhealthy")
        said["orders"] = 2
        assert "NOT_SERVING" in reaches(daemon, "orders", "unhealthy")["message"]
        with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:  # and the daemon itself
            ask = channel.unary_unary("/grpc.health.v1.Health/Check")
            assert ask(b"", timeout=5) == b"\x08\x02"
            assert ask(b"\x0a\x05whole", timeout=5) == b"\x08\x01"
            try:
                ask(b"\x0a\x04none", timeout=5)
                raise AssertionError("an unknown service is NOT_FOUND")
            except grpc.RpcError as e:
                assert e.code() == grpc.StatusCode.NOT_FOUND, e
    finally:
        end(daemon)
        server.stop(0)
        plain.stop()


def a_dead_parent_explains_its_children_and_maintenance_keeps_quiet():
    server = Server()
    daemon = Daemon(row("gateway", url=server.url + "/") +
                    row("shop", url=server.url + "/shop", depends_on=["gateway"]) +
                    row("till", url=server.url + "/till", depends_on=["shop"])).start()
    alerts = lambda: [line for line in daemon.errors if "firing" in line]
    try:
        for name in ("gateway", "shop", "till"):
            reaches(daemon, name, "healthy")
        server.status = 500
        reaches(daemon, "gateway", "unhealthy")
        for name in ("shop", "till"):
            child = reaches(daemon, name, "unknown")
            assert child["because"] == "gateway" and "gateway is down" in child["message"], child
        wait("the parent's alert", lambda: any('check="gateway"' in a for a in alerts()))
        assert not any('check="shop"' in a or 'check="till"' in a for a in alerts()), alerts()
        server.status = 200
        for name in ("gateway", "shop", "till"):
            reaches(daemon, name, "healthy")
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        code, made = daemon.get("/api/maintenance", json.dumps(
            {"reason": "a new disk", "checks": ["gate*", "shop", "till"], "to": until}).encode())
        assert code == 201, made
        wait("it holds", lambda: check(daemon, "gateway")["maintenance"])
        before = len(alerts())
        server.status = 500
        reaches(daemon, "gateway", "unhealthy")
        assert daemon.get("/health")[0] == 200
        assert len(alerts()) == before, alerts()
        number = json.loads(made)["data"]["id"]
        request_drop(daemon, f"/api/maintenance/{number}")
        wait("it is told afterwards", lambda: len(alerts()) > before)
        assert daemon.get("/health")[0] == 503
    finally:
        end(daemon)
        server.stop()


def request_drop(daemon, path):
    request = urllib.request.Request(daemon.url + path, method="DELETE")
    with urllib.request.urlopen(request, timeout=10) as r:
        assert r.status == 204, r.status


def put(daemon, path, value, method="PUT"):
    request = urllib.request.Request(daemon.url + path, json.dumps(value).encode(), method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as r:
            return r.status, json.loads(r.read())
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def what_programs_report_and_make_outlives_a_kill():
    server = Server()
    daemon = Daemon(row("web", url=server.url + "/")).start()
    try:
        code, said = put(daemon, "/api/checks/worker", {
            "state": "healthy", "message": "queue is short", "figures": {"queue": 3},
            "ttl_seconds": 2, "lifetime_seconds": 3600, "group": "jobs"})
        assert code == 201 and said["data"]["status"] == "healthy", said
        code, said = put(daemon, "/api/checks/made", {
            "url": server.url + "/", "interval_ms": 200, "fall": 1})
        assert code == 201, said
        reaches(daemon, "made", "healthy")
        assert put(daemon, "/api/checks/bad", {"kind": "command", "command": ["/bin/true"]})[0] == 403
        assert put(daemon, "/api/checks/bad", {"url": "nothing"})[0] == 400
        assert put(daemon, "/api/checks/web", {"url": server.url})[0] == 409
        assert "no report" in reaches(daemon, "worker", "unhealthy")["message"]
        put(daemon, "/api/checks/worker", {"state": "degraded", "message": "slow"})
        assert check(daemon, "worker")["status"] == "degraded"
        server.status = 500
        reaches(daemon, "web", "unhealthy")
        since = check(daemon, "web")["since_ms"]
        kept(daemon, "web", "unhealthy", "healthy")
        daemon.stop(signal.SIGKILL)
        time.sleep(1.5)
        first = daemon
        daemon = Daemon(row("web", url=server.url + "/"), data=first.data).start()
        assert reaches(daemon, "web", "unhealthy")["since_ms"] == since
        reaches(daemon, "made", "unhealthy")
        history = kept(daemon, "web", "unhealthy", "unhealthy")
        gap = history[0]["time_ms"] - history[1]["end_ms"]
        assert gap > 1000, "the time in which it did not run is not known: " + str(history)
        put(daemon, "/api/checks/worker", {"state": "healthy"})
        assert check(daemon, "worker")["origin"] == "registered"
        code, said = put(daemon, "/api/checks/made/run", {}, "POST")
        assert code == 200 and said["data"]["runs"] > 0, said
        request_drop(daemon, "/api/checks/made")
        assert daemon.get("/api/checks/made")[0] == 404
        day = daemon.json("/api/checks/web/uptime?days=2")["data"][-1]
        assert day["healthy"] > 0 and day["unhealthy"] > 0, day
    finally:
        end(daemon)
        shutil.rmtree(os.path.dirname(daemon.data), ignore_errors=True)
        server.stop()


def the_whole_is_told_in_many_words():
    server = Server()
    daemon = Daemon(row("web", url=server.url + "/", group="front") +
                    row("extra", url=f"http://127.0.0.1:{free_port()}/", required=False) +
                    row("secret", url=server.url + "/", bearer="hidden", public=False) +
                    row("proc", "process", process="no-such-program") +
                    row("file", "file", path=os.path.abspath(__file__), contains="the_whole") +
                    row("store", "store") +
                    row("unit", "systemd", unit="no-such.service") +
                    "[status_page]\nenabled = true\ntitle = \"Shop <1>\"\n").start()
    try:
        for name in ("web", "secret", "file", "store"):
            reaches(daemon, name, "healthy")
        reaches(daemon, "extra", "unhealthy")
        reaches(daemon, "proc", "unhealthy")
        own = json.loads(daemon.get("/health?format=json")[1])
        assert own["status"] == "unhealthy"
        assert {"web", "extra", "proc"} <= {c["name"] for c in own["checks"]}
        draft = json.loads(daemon.get("/health")[1])
        assert draft["status"] == "fail" and draft["checks"]["check:web"][0]["status"] == "pass"
        parts = daemon.json("/api/v1/monitoring/health")
        assert set(parts["checks"]) == {"storage", "modules", "plugins"}, parts
        for part in parts["checks"].values():
            assert set(part) == {"status", "message", "checks"}
            assert set(part["checks"]) == {"connectivity", "response_time"}
        groups = {c["name"]: c for c in daemon.json("/api/components/status")["components"]}
        assert groups["front"]["status"] == "healthy" and groups[""]["status"] == "unhealthy"
        assert "hidden" in check(daemon, "secret")["settings"]["bearer"]
        assert check(daemon, "secret")["settings"]["bearer"] == "(hidden)"
        page = daemon.get("/status")[1].decode()
        assert "Shop &lt;1&gt;" in page and "<script" not in page and "Some parts are down" in page
        assert ">web<" in page and "secret" not in page
        twin = daemon.json("/status.json")
        assert {c["name"] for c in twin["components"]} >= {"web", "extra"}
        assert len(twin["components"][0]["days"]) == 90
    finally:
        end(daemon)
        server.stop()


def names_are_asked_of_the_name_server_that_is_named():
    long = [f"192.0.2.{i}" for i in range(1, 100)]
    server = NameServer({("web.test", "A"): ["192.0.2.80", "192.0.2.81"],
                         ("web.test", "AAAA"): ["2001:db8::80"],
                         ("web.test", "MX"): ["mail.web.test"],
                         ("web.test", "TXT"): ["v=spf1 -all", "x" * 250],
                         ("_db._tcp.web.test", "SRV"): ["db.web.test:5432"],
                         ("long.test", "A"): long, ("dumb.test", "A"): ["192.0.2.1"],
                         ("bad.test", "A"): ["192.0.2.1"]},
                        failing=["bad.test"], mute=["dumb.test"], long=["long.test"])
    six = NameServer({("web.test", "A"): ["192.0.2.6"]}, host="::1")
    slow = NameServer({("web.test", "A"): ["192.0.2.8"]})
    slow.delay_s = 0.4
    dns = lambda name, domain, record="A", at=server, **more: row(
        name, "dns", domain=domain + ".", record=record, address=at.address, **more)
    daemon = Daemon(dns("a", "web.test", expect="192.0.2.81") +
                    dns("aaaa", "web.test", "AAAA", expect="2001:db8::80") +
                    dns("mx", "web.test", "MX", expect="mail.web.test") +
                    dns("txt", "web.test", "TXT", expect="v=spf1 -all") +
                    dns("txt-long", "web.test", "TXT", expect="x" * 250) +
                    dns("srv", "_db._tcp.web.test", "SRV", expect="db.web.test") +
                    dns("long", "long.test", expect="192.0.2.99") +
                    dns("six", "web.test", at=six, expect="192.0.2.6") +
                    dns("other", "web.test", expect="192.0.2.99") +
                    dns("none", "web.test", "NS") + dns("nowhere", "nowhere.test") +
                    dns("bad", "bad.test") + dns("dumb", "dumb.test") +
                    row("late", "dns", domain="web.test.", address=slow.address, interval_ms=1000,
                        fall=1, timeout_ms=200, more="") +
                    row("gone", "dns", domain="web.test.", address=f"127.0.0.1:{free_port()}") +
                    "[health]\nthreads = 8\n").start()
    try:
        for name in ("a", "aaaa", "mx", "txt", "txt-long", "srv", "long", "six"):
            reaches(daemon, name, "healthy", 30)
        assert "not among" in reaches(daemon, "other", "unhealthy")["message"]
        assert "no NS records" in reaches(daemon, "none", "unhealthy")["message"]
        assert "no A records" in reaches(daemon, "nowhere", "unhealthy")["message"]
        for name in ("bad", "dumb", "gone"):
            said = reaches(daemon, name, "unhealthy", 30)
            assert "no name server gave an answer" in said["message"], said
        assert check(daemon, "long")["figures"][0] == {"label": "records", "value": 99}, check(
            daemon, "long")
        assert "later than after 200 ms" in reaches(daemon, "late", "unhealthy", 30)["message"]
        assert ("udp", "long.test", "A") in server.asked and ("tcp", "long.test", "A") in server.asked
        assert ("udp", "web.test", "A") in six.asked
        server.mute.clear()
        reaches(daemon, "dumb", "healthy", 30)
        server.zone[("web.test", "A")] = ["192.0.2.7"]
        reaches(daemon, "a", "unhealthy", 30)
    finally:
        end(daemon)
        server.stop()
        six.stop()
        slow.stop()


ECHOES = (row("four", "icmp", address="127.0.0.1") + row("six", "icmp", address="::1") +
          row("away", "icmp", address="203.0.113.254") +
          row("unknown", "icmp", address="no-such-host.invalid") + "[health]\nthreads = 8\n")


def echoes_come_back(daemon):
    wait("there were echoes", lambda: check(daemon, "four")["runs"] > 0)
    if "may not send ICMP" in check(daemon, "four")["message"]:
        assert reaches(daemon, "four", "unknown"), "what cannot be asked is unknown"
        raise Skip("neither ping sockets nor raw sockets are allowed")
    assert check(daemon, "four")["message"].endswith(" ms")
    for name in ("four", "six"):
        assert reaches(daemon, name, "healthy")["message"].endswith(" ms")
    away = reaches(daemon, "away", "unhealthy", 30)["message"]
    assert "no echo came back" in away or "cannot be reached" in away, away
    assert "not known" in reaches(daemon, "unknown", "unhealthy", 60)["message"]


def hosts_send_echoes_back_or_do_not():
    daemon = Daemon(ECHOES).start()
    try:
        echoes_come_back(daemon)
    finally:
        end(daemon)


class Secluded(Daemon):
    """One without privileges, in a network of its own whose users may send echoes; it listens on a
    Unix socket."""

    def __init__(self, config):
        root = os.geteuid() == 0
        become = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all"
        wrapper = ["unshare", "-n" if root else "-Urn", "sh", "-ec",
                   f"ip link set lo up; echo '0 {65534 if root else 0}' > "
                   f'/proc/sys/net/ipv4/ping_group_range; exec {become if root else ""} "$@"', "sh"]
        if subprocess.run([*wrapper, SONDE, "--version"], capture_output=True,
                          check=False).returncode:
            raise Skip("no network of its own can be made")
        folder = tempfile.mkdtemp(prefix="sonde-own-")
        self.socket = os.path.join(folder, "s")
        super().__init__(config, data=os.path.join(folder, "data"), listen="unix:" + self.socket,
                         wrapper=wrapper)
        if root:
            os.chown(folder, 65534, 65534)
            os.chown(self.folder, 65534, 65534)

    def get(self, path, data=None, headers=None, timeout=10):
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(timeout)
            connection.sock.connect(self.socket)
            connection.request("POST" if data else "GET", path, data, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def hosts_send_echoes_back_to_who_has_no_privileges():
    for program in ("unshare", "setpriv", "ip"):
        needs(program)
    daemon = Secluded(ECHOES)
    try:
        daemon.start()
        with open(f"/proc/{daemon.worker()}/status", encoding="ascii") as f:
            rights = [line.split()[1] for line in f if line.startswith("CapEff:")]
        assert os.geteuid() != 0 or int(rights[0], 16) == 0, rights
        echoes_come_back(daemon)
    finally:
        end(daemon)
        shutil.rmtree(os.path.dirname(daemon.socket), ignore_errors=True)


def units_of_systemd_are_told_apart():
    folder = tempfile.mkdtemp(prefix="sonde-bus-")
    bus = os.path.join(folder, "system_bus_socket")
    listener = _systemd.start(bus)
    unit = lambda name, of, at=bus: row(name, "systemd", unit=of, address="unix:" + at)
    daemon = Daemon(unit("active", "ssh.service") + unit("failed", "broken.service") +
                    unit("activating", "slow.service") + unit("off", "x@y\\x2dz.service") +
                    unit("missing", "gone.service") + unit("unheard-of", "never.service") +
                    unit("no-bus", "ssh.service", bus + ".none")).start()
    try:
        assert reaches(daemon, "active", "healthy")["message"] == "active"
        assert "broken.service is failed" in reaches(daemon, "failed", "unhealthy")["message"]
        assert "is activating" in reaches(daemon, "activating", "degraded")["message"]
        assert "is inactive" in reaches(daemon, "off", "unhealthy")["message"]
        for name in ("missing", "unheard-of"):
            assert "has no unit" in reaches(daemon, name, "unhealthy")["message"]
        wait("it is asked", lambda: "cannot be asked" in check(daemon, "no-bus")["message"])
        assert check(daemon, "no-bus")["status"] == "unknown"
        _systemd.STATES["slow.service"] = "active"
        _systemd.STATES["ssh.service"] = "failed"
        reaches(daemon, "activating", "healthy")
        assert "ssh.service is failed" in reaches(daemon, "active", "unhealthy")["message"]
    finally:
        _systemd.STATES.clear()
        end(daemon)
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def what_programs_make_is_not_led_to_addresses_of_the_link():
    server = Server()
    server.status = 302
    daemon = Daemon(row("file", url=server.url + "/", follow_redirects=True)).start()
    made = {"url": server.url + "/", "interval_ms": 200, "fall": 1, "rise": 1,
            "follow_redirects": True, "timeout_ms": 1500}
    try:
        other = Server()
        server.location = other.url + "/"
        assert put(daemon, "/api/checks/made", made)[0] == 201
        reaches(daemon, "made", "healthy")
        reaches(daemon, "file", "healthy")
        for where in ("169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "[fe80::1]"):
            server.location = f"http://{where}/latest/meta-data/"
            wait("it is not followed to " + where,
                 lambda: "link-local" in check(daemon, "made")["message"])
            assert check(daemon, "made")["status"] == "unhealthy"
            server.location = other.url + "/"
            reaches(daemon, "made", "healthy")
        assert "link-local" not in check(daemon, "file")["message"]
        for bad in ({"url": "http://2852039166/"}, {"url": "http://[fe80::1]/"},
                    {"url": "http://metadata.google.internal/"},
                    {"kind": "tcp", "address": "[::ffff:169.254.169.254]:80"},
                    {"kind": "icmp", "address": "169.254.169.254"},
                    {"kind": "dns", "domain": "a", "address": "169.254.169.253:53"}):
            code, said = put(daemon, "/api/checks/bad", bad)
            assert code == 403 and "link-local" in json.dumps(said), (bad, code, said)
        other.stop()
    finally:
        end(daemon)
        server.stop()


run(globals())
