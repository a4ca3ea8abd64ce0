#!/usr/bin/env python3
# timeout: 300
# suites: plain
"""Programs that link libsonde and crash: each crash arrives exactly once as one event with a
symbolised stack, at once where there is a daemon, otherwise at the next start; the program's end is
what it would be without the library.
"""
import glob
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from _apps import ACK, CRASH, HEADER, HELLO, WELCOME
from _daemon import SONDE, Daemon, Skip, run, wait

BUILD = os.path.dirname(SONDE)
CRASHER = os.path.join(BUILD, "host-crasher")
THROWER = os.path.join(BUILD, "host-thrower")
HELPER = os.path.join(BUILD, "sonde-helper-symbols")
ASAN = b"__asan_init" in open(CRASHER, "rb").read()

# where, how, the signal that ends it, the event's type, in its value, a function of its stack
MATRIX = [
    ("main", "segv", "SIGSEGV", "SIGSEGV", "SEGV_MAPERR", "crash_by_reading"),
    ("main", "abrt", "SIGABRT", "SIGABRT", "Aborted", "crash_by_abort"),
    ("main", "fpe", "SIGFPE", "SIGFPE", "FPE_INTDIV", "crash_by_division"),
    ("main", "bus", "SIGBUS", "SIGBUS", "BUS_ADRERR", "crash_by_bus"),
    ("main", "ill", "SIGILL", "SIGILL", "ILL_", "crash_by_instruction"),
    ("main", "trap", "SIGTRAP", "SIGTRAP", "Trap", "crash_by_trap"),
    ("main", "sys", "SIGSYS", "SIGSYS", "Bad system call", "crash"),
    ("main", "call", "SIGSEGV", "SIGSEGV", "at 0x0", "crash"),
    ("main", "overflow", "SIGSEGV", "SIGSEGV", "Stack overflow", "crash_by_recursion"),
    ("main", "heap", "SIGABRT", "SIGABRT", "corrupted top size", "crash_by_heap"),
    ("main", "assert", "SIGABRT", "SIGABRT", "numbers are as they were", "crash_by_assert"),
    ("thread", "segv", "SIGSEGV", "SIGSEGV", "SEGV_MAPERR", "crash_by_reading"),
    ("thread", "abrt", "SIGABRT", "SIGABRT", "Aborted", "crash_by_abort"),
    ("thread", "fpe", "SIGFPE", "SIGFPE", "FPE_INTDIV", "crash_in_thread"),
    ("thread", "bus", "SIGBUS", "SIGBUS", "BUS_ADRERR", "crash_in_thread"),
    ("thread", "overflow", "SIGSEGV", "SIGSEGV", "Stack overflow", "crash_by_recursion"),
    ("thread", "heap", "SIGABRT", "SIGABRT", "corrupted top size", "crash_by_heap"),
    ("chained", "segv", "SIGSEGV", "SIGSEGV", "SEGV_MAPERR", "crash_by_reading"),
    ("chained", "abrt", "SIGABRT", "SIGABRT", "Aborted", "crash_by_abort"),
    ("twice", "segv", "SIGSEGV", "SIGSEGV", "SEGV_MAPERR", "crash_together"),
    ("twice", "abrt", "SIGABRT", "SIGABRT", "Aborted", "crash_together"),
    ("callback", "segv", "SIGSEGV", "SIGSEGV", "SEGV_MAPERR", "crash_in_callback"),
    ("callback", "overflow", "SIGSEGV", "SIGSEGV", "Stack overflow", "crash_by_recursion"),
    ("child", "segv", None, "SIGSEGV", "SEGV_MAPERR", "crash_by_reading"),
    ("child", "overflow", None, "SIGSEGV", "Stack overflow", "crash_by_recursion"),
]
THROWN = [
    ("throw", "shop::out_of_stock", "no more bolts", "shop::sell"),
    ("thread", "shop::out_of_stock", "no more nuts", "shop::sell"),
    ("rethrow", "shop::out_of_stock", "no more washers", "main"),
    ("int", "int", "thrown", "main"),
    ("pure", "std::terminate", "pure virtual method called", "__cxa_pure_virtual"),
    ("joinable", "std::terminate", "without an active exception", "main"),
]


