#!/usr/bin/env python3
# timeout: 300
# suites: plain asan
"""What a program that links libsonde delivers: to a daemon that is absent, slow, stopped or killed,
to a DSN and an OTLP endpoint that fail, after fork(), exit() and dlclose(); and what it costs it.
"""
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

from _apps import ACK, ACK_WANTED, BYE, ENVELOPE, HEADER, HELLO, METRICS, WELCOME
from _daemon import ROOT, SANITIZED, SONDE, Daemon, Skip, run, wait

BUILD = os.path.dirname(SONDE)
HOST = os.path.join(BUILD, "host-transport")


class Place:
    """A folder with a socket's path and a spool; programs that use them; no daemon yet."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sonde-transport-")
        self.socket = os.path.join(self.folder, "sonde.sock")
        self.hosts = []

    def host(self, *settings, start=True, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "SENTRY", "OTEL"))}
        process = subprocess.Popen(
            [HOST, f"socket={self.socket}", f"spool.dir={self.folder}/spool",
             "session.auto=false", *settings],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**clean, **environment})
        host = Host(process)
        self.hosts.append(host)
        if start:
            assert host.do("start") == "0", host.last
        return host

    def files(self):
        found = []
        for top, _, names in os.walk(os.path.join(self.folder, "spool")):
            found += [os.path.join(top, n) for n in names if n.endswith((".0", ".1", ".2", ".3"))]
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Host:
    """A program, told what to do line by line."""

    def __init__(self, process):
        self.process, self.last = process, ""

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.last = self.process.stdout.readline().rstrip("\n")
        return self.last

    def outgoing(self):
        return json.loads(self.do("query outgoing"))

    def loop(self, ms):
        n, p50, p99, p999, cpu = self.do(f"loop {ms}").split()
        return {"n": int(n), "p50": float(p50), "p99": float(p99), "p999": float(p999),
                "cpu": float(cpu)}

    def end(self, line="exit"):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.wait(30)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Scripted:
    """A daemon at that path that keeps the ids of envelopes; ack(kind, n): whether to answer."""

    def __init__(self, path, ack=lambda kind, n: True):
        self.ids, self.metrics, self.hellos, self.byes, self.ack = [], 0, 0, 0, ack
        self.connections, self.over = [], False
        self.socket = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.socket.bind(path)
        self.socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.over:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        def exactly(n):
            data = b""
            while len(data) < n:
                piece = connection.recv(n - len(data))
                if not piece:
                    raise OSError("the end")
                data += piece
            return data
        try:
            while True:
                length, kind, flags, _, _, sequence = HEADER.unpack(exactly(HEADER.size))
                payload = exactly(length)
                if kind == HELLO:
                    self.hellos += 1
                    connection.sendall(HEADER.pack(9, WELCOME, 0, 0, 1, 1) + b"server=x\n")
                elif kind == ENVELOPE:
                    self.ids.append(json.loads(payload.split(b"\n", 1)[0]).get("event_id", ""))
                elif kind == METRICS:
                    self.metrics += 1
                elif kind == BYE:
                    self.byes += 1
                if flags & ACK_WANTED and self.ack(kind, len(self.ids)):
                    connection.sendall(HEADER.pack(0, ACK, 0, 0, 1, sequence))
        except (OSError, ValueError):
            pass

    def close(self):
        """As a daemon that is killed: every connection ends at once."""
        self.over = True
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.socket.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()


class Server(Daemon):
    """The real daemon with a socket for applications."""

    def __init__(self, path, data=None):
        super().__init__(settings=["collect.enabled=false", f"apps.listen=unix:{path}"], data=data)
        self.path = path

    def ids(self):
        answer = self.json("/api/errors/recent?limit=1000")
        assert answer["status"] == "success", answer
        return [e["event_id"] for e in answer["data"]]

    def kill(self):
        """kill -9 of the parent and its worker."""
        pids = [self.worker(), self.process.pid]
        for pid in [self.process.pid, *pids]:
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        wait("nobody listens any more", lambda: not self.listens())  # its other processes end too

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.path) == 0


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A server of HTTP: answers() gives (status, headers) for the n-th request."""
    daemon_threads = True

    def __init__(self, answers):
        self.requests, self.answers = [], answers
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append((time.monotonic(), self.path, dict(self.headers), body))
        answer = self.server.answers(len(self.server.requests), self.path)
        if answer is None:  # closes without a word
            self.close_connection = True
            return
        status, headers = answer
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def id_of(body):
    return json.loads(body.split(b"\n", 1)[0]).get("event_id", "")


