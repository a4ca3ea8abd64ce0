"""Rolling restarts under load lose no request: through HAProxy, told over its runtime API, and
through the proxy of sonde-watch itself."""
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

from _daemon import Skip, run, wait
from _port import free_port
from _watch import Watch, alive

INSTANCES, RESTARTS, CLIENTS = 3, 2, 4

# Ends at once at SIGTERM, whatever it is doing: only who is drained before loses nothing. It is
# ready half a second after its start.
BACKEND = '''
import http.server, os, sys, time
begin = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if self.path == "/ready":
            good = time.monotonic() - begin > 0.5
            body = b"yes" if good else b"no"
        else:
            good, body = True, str(os.getpid()).encode()
            time.sleep(0.05)
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Load:
    """Clients that ask without a pause: half over a connection each time, half over one that is
    kept open. Every request that is not answered with 200 is a failure; one over a kept connection
    that was closed before it was sent is asked again, as every client does."""

    def __init__(self, port):
        self.port, self.done, self.pids = port, threading.Event(), set()
        self.answers, self.failures, self.reopened = 0, [], 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask, args=(i % 2 == 0,), daemon=True)
                        for i in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def ask(self, keep):
        c = None
        while not self.done.is_set():
            fresh = c is None
            try:
                if fresh:
                    c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                c.request("GET", "/")
                r = c.getresponse()
                body = r.read()
                with self.lock:
                    self.answers += 1
                    self.pids.add(body.decode())
                    if r.status != 200:
                        self.failures.append(f"status {r.status} {body[:80]}")
                if keep and not r.will_close:
                    continue
            except (OSError, http.client.HTTPException) as fault:
                with self.lock:
                    if fresh or not isinstance(fault, (http.client.RemoteDisconnected,
                                                       BrokenPipeError)):
                        self.failures.append(f"{'fresh' if fresh else 'kept'}: {fault!r}")
                    else:
                        self.reopened += 1
            c.close()
            c = None
        if c is not None:
            c.close()

    def end(self):
        self.done.set()
        for t in self.threads:
            t.join(30)


def ports(n):
    """The first of n ports in a row that are free."""
    for _ in range(200):
        first = free_port()
        try:
            socks = []
            for i in range(n):
                s = socket.socket()
                socks.append(s)
                s.bind(("127.0.0.1", first + i))
            return first
        except (OSError, OverflowError):
            continue
        finally:
            for s in socks:
                s.close()
    raise Skip("no ports in a row")


def config(w, first, more, instances=INSTANCES):
    with open(os.path.join(w.folder, "backend.py"), "w", encoding="ascii") as f:
        f.write(BACKEND)
    w.write(f'''
