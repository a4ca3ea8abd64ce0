#!/usr/bin/env python3
# timeout: 120
# suites: plain asan
"""The debug socket of a program that links libsonde, and `sonde debug`, its client."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from _daemon import SONDE, Skip, run

HOST = os.path.join(os.path.dirname(SONDE), "host-debug_host")
place = tempfile.TemporaryDirectory(prefix="sonde-debug-")
folder = place.name


class Host:
    """The program, running."""

    def __init__(self, path, **environment):
        self.process = subprocess.Popen(
            [HOST, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder,
                 "SONDE_SOCKET": "none", **environment})
        self.path = self.process.stdout.readline().strip()
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Line:
    """A connection to the socket, raw."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\n")
        return self.read()

    def read(self):
        return json.loads(self.file.readline())

    def close(self):
        self.file.close()
        self.socket.close()


def sonde(*words, text=None, **environment):
    return subprocess.run([SONDE, "debug", *words], input=text, capture_output=True, text=True,
                          timeout=60, check=False,
                          env={**os.environ, "XDG_RUNTIME_DIR": folder,
                 "SONDE_SOCKET": "none", **environment})


def a_program_answers_about_itself_in_lines_of_json():
    with Host(os.path.join(folder, "a.sock")) as host:
        assert os.stat(host.path).st_mode & 0o777 == 0o600
        line = Line(host.path)
        info = line.ask("info")
        assert info["service"] == "debug-host" and info["pid"] == host.pid
        names = {c["name"] for c in line.ask("help")["commands"]}
        assert {"info", "help", "state", "dump", "profile", "external", "heap", "volume",
                "settings"} <= names, names
        line.close()
    assert not os.path.exists(host.path)


def states_are_shown_with_their_secrets_taken_out():
    with Host(os.path.join(folder, "b.sock")) as host:
        line = Line(host.path)
        assert {s["name"] for s in line.ask("state")["states"]} == {"player", "flood"}
        player = line.ask("state player 'the third'")["player"]
        assert player["volume"] == 3 and player["detail"] == "the third"
        assert len(player["tracks"]) == 3
        assert "hunter2" not in json.dumps(player) and "jane" not in json.dumps(player)
        assert "1 MiB" in line.ask("state flood")["flood"]["error"]
        assert line.ask("state nothing")["error"]["code"] == "not_found"
        whole = line.ask("dump")
        assert whole["info"]["pid"] == host.pid and whole["state"]["player"]["volume"] == 3
        line.close()


def the_application_adds_commands_and_says_what_is_wrong():
    with Host(os.path.join(folder, "c.sock")) as host:
        line = Line(host.path)
        assert line.ask("volume 7") == {"volume": 7}
        assert line.ask("state player")["player"]["volume"] == 7
        refused = line.ask("volume 12")["error"]
        assert refused == {"code": "bad_argument", "message": "volume N, from 0 to 11"}
        line.close()


def a_caller_without_the_right_is_told_which_it_needs():
    with Host(os.path.join(folder, "d.sock"), SONDE_DEBUG_LEVEL="viewer") as host:
        line = Line(host.path)
        for command, level in ("volume 3", "operator"), ("dump", "operator"), ("heap dump", "admin"):
            error = line.ask(command)["error"]
            assert error["code"] == "denied" and level in error["message"], error
        assert line.ask("info")["pid"] == host.pid
        line.close()


def malformed_lines_are_answered_and_harm_nothing():
    with Host(os.path.join(folder, "e.sock")) as host:
        line = Line(host.path)
        assert line.ask("x" * 5000)["error"]["code"] == "bad_argument"
        assert line.ask("info")["pid"] == host.pid
        assert line.ask("state 'open")["error"]["code"] == "bad_argument"
        line.socket.sendall(b"inf\0o\n")
        assert line.read()["error"]["code"] == "bad_argument"
        line.socket.sendall(b"\r\n\n  \n info \r\ninfo\n")
        assert line.read()["pid"] == host.pid and line.read()["pid"] == host.pid
        line.socket.sendall(b"info")  # no end of line: no question
        line.close()
        line = Line(host.path)
        line.socket.sendall(os.urandom(200000).replace(b"\n", b"x") + b"\n")
        assert line.read()["error"]["code"] in ("bad_argument", "not_found")
        line.close()


def a_reader_that_does_not_read_stops_nobody():
    with Host(os.path.join(folder, "f.sock")) as host:
        slow = Line(host.path)
        slow.socket.setblocking(False)
        sent = 0
        try:
            while sent < 20 << 20:
                sent += slow.socket.send(b"help\n" * 1000)
        except BlockingIOError:
            pass
        quick = Line(host.path)
        for _ in range(50):
            assert quick.ask("info")["pid"] == host.pid
        more = [Line(host.path) for _ in range(6)]
        assert Line(host.path).read()["error"]["code"] == "limit_exceeded"
        for line in [slow, quick, *more]:
            line.close()
        # those who have hung up make room
        for _ in range(200):
            line = Line(host.path)
            try:
                if line.ask("info").get("pid") == host.pid:
                    break
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        else:
            raise AssertionError("no room is made")


def a_socket_of_a_killed_program_is_replaced():
    path = os.path.join(folder, "g.sock")
    with Host(path) as host:
        host.process.kill()
        host.process.wait()
    assert os.path.exists(path)
    with Host(path) as host:
        line = Line(path)
        assert line.ask("info")["pid"] == host.pid
        line.close()
        second = subprocess.run([HOST, path], capture_output=True, text=True, timeout=30, check=False,
                                stdin=subprocess.DEVNULL)
        assert second.returncode == 1 and "debug.socket" in second.stderr, second.stderr