def some_errors(host, n, name):
    """n different errors; their ids. Fewer than the client's own limit lets through at once."""
    ids = [host.do(f"error {name} number {chr(97 + i)}") for i in range(n)]
    assert all(len(i) == 32 for i in ids), ids
    return ids


def a_daemon_that_comes_later_gets_everything_that_was_promised():
    with Place() as place:
        host = place.host()
        ids = some_errors(host, 8, "early")
        host.do("count 5")
        assert host.do("flush 5000") == "0"
        assert len(place.files()) >= 8, place.files()
        assert host.outgoing()["daemon"]["state"] != "connected"
        with Server(place.socket).start() as daemon:
            wait("all errors have arrived", lambda: sorted(daemon.ids()) == sorted(ids))
            wait("its counter is there", lambda: [v for _, v in daemon.query("jobs_total")] == [5])
            wait("the spool is empty", lambda: not place.files())
            wait("it says so", lambda: host.outgoing()["daemon"]["state"] == "connected")


def a_service_is_seen_within_two_seconds_of_its_start():
    with Place() as place, Server(place.socket).start() as daemon:
        begun = time.monotonic()
        host = place.host()
        host.do("count 1")
        wait("its series are there", lambda: daemon.query('up{job="transport"}'), 10)
        seen = time.monotonic() - begun
        print(f"    seen after {seen:.2f} s")
        assert SANITIZED or seen < 2, seen
        assert host.end() == 7


def nothing_promised_is_lost_or_doubled_when_daemons_are_killed():
    with Place() as place:
        data = os.path.join(place.folder, "data")
        host, ids = place.host(), []
        for round_ in range(3):
            with Server(place.socket, data=data).start() as daemon:
                wait("it is connected", lambda: host.outgoing()["daemon"]["state"] == "connected")
                ids += some_errors(host, 4, f"round {round_} before")
                if round_ == 1:
                    assert host.do("flush 10000") == "0", host.last
                daemon.kill()
                ids += some_errors(host, 4, f"round {round_} after")
        with Server(place.socket, data=data).start() as daemon:
            assert wait("connected", lambda: host.outgoing()["daemon"]["state"] == "connected")
            assert host.do("flush 10000") == "0"
            wait(f"all have arrived", lambda: set(daemon.ids()) >= set(ids))
            got = daemon.ids()
            assert len(got) == len(set(got)) == len(ids), (len(got), len(set(got)), len(ids))
            wait("the spool is empty", lambda: not place.files())


def what_a_killed_program_promised_is_sent_by_the_next_one():
    with Place() as place:
        first = place.host()
        ids = some_errors(first, 6, "promised")
        assert first.do("flush 5000") == "0"
        first.kill()
        daemon = Scripted(place.socket)
        second, third = place.host(), place.host()
        wait("all have arrived", lambda: len(daemon.ids) >= 6)
        assert second.do("flush 5000") == "0" and third.do("flush 5000") == "0"
        assert sorted(daemon.ids) == sorted(ids), "each once, though two programs could send them"
        assert not place.files()


def a_stopped_daemon_changes_nothing_for_the_program():
    with Place() as place:
        plain = place.host(start=False)
        absent = plain.loop(1500)
        with Server(place.socket).start() as daemon:
            host = place.host("send.memory_bytes=131072")
            wait("connected", lambda: host.outgoing()["daemon"]["state"] == "connected")
            served = host.loop(1500)
            for pid in (daemon.process.pid, daemon.worker()):
                os.kill(pid, signal.SIGSTOP)
            worker = daemon.worker()
            before = int(host.do("rss"))
            some_errors(host, 8, "while it is stopped")
            stopped = host.loop(1500)
            time.sleep(1)
            grown = int(host.do("rss")) - before
            begun = time.monotonic()
            assert host.do("flush 300") in ("0", "-8"), host.last
            assert time.monotonic() - begun < 5
            for pid in (worker, daemon.process.pid):
                os.kill(pid, signal.SIGCONT)
            daemon.kill()
            killed = host.loop(1500)
            begun = time.monotonic()
            assert host.end() == 7
            ended = time.monotonic() - begun
        for name, figures in (("library not started", absent), ("daemon serves", served),
                              ("daemon stopped", stopped), ("daemon killed", killed)):
            print(f"    {name}: p50 {figures['p50'] * 1e6:.2f} us, p99 {figures['p99'] * 1e6:.2f} "
                  f"us, p99.9 {figures['p999'] * 1e6:.2f} us, cpu {figures['cpu'] * 1e6:.2f} us")
        print(f"    memory grew by {grown} KiB, exit took {ended:.2f} s")
        assert ended < 5, ended
        if not SANITIZED:
            assert grown < 16384, grown  # KiB; the loop's own list of durations is in it
            for figures in (served, stopped, killed):
                assert figures["p50"] < 2 * absent["p50"], (absent, figures)
                assert figures["cpu"] < 2 * absent["cpu"], (absent, figures)