[[watch.program]]
name = "web"
command = ["{sys.executable}", "{w.folder}/backend.py", "@PORT@"]
instances = {instances}
port = {first}
ready = "http://127.0.0.1:@PORT@/ready"
ready_interval_ms = 100
drain_ms = 5000
{more}
''')


def names(instances):
    return [f"web@{i}" for i in range(instances)] if instances > 1 else ["web"]


def all_ready(w, instances=INSTANCES):
    for name in names(instances):
        w.until(name, "is fit", lambda u: u["fit"])


def restart_under_load(w, port, instances=INSTANCES):
    """Restarts all a few times while clients ask; every instance is another process then."""
    before = {w.unit(n)["pid"] for n in names(instances)}
    load = Load(port)
    try:
        wait("answers", lambda: load.answers > 20)
        for _ in range(RESTARTS):
            w.ctl("restart", "web")
            all_ready(w, instances)
        time.sleep(0.5)
    finally:
        load.end()
    after = {w.unit(n)["pid"] for n in names(instances)}
    assert not before & after, (before, after)
    assert not load.failures, (len(load.failures), load.failures[:5], load.answers)
    print(f"   {load.answers} answers by {len(load.pids)} processes, {load.reopened} connections "
          "opened again")
    assert len(load.pids) >= instances * 2, load.pids


def the_own_proxy_loses_no_request():
    w, first, front = Watch(), ports(INSTANCES), free_port()
    config(w, first, f'proxy_listen = "127.0.0.1:{front}"')
    w.start()
    try:
        all_ready(w)
        restart_under_load(w, front)
        assert sum(u["connections_all"] for u in w.units().values()) > 10, w.units()
    finally:
        w.stop()


def a_single_instance_behind_the_proxy_is_restarted_without_a_refused_connection():
    w, first, front = Watch(), ports(1), free_port()
    config(w, first, f'proxy_listen = "127.0.0.1:{front}"', 1)
    w.start()
    try:
        all_ready(w, 1)
        restart_under_load(w, front, 1)
    finally:
        w.stop()


def the_instances_are_restarted_one_after_the_other():
    w, first = Watch(), ports(INSTANCES)
    config(w, first, f'proxy_listen = "127.0.0.1:{free_port()}"')
    w.start()
    least, done = INSTANCES, threading.Event()
    try:
        all_ready(w)
        order = threading.Thread(target=lambda: (w.ctl("restart", "web"), done.set()), daemon=True)
        order.start()
        while not done.is_set():
            least = min(least, sum(u["fit"] for u in w.units().values()))
        order.join()
    finally:
        w.stop()
    assert least == INSTANCES - 1, least


def an_upgrade_of_the_supervisor_under_load_loses_no_request():
    w, first, front = Watch(), ports(INSTANCES), free_port()
    config(w, first, f'proxy_listen = "127.0.0.1:{front}"')
    w.start()
    try:
        all_ready(w)
        before = {w.unit(n)["pid"] for n in names(INSTANCES)}
        load = Load(front)
        try:
            wait("answers", lambda: load.answers > 20)
            for _ in range(3):
                w.ctl("upgrade")
                n = load.answers
                wait("answers after it", lambda: load.answers > n + 20)
        finally:
            load.end()
        assert not load.failures, (len(load.failures), load.failures[:5], load.answers)
        assert {w.unit(n)["pid"] for n in names(INSTANCES)} == before
    finally:
        w.stop()


def haproxy(folder, first):
    """HAProxy in front of the instances: its process and the port it listens on."""
    front, path = free_port(), os.path.join(folder, "haproxy.cfg")
    servers = "\n".join(f"    server web{i} 127.0.0.1:{first + i}" for i in range(INSTANCES))
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""
global
    stats socket {folder}/admin.sock mode 600 level admin
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
frontend in
    bind 127.0.0.1:{front}
    default_backend site
backend site
{servers}
""")
    return subprocess.Popen(["haproxy", "-db", "-q", "-f", path], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL), front


def haproxy_that_is_told_loses_no_request():
    if shutil.which("haproxy") is None:
        raise Skip("haproxy is not installed")
    w, first = Watch(), ports(INSTANCES)
    config(w, first, f'haproxy_socket = "{w.folder}/admin.sock"\nhaproxy_backend = "site"')
    p, front = haproxy(w.folder, first)
    try:
        w.start()
        all_ready(w)
        wait("HAProxy answers", lambda: answers(front))
        restart_under_load(w, front)
    finally:
        w.stop()
        p.terminate()
        p.wait()


def answers(port):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        c.request("GET", "/")
        return c.getresponse().status == 200
    except OSError:
        return False


def a_rolling_restart_ends_where_one_does_not_come_back():
    w, first = Watch(), ports(INSTANCES)
    config(w, first, f'proxy_listen = "127.0.0.1:{free_port()}"\nrestarts_max = 1\npauses = ["0s"]')
    w.start()
    try:
        all_ready(w)
        pids = {n: w.unit(n)["pid"] for n in names(INSTANCES)}
        with open(os.path.join(w.folder, "backend.py"), "w", encoding="ascii") as f:
            f.write("raise SystemExit(9)\n")
        done = w.ask("ctl", "restart", "web", "--wait", "15s")
        assert done.returncode != 0, done
        w.until("web@0", "is critical", lambda u: u["state"] == "critical")
        for n in names(INSTANCES)[1:]:
            assert w.unit(n)["pid"] == pids[n] and alive(pids[n]), w.unit(n)
    finally:
        w.stop()


run(globals())