class Place:
    """A spool folder of its own, and programs that use it."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="sonde-crash-")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SONDE_")}
        self.environment.update(SONDE_SPOOL_DIR=self.folder, SONDE_SOCKET="none",
                                HOME=self.folder, **settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *words):
        """(the signal's name or the exit status, standard output)"""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True,
                              timeout=60, check=False)
        code = done.returncode
        return (signal.Signals(-code).name if code < 0 else code), done.stdout

    def records(self):
        return glob.glob(os.path.join(self.folder, "*", "crash-*.record"))

    def items(self, wanted):
        """The payloads of that type of all envelopes that wait."""
        found = []
        for path in glob.glob(os.path.join(self.folder, "*", "run-*", "*.envelope.*")):
            with open(path, "rb") as f:
                found += [i for kind, i in items(f.read()) if kind == wanted]
        return found


def items(envelope):
    at = envelope.index(b"\n") + 1
    while at < len(envelope):
        end = envelope.index(b"\n", at)
        header = json.loads(envelope[at:end])
        payload = envelope[end + 1:end + 1 + header["length"]]
        at = end + 1 + header["length"] + 1
        yield header["type"], json.loads(payload)


def functions(event):
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    return [f.get("function", "") for f in frames]


def check_event(event, kind, said, function):
    e = event["exception"]["values"][0]
    assert e["type"] == kind and said in e["value"], (e["type"], e["value"])
    assert any(function in f for f in functions(event)), functions(event)
    assert event["level"] == "fatal" and e["mechanism"]["handled"] is False
    assert event["debug_meta"]["images"], "no images"


def the_next_start_sends_each_crash_once():
    failed = []
    for where, how, ends, kind, said, function in MATRIX:
        with Place() as p:
            try:
                code, out = p.run(CRASHER, where, how)
                if ends:
                    assert code == ends, code
                assert ("own handler" in out) == (where == "chained"), out
                alone = where != "child"  # a child's parent lives on, and sends what it left
                assert not alone or len(p.records()) == 1, p.records()
                out = p.run(CRASHER, "main", "none")[1]
                assert not alone or "last 1" in out, out
                assert "last 0" in p.run(CRASHER, "main", "none")[1]
                events = p.items("event")
                assert len(events) == 1, len(events)
                check_event(events[0], kind, said, function)
                crashed = [s for s in p.items("session") if s["status"] == "crashed"]
                assert len(crashed) == (where != "child"), crashed
                assert not p.records(), p.records()
            except AssertionError as e:
                failed.append((where, how, str(e)))
    assert not failed, failed


def a_program_that_crashes_at_each_start_fills_no_disk():
    with Place() as p:
        for _ in range(25):
            assert p.run(CRASHER, "main", "segv")[0] == "SIGSEGV"
            assert len(p.records()) <= 10, len(p.records())
        p.run(CRASHER, "main", "none")
        ids = [e["event_id"] for e in p.items("event")]
        # One that dies between handing over and removing a record leaves both: the same event_id,
        # by which whoever receives them knows that they are one.
        assert len(set(ids)) == 25 and not p.records(), (len(ids), p.records())


def exceptions_of_programs_in_cplusplus_say_what_was_thrown():
    for how, kind, said, function in THROWN:
        with Place() as p:
            assert p.run(THROWER, how)[0] == "SIGABRT"
            p.run(THROWER, "none")
            events = p.items("event")
            assert len(events) == 1, len(events)
            check_event(events[0], kind, said, function)


def an_event_says_what_was_going_on():
    with Place() as p:
        p.run(CRASHER, "main", "segv")
        p.run(CRASHER, "main", "none")
        event = p.items("event")[0]
        crumbs = event["breadcrumbs"]["values"]
        assert [c["message"] for c in crumbs if c.get("category") == "shop"] == \
            ["write to [email]"], crumbs
        operations = event["extra"]["active_operations"]
        assert [(o["service"], o["operation"]) for o in operations] == [("shop", "sell")]
        assert event["release"] == "crasher@1.0" and event["tags"]["service"] == "crasher"
        names = [t["name"] for t in event["threads"]["values"]]
        assert "host-crasher" in names and len(names) >= 2, names
        image = event["debug_meta"]["images"][0]
        assert len(image["debug_id"]) == 36 and image["code_file"].startswith("/"), image
        assert event["exception"]["values"][0]["stacktrace"]["registers"]["rip"] if \
            os.uname().machine == "x86_64" else True