def a_profile_names_the_function_that_takes_the_time():
    with Host(os.path.join(folder, "h.sock")) as host:
        line = Line(host.path)
        assert line.ask("profile stop")["error"]["code"] == "bad_state"
        assert line.ask("profile start 0")["error"]["code"] == "bad_argument"
        assert line.ask("profile start 500 30")["hz"] == 500
        assert line.ask("profile start")["error"]["code"] == "bad_state"
        for _ in range(600):
            if line.ask("profile status")["samples"] > 100:
                break
            time.sleep(0.05)
        done = line.ask("profile stop")
        stacks = dict(s.rsplit(" ", 1) for s in done["folded"].splitlines())
        total = sum(int(n) for n in stacks.values())
        assert total == done["samples"] - done["lost"], (total, done["samples"], done["lost"])
        inside = sum(int(n) for s, n in stacks.items() if "churn_numbers" in s)
        assert inside > total * 0.8, stacks
        line.close()


def profiles_come_as_flame_graph_and_for_pprof():
    with Host(os.path.join(folder, "i.sock")) as host:
        svg, pb = os.path.join(folder, "i.svg"), os.path.join(folder, "i.pb")
        done = sonde(host.path, "--seconds", "1", "--hz", "200", "--output", svg, "profile")
        assert done.returncode == 0, done.stderr
        picture = open(svg, encoding="utf-8").read()
        assert picture.startswith("<svg") and "churn_numbers" in picture
        done = sonde(host.path, "--seconds", "1", "--hz", "200", "--output", pb, "profile")
        assert done.returncode == 0, done.stderr
        assert b"churn_numbers" in open(pb, "rb").read()
        check_pprof(open(pb, "rb").read())
        done = sonde(host.path, "--seconds", "1", "profile")
        assert "churn_numbers" in done.stdout, done.stdout


def fields(data):
    """Field number -> values of a protobuf message: the plain oracle."""
    found, at = {}, 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            value = varint()
        else:
            assert tag & 7 == 2, tag
            length = varint()
            value = data[at:at + length]
            at += length
        found.setdefault(tag >> 3, []).append(value)
    return found


def packed(data):
    out, n, shift = [], 0, 0
    for byte in data:
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            out.append(n)
            n = shift = 0
    return out


def check_pprof(data):
    profile = fields(data)
    strings = profile[6]
    assert strings[0] == b""
    functions = {fields(f)[1][0]: strings[fields(f)[2][0]] for f in profile[5]}
    mappings = {fields(m)[1][0] for m in profile[3]}
    locations = {}
    for location in map(fields, profile[4]):
        assert location[2][0] in mappings | {0}
        locations[location[1][0]] = functions[fields(location[4][0])[1][0]]
    seen = set()
    for sample in map(fields, profile[2]):
        count, nanoseconds = packed(sample[2][0])
        assert nanoseconds == count * profile[12][0]
        seen |= {locations[i] for i in packed(sample[1][0])}
    assert b"churn_numbers" in seen


def the_client_finds_programs_by_service_and_process():
    with Host("auto") as host:
        assert host.path.startswith(folder)
        assert host.path in sonde().stdout
        for word in host.path, str(host.pid), "debug-host":
            done = sonde(word, "--json", "info")
            assert json.loads(done.stdout)["pid"] == host.pid, (word, done.stderr)
        people = sonde(str(host.pid), "state", "player", "a b").stdout
        assert re.search(r"volume: 3", people) and "detail: a b" in people, people
        assert "number" in people
        lines = sonde(str(host.pid), text="info\n# a comment\nvolume 4\nnonsense\n")
        assert lines.returncode == 1 and "volume: 4" in lines.stdout
        assert "no such command" in lines.stderr
    assert sonde("debug-host", "info").returncode == 3
    assert sonde("--hz", "0", "x", "profile").returncode == 2


def the_prompt_completes_commands_and_ends():
    if not shutil.which("script"):
        raise Skip("script(1) is missing")
    with Host(os.path.join(folder, "k.sock")) as host:
        done = subprocess.run(
            ["script", "-qec", f"{SONDE} debug {host.path}", "/dev/null"],
            input="vol\t 9\nstate player\nquit\n", capture_output=True, text=True, timeout=60,
            check=False, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        assert "volume: 9" in done.stdout, done.stdout


def the_stacks_of_all_threads_are_shown():
    with Host(os.path.join(folder, "m.sock")) as host:
        line = Line(host.path)
        threads = line.ask("threads")["threads"]
        assert len(threads) == 3, threads
        assert {t["name"] for t in threads} >= {"sonde"}
        text = json.dumps([t["frames"] for t in threads])
        assert "churn_numbers" in text and "main" in text, text
        line.close()


def external_profilers_say_whether_they_are_there():
    with Host(os.path.join(folder, "l.sock")) as host:
        line = Line(host.path)
        listed = {p["name"]: p for p in line.ask("external list")["profilers"]}
        assert set(listed) == {"perf", "gperftools", "tracy"}
        assert not listed["tracy"]["present"]
        assert line.ask("external start tracy")["error"]["code"] == "unsupported"
        assert line.ask("external stop perf")["error"]["code"] == "bad_state"
        assert line.ask("external start vtune")["error"]["code"] == "bad_argument"
        assert line.ask("heap dump")["error"]["code"] == "unsupported"
        line.close()


run(globals())
