#!/usr/bin/env python3
# timeout: 120
# suites: plain asan
"""The debug socket of a program that links libsonde, `sonde debug`, its client, and the same over D-Bus."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from xml.etree import ElementTree

from _daemon import SONDE, Skip, run, wait

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
        # two lines may name the same functions, at different addresses
        stacks = [s.rsplit(" ", 1) for s in done["folded"].splitlines()]
        total = sum(int(n) for _, n in stacks)
        assert total == done["samples"] - done["lost"], (total, done["samples"], done["lost"])
        inside = sum(int(n) for s, n in stacks if "churn_numbers" in s)
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


BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>"""


class Bus:
    """A private message bus, at the same address again where a path is given."""

    def __init__(self, path=None):
        if not shutil.which("dbus-daemon") or not shutil.which("dbus-send"):
            raise Skip("dbus-daemon and dbus-send (package dbus) are missing")
        self.folder = tempfile.mkdtemp(prefix="bus-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.path = path or os.path.join(self.folder, "bus")
        config = os.path.join(self.folder, "bus.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(BUS_CONFIG % self.path)
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("unix:path="), self.address
        self.address = f"unix:path={self.path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        shutil.rmtree(self.folder)

    def send(self, name, method, *words, path="/dev/sonde/Debug", **how):
        return subprocess.run(
            ["dbus-send", f"--bus={self.address}", "--print-reply=literal", "--reply-timeout=15000",
             f"--dest={name}", path, method, *words],
            capture_output=True, text=True, timeout=30, check=False, **how)

    def query(self, name, line):
        done = self.send(name, "dev.sonde.Debug1.Query", f"string:{line}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def has(self, name):
        done = self.send("org.freedesktop.DBus", "org.freedesktop.DBus.NameHasOwner",
                         f"string:{name}", path="/org/freedesktop/DBus")
        return "true" in done.stdout

    def host(self, path, **environment):
        return Host(os.path.join(folder, path), SONDE_DEBUG_DBUS="true",
                    SONDE_DEBUG_DBUS_BUS=self.address, **environment)


def bus_name(pid):
    return f"dev.sonde.Debug.debug-host.p{pid}"


def the_commands_are_answered_over_dbus_too():
    with Bus() as bus, bus.host("n.sock") as host:
        name = bus_name(host.pid)
        wait("the name on the bus", lambda: bus.has(name))
        assert bus.query(name, "info")["pid"] == host.pid
        assert bus.query(name, "volume 7") == {"volume": 7}
        assert bus.query(name, "nonsense")["error"]["code"] == "not_found"
        assert bus.query(name, "x" * 5000)["error"]["code"] == "bad_argument"
        assert len(bus.query(name, "help")["commands"]) > 20
        commands = bus.send(name, "dev.sonde.Debug1.Commands").stdout.split()
        assert {"info", "volume", "dbus"} <= set(commands), commands
        own = bus.query(name, "dbus")
        assert own["connected"] and own["name"] == name and own["problem"] == "", own
        assert own["calls"] >= 6 and own["refused"] == 0, own
        line = Line(host.path)  # the socket says the same
        assert line.ask("dbus")["unique_name"] == own["unique_name"]
        line.close()


def the_object_on_the_bus_describes_itself():
    with Bus() as bus, bus.host("o.sock") as host:
        name = bus_name(host.pid)
        wait("the name on the bus", lambda: bus.has(name))
        method = "org.freedesktop.DBus.Introspectable.Introspect"
        xml = bus.send(name, method).stdout
        xml = xml[xml.index("<node"):]
        interfaces = {i.get("name"): [m.get("name") for m in i] for i in ElementTree.fromstring(xml)}
        assert interfaces["dev.sonde.Debug1"] == ["Query", "Commands"], interfaces
        assert 'name="dev"' in bus.send(name, method, path="/").stdout
        assert bus.send(name, "org.freedesktop.DBus.Peer.Ping").returncode == 0
        for path, method, words, error in (
                ("/elsewhere", "dev.sonde.Debug1.Query", ["string:info"], "UnknownObject"),
                ("/dev/sonde/Debug", "dev.sonde.Debug1.Nothing", [], "UnknownMethod"),
                ("/dev/sonde/Debug", "dev.sonde.Debug1.Query", ["int32:3"], "InvalidArgs")):
            done = bus.send(name, method, *words, path=path)
            assert done.returncode != 0 and error in done.stderr, (method, done.stderr)
        assert bus.query(name, "info")["pid"] == host.pid


def a_command_above_the_level_is_refused_over_dbus():
    with Bus() as bus, bus.host("p.sock", SONDE_DEBUG_LEVEL="viewer") as host:
        name = bus_name(host.pid)
        wait("the name on the bus", lambda: bus.has(name))
        error = bus.query(name, "volume 3")["error"]
        assert error["code"] == "denied" and "operator" in error["message"], error
        commands = bus.send(name, "dev.sonde.Debug1.Commands").stdout.split()
        assert "info" in commands and "volume" not in commands, commands


def another_user_is_refused_over_dbus():
    if os.geteuid() != 0:
        raise Skip("only root can be another user")
    with Bus() as bus, bus.host("q.sock") as host:
        name = bus_name(host.pid)
        wait("the name on the bus", lambda: bus.has(name))
        os.chmod(bus.path, 0o777)
        for method in "dev.sonde.Debug1.Query", "org.freedesktop.DBus.Introspectable.Introspect":
            done = bus.send(name, method, "string:info", user=65534)
            assert done.returncode != 0 and "AccessDenied" in done.stderr, (done.stdout, done.stderr)
        own = bus.query(name, "dbus")
        assert own["refused"] == 2 and own["calls"] == 1, own


def a_bus_that_ends_is_joined_again_when_it_is_back():
    with Bus() as bus, bus.host("r.sock") as host:
        line = Line(host.path)
        wait("the greeting", lambda: line.ask("dbus")["name"])
        bus.process.kill()
        bus.process.wait()
        wait("the loss is seen", lambda: not line.ask("dbus")["connected"])
        assert "ended" in line.ask("dbus")["problem"]
        os.unlink(bus.path)
        with Bus(bus.path) as again:
            wait("the name on the new bus", lambda: again.has(bus_name(host.pid)), 40)
            assert again.query(bus_name(host.pid), "info")["pid"] == host.pid
        line.close()


def a_bus_that_is_absent_or_silent_harms_nothing():
    with Host(os.path.join(folder, "s.sock"), SONDE_DEBUG_DBUS="true",
              SONDE_DEBUG_DBUS_BUS=f"unix:path={folder}/nothing") as host:
        line = Line(host.path)
        wait("the problem", lambda: "No such file" in line.ask("dbus")["problem"])
        assert line.ask("info")["pid"] == host.pid
        line.close()
    with Host(os.path.join(folder, "t.sock"), SONDE_DEBUG_DBUS="true",
              SONDE_DEBUG_DBUS_BUS="tcp:host=127.0.0.1,port=1") as host:
        line = Line(host.path)
        wait("the problem", lambda: "only addresses" in line.ask("dbus")["problem"])
        line.close()
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(os.path.join(folder, "silent"))
    silent.listen(4)
    with Host(os.path.join(folder, "u.sock"), SONDE_DEBUG_DBUS="true",
              SONDE_DEBUG_DBUS_BUS=f"unix:path={folder}/silent") as host:
        line = Line(host.path)
        wait("the problem", lambda: "not answered" in line.ask("dbus")["problem"])
        before = ticks_of(host.pid)
        time.sleep(1)
        assert line.ask("info")["pid"] == host.pid
        assert ticks_of(host.pid) - before < 20, "the thread spins"
        line.close()
    silent.close()


def ticks_of(pid):
    """Processor time of the library's thread in hundredths of a second."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as f:
            name, rest = f.read().rsplit(")", 1)
        if name.endswith("(sonde"):
            words = rest.split()
            return int(words[11]) + int(words[12])
    raise AssertionError("no thread of that name")


def a_forked_child_has_a_name_of_its_own():
    with Bus() as bus, bus.host("v.sock") as host:
        wait("the name on the bus", lambda: bus.has(bus_name(host.pid)))
        host.process.stdin.write("f")
        host.process.stdin.flush()
        child = int(host.process.stdout.readline())
        wait("the child's name on the bus", lambda: bus.has(bus_name(child)))
        assert bus.query(bus_name(child), "info")["pid"] == child
        assert bus.query(bus_name(host.pid), "info")["pid"] == host.pid


run(globals())