def a_killed_program_is_told_as_an_abnormal_session():
    for events in (False, True):
        with Place(SONDE_CRASH_ABNORMAL_EVENTS=str(events).lower()) as p:
            assert p.run(CRASHER, "main", "kill")[0] == "SIGKILL"
            assert "last 2" in p.run(CRASHER, "main", "none")[1]
            ended = [s["status"] for s in p.items("session")]
            assert ended.count("abnormal") == 1 and ended.count("exited") == 1, ended
            found = p.items("event")
            assert len(found) == events, found
            if events:
                assert found[0]["exception"]["values"][0]["type"] == "AbnormalEnd"


def a_clean_end_leaves_nothing():
    with Place() as p:
        assert p.run(CRASHER, "main", "none")[0] == 0
        assert not p.records() and not p.items("event")
        assert {s["status"] for s in p.items("session")} <= {"exited"}
        assert "last 0" in p.run(CRASHER, "main", "none")[1]


def records_on_demand_and_core_files_leave_the_program_running():
    with Place() as p:
        code, out = p.run(CRASHER, "main", "demand")
        assert code == 0 and "demand 0" in out, (code, out)
        event = p.items("event")[0]
        assert event["message"] == "the operator wanted to know" and event["level"] == "info"
        stacks = [t["stacktrace"]["frames"] for t in event["threads"]["values"]
                  if "stacktrace" in t]
        assert len(stacks) == 1 and any(f.get("function") == "main" for f in stacks[0]), stacks
        code, out = p.run(CRASHER, "main", "core")
        assert code == 0 and ("core 0" in out or "core -10" in out), (code, out)


def without_the_library_wanting_it_nothing_is_recorded():
    with Place(SONDE_CRASH_ENABLED="false") as p:
        assert p.run(CRASHER, "main", "segv")[0] == "SIGSEGV"
        p.run(CRASHER, "main", "none")
        assert not p.items("event") and not p.records()
    with Place(SONDE_CRASH_SIGNALS="ABRT") as p:
        assert p.run(CRASHER, "main", "fpe")[0] == "SIGFPE"
        assert "last 2" in p.run(CRASHER, "main", "none")[1]
    with Place(SONDE_CRASH_SIGNALS="SEGV,HUP") as p:
        assert p.run(CRASHER, "main", "none")[0] == 2


class Listener:
    """A socket as a daemon has it: takes hello and crash records, answers nothing else."""

    def __init__(self, path, answer=True):
        self.records, self.answer = [], answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(16)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def _serve(self, connection):
        rest = b""
        with connection:
            while True:
                while len(rest) >= HEADER.size:
                    n, kind, _, _, _, sequence = HEADER.unpack(rest[:HEADER.size])
                    if len(rest) < HEADER.size + n:
                        break
                    payload, rest = rest[HEADER.size:HEADER.size + n], rest[HEADER.size + n:]
                    if kind == CRASH:
                        self.records.append(payload)
                    try:
                        if self.answer:
                            kind = WELCOME if kind == HELLO else ACK
                            connection.sendall(HEADER.pack(0, kind, 0, 0, 1, sequence))
                    except OSError:
                        return
                try:
                    more = connection.recv(1 << 20)
                except OSError:
                    return
                if not more:
                    return
                rest += more

    def close(self):
        self.socket.close()


def symbolised(record):
    done = subprocess.run([HELPER], input=record, capture_output=True, timeout=60, check=True)
    return [i for kind, i in items(done.stdout) if kind == "event"]


def a_listening_daemon_gets_the_record_at_once():
    with Place() as p:
        path = os.path.join(p.folder, "s.sock")
        listener = Listener(path)
        p.environment["SONDE_SOCKET"] = path
        for n, (where, how, ends, kind, said, function) in enumerate(MATRIX, 1):
            code, _ = p.run(CRASHER, where, how)
            assert not ends or code == ends, (where, how, code)
            assert len(listener.records) == n, (where, how, len(listener.records))
            [event] = symbolised(listener.records[-1])
            check_event(event, kind, said, function)
            lines = [f for f in event["exception"]["values"][0]["stacktrace"]["frames"]
                     if f.get("filename") == "crasher.c" and f.get("lineno", 0) > 1]
            assert lines, event["exception"]
        listener.close()
        os.unlink(path)
        p.environment["SONDE_SOCKET"] = "none"
        p.run(CRASHER, "main", "none")
        assert not p.items("event") and not p.records(), "delivered twice"