def a_daemon_that_acknowledges_nothing_gets_it_again_from_the_next():
    with Place() as place:
        silent = Scripted(place.socket, ack=lambda kind, n: False)
        host = place.host()
        ids = some_errors(host, 5, "silence")
        wait("they were sent", lambda: len(silent.ids) == 5)
        assert host.do("flush 200") == "-8"
        assert len(place.files()) == 5
        silent.close()
        daemon = Scripted(place.socket)
        wait("they come again", lambda: sorted(daemon.ids) == sorted(ids))
        wait("and leave the disk", lambda: not place.files())
        assert host.end() == 7
        wait("it said goodbye", lambda: daemon.byes == 1)


def a_full_disk_keeps_envelopes_in_memory_until_they_are_taken():
    with Place() as place:
        os.makedirs(os.path.join(place.folder, "spool", "transport"))
        if os.geteuid() == 0:
            limit = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=4", "none",
                                    os.path.join(place.folder, "spool")], capture_output=True,
                                   check=False)
            if limit.returncode:
                raise Skip("no file system can be mounted here")
        else:
            os.chmod(os.path.join(place.folder, "spool", "transport"), 0o500)
        try:
            host = place.host()
            ids = some_errors(host, 4, "no room")
            assert host.do("flush 3000") == "0"
            assert host.outgoing()["queue"]["memory_entries"] >= 1, host.last
            daemon = Scripted(place.socket)
            wait("they arrive all the same", lambda: sorted(daemon.ids) == sorted(ids))
            assert host.end() == 7
        finally:
            if os.geteuid() == 0:
                subprocess.run(["umount", "-l", os.path.join(place.folder, "spool")], check=False)


def a_dsn_that_fails_in_every_way_gets_each_event_once():
    def answers(n, path):
        assert path == "/api/7/envelope/", path
        return {1: (500, {}), 2: None, 3: (503, {"Retry-After": "1"})}.get(n, (200, {}))
    web = Web(answers)
    with Place() as place:
        host = place.host("socket=none", f"dsn=http://key@127.0.0.1:{web.port}/7",
                          "send.retry_ms=100")
        ids = some_errors(host, 5, "dsn")
        wait("all were taken", lambda: host.outgoing()["direct"][0]["sent"] >= 5)
        times = [at for at, _, _, _ in web.requests]
        assert times[3] - times[2] >= 1, times
        taken = [id_of(body) for _, _, _, body in web.requests[3:]]
        assert set(ids) <= set(taken) and len(taken) == len(set(taken)), taken
        assert "sentry_key=key" in web.requests[0][2]["X-Sentry-Auth"]
        wait("the spool is empty", lambda: not place.files())
        host.do("error last words")
        assert host.end() == 7  # exit() sends it too, with libcurl loaded
        wait("it came", lambda: any(b"last words" in body for _, _, _, body in web.requests))
    web.shutdown()


def a_rate_limit_of_the_dsn_is_obeyed_and_counted():
    web = Web(lambda n, path: (429, {"X-Sentry-Rate-Limits": "30:error:key"}) if n == 1 else
              (200, {}))
    with Place() as place:
        host = place.host("socket=none", f"dsn=http://key@127.0.0.1:{web.port}/7")
        some_errors(host, 1, "the first")
        wait("it was refused", lambda: len(web.requests) == 1)
        some_errors(host, 3, "more")
        assert host.do("flush 5000") == "0"
        lost = json.loads(host.do("query info"))["lost"]
        assert [x["count"] for x in lost if x["category"] == "error" and
                x["reason"] == "ratelimit_backoff"] == [4], lost
        assert not any(b'"type":"event"' in body for _, _, _, body in web.requests[1:])
    web.shutdown()