def a_daemon_that_does_not_answer_costs_the_deadline_alone():
    with Place(SONDE_CRASH_DEADLINE_MS="300") as p:
        path = os.path.join(p.folder, "s.sock")
        listener = Listener(path, answer=False)
        p.environment["SONDE_SOCKET"] = path
        begin = time.monotonic()
        assert p.run(CRASHER, "main", "segv")[0] == "SIGSEGV"
        assert time.monotonic() - begin < 5
        listener.close()
        os.unlink(path)
        p.environment["SONDE_SOCKET"] = "none"
        p.run(CRASHER, "main", "none")
        assert len(p.items("event")) == 1


def the_daemon_shows_each_crash_once_with_lines():
    folder = tempfile.mkdtemp(prefix="sonde-crash-")
    path = os.path.join(folder, "sonde.sock")
    try:
        with Daemon(settings=["collect.enabled=false", f"apps.listen=unix:{path}"]).start() as d, \
                Place() as p:
            p.environment["SONDE_SOCKET"] = path
            wanted = [m for m in MATRIX if m[1] in ("segv", "abrt", "overflow", "heap", "bus")]

            def recent():
                rows = d.json("/api/errors/recent?service=crasher")["data"]
                return rows if isinstance(rows, list) else rows["errors"]

            for n, (where, how, _, kind, said, function) in enumerate(wanted, 1):
                p.run(CRASHER, where, how)
                wait(f"{where} {how} is there", lambda n=n: len(recent()) >= n)
                row = recent()[0]
                names = [f.get("function", "") for f in row["frames"]]
                assert any(function in name for name in names), (where, how, names)
                assert row["title"].startswith(kind) and row["level"] == "fatal", row
                assert any(f.get("line") for f in row["frames"]), row
            p.run(CRASHER, "main", "none")
            time.sleep(1)
            rows = recent()
            assert len(rows) == len(wanted) and len({r["event_id"] for r in rows}) == len(wanted)
            assert not p.records()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Dsn:
    """A receiver of envelopes."""

    def __init__(self):
        self.events, outer = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip
                    body = gzip.decompress(body)
                outer.events += [i for kind, i in items(body) if kind == "event"]
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.dsn = f"http://0123456789abcdef0123456789abcdef@127.0.0.1:{self.server.server_port}/42"


def a_dsn_gets_each_crash_once_by_helper_or_next_start():
    for helper in (True, False):
        receiver = Dsn()
        with Place(SONDE_DSN=receiver.dsn, SONDE_CRASH_DEADLINE_MS="15000",
                   SONDE_CRASH_HELPER=HELPER if helper else "",
                   SONDE_SEND_DIRECT_AFTER_MS="0") as p:
            assert p.run(CRASHER, "main", "segv")[0] == "SIGSEGV"
            assert len(receiver.events) == helper, (helper, receiver.events)
            p.run(CRASHER, "main", "none")
            p.run(CRASHER, "main", "none")
            assert len(receiver.events) == 1, (helper, len(receiver.events))
            check_event(receiver.events[0], "SIGSEGV", "SEGV_MAPERR", "crash_by_reading")
        receiver.server.shutdown()
        receiver.server.server_close()


def the_helper_says_what_is_wrong_with_its_input():
    with Place() as p:
        p.run(CRASHER, "main", "segv")
        with open(p.records()[0], "rb") as f:
            record = bytearray(f.read())
    record[500] ^= 1
    for bad, said in ((b"", "neither"), (b"nonsense\n", "neither"), (bytes(record), "checksum"),
                      (bytes(record[:1000]), "no crash record"),
                      (bytes(record[:7000]), "cut"),
                      (b'{}\n{"type":"event","length":99}\n{}\n', "longer")):
        done = subprocess.run([HELPER], input=bad, capture_output=True, timeout=60, check=False)
        assert done.returncode == 1 and said in done.stderr.decode(), done


if __name__ == "__main__":
    if ASAN:
        print("a sanitizer has handlers of its own for these signals\n0 passed, 0 failed, 1 skipped")
        raise SystemExit(0)
    run(globals())