def a_dsn_that_hangs_holds_up_neither_the_program_nor_its_end():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    with Place() as place:
        host = place.host("socket=none", f"dsn=http://k@127.0.0.1:{listener.getsockname()[1]}/1")
        some_errors(host, 2, "hanging")
        begun = time.monotonic()
        assert host.do("flush 300") == "-8"
        assert time.monotonic() - begun < 5
        begun = time.monotonic()
        assert host.end() == 7
        assert time.monotonic() - begun < 5
        assert len(place.files()) >= 2
    listener.close()


def an_otlp_endpoint_that_is_busy_gets_it_when_it_says():
    def answers(n, path):
        return (503, {"Retry-After": "1"}) if n == 1 else (200, {})
    web = Web(answers)
    with Place() as place:
        host = place.host("socket=none", OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
                          OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{web.port}/base/")
        host.do("log the needle")
        wait("it came again", lambda: len(web.requests) >= 2)
        wait("it was taken", lambda: host.outgoing()["direct"][1]["sent"] >= 1)
        (first, path, headers, body), (second, _, _, again) = web.requests[:2]
        assert path == "/base/v1/logs" and headers["Content-Type"] == "application/x-protobuf"
        assert headers["x-key"] == "a b"
        assert b"the needle" in body and body == again and second - first >= 1
    web.shutdown()


def the_daemon_has_priority_and_the_dsn_steps_in_without_it():
    web = Web(lambda n, path: (200, {}))
    with Place() as place:
        daemon = Scripted(place.socket)
        host = place.host(f"dsn=http://k@127.0.0.1:{web.port}/1", "send.direct_after_ms=500")
        wait("connected", lambda: host.outgoing()["daemon"]["state"] == "connected")
        first = some_errors(host, 2, "with")
        assert host.do("flush 5000") == "0"
        assert sorted(daemon.ids) == sorted(first) and not web.requests
        daemon.close()
        second = some_errors(host, 2, "without")
        wait("the DSN has them", lambda: {id_of(b) for _, _, _, b in web.requests} == set(second))
        assert sorted(daemon.ids) == sorted(first)
    web.shutdown()


def both_get_everything_where_that_is_asked_for():
    web = Web(lambda n, path: (200, {}))
    with Place() as place:
        daemon = Scripted(place.socket)
        host = place.host(f"dsn=http://k@127.0.0.1:{web.port}/1", "send.also=dsn")
        wait("connected", lambda: host.outgoing()["daemon"]["state"] == "connected")
        ids = some_errors(host, 4, "both")
        assert host.do("flush 5000") == "0"
        assert sorted(daemon.ids) == sorted(ids)
        assert {id_of(b) for _, _, _, b in web.requests} == set(ids)
        wait("the spool is empty", lambda: not place.files())
    web.shutdown()


def a_forked_child_speaks_for_itself():
    if SANITIZED:
        raise Skip("what the parent's thread held at the fork is a leak of the child to a sanitizer")
    with Place() as place:
        daemon = Scripted(place.socket)
        host = place.host()
        wait("connected", lambda: daemon.hellos == 1)
        first = some_errors(host, 1, "parent")
        child, status, _ = host.do("fork in the child").split()
        assert len(child) == 32 and status == "0", host.last
        wait("the child's event has arrived", lambda: child in daemon.ids)
        second = some_errors(host, 1, "parent again")
        wait("the parent goes on", lambda: sorted(daemon.ids) == sorted([*first, child, *second]))
        assert daemon.hellos == 2 and daemon.byes == 1, (daemon.hellos, daemon.byes)
        sleeper = int(host.do("sleeper"))
        try:
            host.kill()  # the child that sleeps must not hold the parent's connection or its files
            second = place.host()
            assert second.do("flush 5000") == "0"
            assert not os.path.exists(f"/proc/{sleeper}/fd") or not [
                fd for fd in os.listdir(f"/proc/{sleeper}/fd")
                if os.path.realpath(f"/proc/{sleeper}/fd/{fd}").endswith("/lock")]
        finally:
            os.kill(sleeper, signal.SIGKILL)


def ends_of_every_kind_are_short_and_lose_nothing_promised():
    for how, code in (("exit", 7), ("_exit", 8), ("exec", 9)):
        with Place() as place:
            host = place.host()
            ids = some_errors(host, 3, how)
            assert host.do("flush 5000") == "0"
            begun = time.monotonic()
            assert host.end(how) == code
            assert time.monotonic() - begun < 5
            daemon = Scripted(place.socket)
            place.host()
            wait("the next program sends them", lambda: sorted(daemon.ids) == sorted(ids))
            daemon.close()


def starts_flushes_and_shutdowns_at_once_are_fine():
    with Place() as place:
        daemon = Scripted(place.socket)
        host = place.host()
        assert host.do("cycles 20") == "0 1", host.last
        assert host.end() == 7
        daemon.close()


def the_example_of_an_offline_tool_keeps_and_delivers():
    with Place() as place:
        def ran():
            done = subprocess.run(
                [os.path.join(BUILD, "example-offline")], capture_output=True, text=True,
                timeout=60, check=False,
                env={**os.environ, "SONDE_SOCKET": place.socket, "SONDE_SPOOL_DIR":
                     f"{place.folder}/spool"})
            assert done.returncode == 0, done
            return done.stdout.strip()
        assert ran() == "kept for a later run"
        daemon = Scripted(place.socket)
        assert ran() == "delivered"
        wait("both errors have arrived", lambda: len(set(daemon.ids) - {""}) >= 2)
        daemon.close()


PLUGIN = r"""
#include <sonde/sonde.h>
#include <stdlib.h>
int plugin_run(const char *socket, const char *spool);
int plugin_run(const char *socket, const char *spool) {
    const char *settings[] = {socket, spool, "session.auto=false", NULL};
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "transport";
    options.settings = settings;
    if (sonde_init(&options) != 0) return 1;
    sonde_error_capture(SONDE_LEVEL_ERROR, "Plugin", "from a plugin");
    int err = sonde_shutdown(5000);
    return err == 0 ? 0 : 2;
}
"""
PLUGIN_HOST = r"""
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv) {
    for (int i = 0; i < 5; i++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!plugin) { puts(dlerror()); return 3; }
        int (*run)(const char *, const char *) =
            (int (*)(const char *, const char *))dlsym(plugin, "plugin_run");
        int code = run ? run(argv[2], argv[3]) : 4;
        if (code) return code;
        if (dlclose(plugin)) return 5;
    }
    return 0;
}
"""


def a_plugin_may_come_and_go():
    if SANITIZED or not shutil.which("cc"):
        raise Skip("no compiler, or a build that needs its sanitizer in the host")
    with Place() as place:
        def made(name, text, *words):
            source, out = (os.path.join(place.folder, name + end) for end in (".c", ""))
            with open(source, "w", encoding="ascii") as f:
                f.write(text)
            subprocess.run(["cc", "-fPIC", "-I", os.path.join(ROOT, "include"), source, "-o", out,
                            *words], check=True)
            return out
        host = made("host", PLUGIN_HOST, "-ldl", "-lpthread")
        kinds = [("with libsonde.so", ["-shared", "-L", BUILD, "-lsonde", f"-Wl,-rpath,{BUILD}"])]
        if os.path.exists(os.path.join(BUILD, "libsonde.a")):
            kinds.append(("with libsonde.a", ["-shared", os.path.join(BUILD, "libsonde.a"), "-lm",
                                              "-lpthread"]))
        daemon = Scripted(place.socket)
        for n, (kind, words) in enumerate(kinds, 1):
            plugin = made("plugin", PLUGIN, *words)
            done = subprocess.run([host, plugin, f"socket={place.socket}",
                                   f"spool.dir={place.folder}/spool"], capture_output=True,
                                  text=True, timeout=60, check=False)
            assert done.returncode == 0, (kind, done)
            wait(f"its errors have arrived ({kind})", lambda n=n: len(set(daemon.ids)) == 5 * n)
        daemon.close()


if not os.path.exists(HOST):
    print(f"0 passed, 0 failed, 1 skipped\nskipped: {HOST} is not built")
    sys.exit(0)
run(globals())
