#!/usr/bin/env python3
"""Whatever a program does wrong: sonde-watch with the real faults."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from _daemon import SANITIZED, Skip, run, wait
from _port import free_port
from _supervisor import SONDE_WATCH, Watch, alive, program, restart_times, sh

PYTHON = sys.executable
SLEEP = ["sleep", "100000"]
QUICK = {"pauses_ms": [0, 10], "jitter_percent": 0}
# No limit of restarts.
FREE = {"pauses_ms": [0], "jitter_percent": 0, "restarts_max": 1000000}
NOTIFY = r"""
import os, socket, sys, time
name = os.environ["NOTIFY_SOCKET"]
assert os.environ["WATCHDOG_PID"] == str(os.getpid())
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(text.encode(), "\0" + name[1:] if name[0] == "@" else name)
        except OSError:
            pass
"""
SERVER = r"""
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"fine")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
DAEMONIZE = ("(setsid sh -c '(setsid sleep 100001 &) ; sleep 100002' &) ; "
             "setsid sleep 100003 & exec sleep 100004")


def python(script, *words):
    return [PYTHON, "-c", script, *map(str, words)]


def a_program_that_exits_is_started_again_and_explained():
    with Watch(program("a", sh("echo this is why >&2; sleep 0.3; exit 7"), **FREE)) as w:
        wait("it has died three times", lambda: w.unit("a")["deaths"] >= 3)
        death = w.unit("a")["last_death"]
        assert death["exit_code"] == 7 and death["sentence"] == "exit status 7", death
        assert "this is why" in death["facts"], death
        wait("its output is in a file", lambda: "this is why" in w.log("a"))
        exits = w.events("exit", "a")
        assert exits and exits[0]["exit_code"] == 7 and "this is why" in exits[0]["facts"], exits
        with open(os.path.join(w.folder, "watch.jsonl"), encoding="utf-8") as f:
            kinds = {json.loads(line)["kind"] for line in f}
        assert {"start", "ready", "exit", "restart", "supervisor"} <= kinds, kinds


def a_killed_program_is_back_at_once():
    with Watch(program("a", SLEEP, **FREE)) as w:
        times = restart_times(w, "a", 20)
        print(f"  death to new start: median {times[10]:.1f} ms, slowest {times[-1]:.1f} ms")
        assert times[10] < (500 if SANITIZED else 100), times
        assert "SIGKILL" in w.unit("a")["last_death"]["sentence"]


def a_segmentation_fault_is_called_by_its_name():
    with Watch(program("a", sh("kill -SEGV $$"), restarts_max=0), words=["--stay"]) as w:
        death = w.state("a", "critical")["last_death"]
        assert death["signal"] == 11 and "segmentation fault" in death["sentence"], death


def a_stopped_process_is_found_by_its_liveness_check():
    port = free_port()
    with Watch(program("a", python(SERVER, port), liveness_kind="http", grace_ms=5000,
                       liveness_target=f"http://127.0.0.1:{port}/", liveness_interval_ms=200,
                       liveness_timeout_ms=200, liveness_fail_ms=600, liveness_body="fine",
                       **FREE)) as w:
        first = w.state("a", "running")["pid"]
        begun = time.monotonic()
        os.kill(first, signal.SIGSTOP)
        w.new_pid("a", first)
        took = time.monotonic() - begun
        assert took < (5 if SANITIZED else 2), took
        assert w.unit("a")["restarts_by"]["liveness"] == 1
        assert w.events("hang", "a")[0]["cause"] == "liveness"
        w.state("a", "running")


def heartbeats_that_stop_end_the_program():
    beats = NOTIFY + r"""
say("READY=1\nSTATUS=counting")
for i in range(8):
    say("WATCHDOG=1"); time.sleep(0.1)
print("silent", time.time(), flush=True)
time.sleep(1000)
"""
    with Watch(program("a", python(beats), heartbeat_ms=500, **FREE)) as w:
        first = w.unit("a")["pid"]
        wait("it says how it is", lambda: w.unit("a")["status"] == "counting")
        w.new_pid("a", first)
        hang = w.events("hang", "a")[0]
        assert hang["cause"] == "heartbeat", hang
        silent = float(w.log("a").split()[1]) * 1000
        late = hang["time_ms"] - (silent - 100) - 500
        print(f"  heartbeat's time-out to the kill: {late:.0f} ms")
        assert -20 < late < (2000 if SANITIZED else 500), late


def a_stranger_can_not_speak_for_a_program():
    with Watch(program("a", sh("echo $NOTIFY_SOCKET; exec sleep 100000"))) as w:
        name = wait("its socket", lambda: w.log("a").strip())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect("\0" + name[1:])
            s.send(b"STATUS=forged")
        w.ask("status")
        assert w.unit("a")["status"] == ""


def stop_and_crash(user=None):
    with Watch(program("a", sh(DAEMONIZE), **FREE), user=user) as w:
        wait("all four run", lambda: len(w.left()) >= 4)
        first = w.left()
        os.kill(w.unit("a")["pid"], signal.SIGKILL)
        w.new_pid("a", 0)
        wait("the first four are gone", lambda: not any(map(alive, first)))
        wait("four run again", lambda: len(w.left()) >= 4)
        assert w.ask("stop", target="a", wait_ms=15000)["reached"]
        assert w.left() == []
        assert w.ask("start", target="a", wait_ms=15000)["reached"]
    # The end of the block has found nothing left.


def no_descendant_outlives_a_stop_or_a_crash():
    stop_and_crash()


def the_same_without_cgroups_as_an_ordinary_user():
    if os.getuid() != 0:
        raise Skip("only root can become another user")
    stop_and_crash(user=65534)


def who_ignores_sigterm_is_killed_in_time():
    with Watch(program("a", sh("trap '' TERM; echo on; while :; do sleep 1; done"),
                       stop_timeout_ms=700)) as w:
        wait("it ignores the signal", lambda: "on" in w.log("a"))
        begun = time.monotonic()
        assert w.ask("stop", target="a", wait_ms=20000)["reached"]
        took = time.monotonic() - begun
        assert 0.6 < took < 10, took
        assert w.left() == []


def who_eats_memory_is_started_again():
    hungry = "import time\nx = bytearray(120 << 20)\ntime.sleep(1000)\n"
    with Watch(program("a", python(hungry), memory_max=60 << 20, limit_for_ms=0, **FREE)) as w:
        wait("it was restarted for its memory",
             lambda: w.unit("a")["restarts_by"]["memory"] >= 1, 30)
        limit = w.events("limit", "a")[0]
        assert limit["cause"] == "memory" and "bytes of memory" in limit["text"], limit


def a_flood_of_output_is_bounded_and_holds_up_nobody():
    with Watch(program("a", ["yes", "a line that comes again and again"], log_bytes_max=100000,
                       log_files=3), program("b", SLEEP, **FREE)) as w:
        wait("much has come", lambda: w.unit("a")["output_bytes"] > 20 << 20, 60)
        first = w.unit("b")["pid"]
        os.kill(first, signal.SIGKILL)
        w.new_pid("b", first, 10)
        files = [f for f in os.listdir(w.folder) if f.startswith("a.log")]
        assert len(files) <= 3, files
        sizes = [os.path.getsize(os.path.join(w.folder, f)) for f in files
                 if os.path.exists(os.path.join(w.folder, f))]
        assert max(sizes) <= 101000, sizes
        rows = w.ask("logs", target="a", lines=5)["rows"]
        assert len(rows) == 5 and all("again" in r["text"] for r in rows), rows


def a_taken_port_names_its_owner_and_is_waited_for():
    port = free_port()
    holder = subprocess.Popen(python(SERVER, port))
    try:
        wait("the port is taken", lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
        with Watch(program("a", python(SERVER, port), port=port, restarts_max=1, pauses_ms=[0, 300],
                           jitter_percent=0, readiness_kind="tcp",
                           readiness_target="127.0.0.1:@PORT@")) as w:
            u = w.state("a", "blocked")
            assert f"port {port} is already taken by PID {holder.pid} (python" in u["reason"], u
            blocked = w.events("blocked", "a")
            assert blocked and blocked[0]["level"] == "error", blocked
            wait("it has tried more often than its restarts", lambda: w.unit("a")["deaths"] >= 3)
            assert w.unit("a")["restarts_in_window"] == 0
            holder.kill()
            holder.wait()
            w.state("a", "running")
    finally:
        holder.kill()
        holder.wait()


def an_executable_that_is_replaced_is_the_new_one_from_then_on():
    w = Watch()
    path = os.path.join(w.top, "it")

    def put(word):
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\necho {word}\nexec sleep 100000\n")
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
    put("old")
    w.write(program("a", ["./it"], folder=w.top, **FREE))
    with w:
        wait("the old one runs", lambda: "old" in w.log("a"))
        put("new")
        assert w.ask("restart", target="a", wait_ms=10000)["reached"]
        wait("the new one runs", lambda: "new" in w.log("a"))


def a_program_may_close_its_output():
    with Watch(program("a", sh("exec >&- 2>&-; exec sleep 100000"), **FREE)) as w:
        time.sleep(0.2)
        u = w.unit("a")
        assert u["state"] == "running" and u["deaths"] == 0, u
        assert w.ask("restart", target="a", wait_ms=10000)["reached"]
        assert w.unit("a")["pid"] != u["pid"]


def a_missing_executable_is_critical_at_once_and_so_is_the_exit_status():
    w = Watch(program("a", ["/nonexistent/program"])).start(ready=False)
    assert w.wait_end() == 3
    assert "executable not found: /nonexistent/program" in w.said(), w.said()
    w.end()
    w = Watch(program("a", sh("exit 78"))).start(ready=False)
    assert w.wait_end() == 3
    assert "its configuration is wrong" in w.said(), w.said()
    w.end()


def a_crash_loop_ends_critical_and_tells_how_often():
    w = Watch(program("a", sh("echo bad luck; exit 1"), restarts_max=3, **QUICK)).start(ready=False)
    assert w.wait_end() == 3
    assert "restarted 3 times in 600 s" in w.said(), w.said()
    with open(os.path.join(w.folder, "watch.jsonl"), encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    assert sum(e["kind"] == "start" for e in events) == 4, events
    w.end()


def a_program_that_ends_well_and_is_not_wanted_again_ends_all():
    w = Watch(program("a", sh("exit 0"), restart="on_failure")).start(ready=False)
    assert w.wait_end() == 0
    w.end()


def order_of_starts_and_stops_is_that_of_the_table():
    line = "trap 'echo %s down >> order; exit 0' TERM; echo %s up >> order; while :; do sleep 0.1; done"
    w = Watch()
    w.write(*[program(name, sh(line % (name, name)), after=after, folder=w.top, readiness_kind="command",
                      readiness_argv=["grep", "-q", f"{name} up", "order"])
              for name, after in (("c", ["b"]), ("b", ["a"]), ("a", []))])
    with w:
        w.state("c", "running")
        w.process.terminate()
        assert w.wait_end() == 0
        with open(os.path.join(w.top, "order"), encoding="ascii") as f:
            order = f.read().splitlines()
        assert order == ["a up", "b up", "c up", "c down", "b down", "a down"], order


def killed_itself_it_adopts_what_lives():
    beats = NOTIFY + r"""
i = 0
while True:
    say("WATCHDOG=1"); print("beat", i, flush=True); i += 1; time.sleep(0.1)
"""
    with Watch(program("a", python(beats), heartbeat_ms=2000, **FREE),
               program("b", sh(DAEMONIZE), **FREE), program("c", SLEEP, **FREE)) as w:
        wait("it beats", lambda: w.log("a").count("beat") > 3)
        wait("all run", lambda: len(w.left()) >= 6)
        assert w.ask("stop", target="c", wait_ms=10000)["reached"]
        before = {u["name"]: u["pid"] for u in w.ask("status")["programs"]}
        time.sleep(0.2) # its state is written by a thread
        w.process.kill()
        w.process.wait()
        time.sleep(0.3)
        assert alive(before["a"]) and alive(before["b"])
        w.start()
        after = {u["name"]: u["pid"] for u in w.ask("status")["programs"]}
        assert after == before, (before, after)
        assert w.unit("c")["state"] == "stopped" and w.ask("status")["adopted"] == 2
        lines = w.log("a").count("\n")
        wait("its output is heard again", lambda: w.log("a").count("\n") > lines + 5)
        numbers = [int(x.split()[1]) for x in w.log("a").splitlines()]
        assert numbers == list(range(len(numbers))), "a line of output is missing"
        time.sleep(2.5)
        assert w.unit("a")["pid"] == before["a"], w.said()
        os.kill(before["a"], signal.SIGKILL)
        w.new_pid("a", before["a"])
        left = w.left()
        assert w.ask("stop", target="b", wait_ms=15000)["reached"]
        wait("nothing of b is left", lambda: len(w.left()) <= 1)
        assert len(left) > 3


def killed_right_after_a_start_it_starts_nothing_twice():
    for _ in range(5):
        with Watch(*[program(f"p{i}", SLEEP, **FREE) for i in range(8)]) as w:
            victims = [u["pid"] for u in w.ask("status")["programs"]]
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            time.sleep(random.uniform(0, 0.02))
            w.process.kill()
            w.process.wait()
            w.start()
            wait("all run", lambda: w.ask("status")["summary"]["running"] == 8)
            wait("each once", lambda: sorted(w.left()) ==
                 sorted(u["pid"] for u in w.ask("status")["programs"]))


def an_upgrade_touches_no_program():
    with Watch(program("a", sh("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"), **FREE),
               program("b", sh("sleep 100000; exit 5"), **FREE)) as w:
        wait("it prints", lambda: w.log("a").count("line") > 3)
        before = {u["name"]: (u["pid"], u["started_ms"]) for u in w.ask("status")["programs"]}
        for i in range(3):
            w.process.send_signal(signal.SIGUSR2) if i else w.ask("upgrade")
            wait("it has executed itself", lambda i=i: w.answers() and
                 w.ask("status")["upgrades"] == i + 1)
        after = {u["name"]: (u["pid"], u["started_ms"]) for u in w.ask("status")["programs"]}
        assert before == after, (before, after)
        assert w.process.poll() is None
        n = w.log("a").count("\n")
        wait("it is heard", lambda: w.log("a").count("\n") > n + 5)
        numbers = [int(x.split()[1]) for x in w.log("a").splitlines()]
        assert numbers == list(range(len(numbers))), numbers
        os.kill(before["b"][0], signal.SIGTERM)
        w.new_pid("b", before["b"][0])
        assert w.unit("b")["last_death"]["signal"] == 15 # it is still its child
        w.ask("upgrade", path="/nonexistent/sonde-watch")
        wait("a failed upgrade is told", lambda: "goes on as it is" in w.said())
        assert w.unit("a")["pid"] == before["a"][0]


def a_new_table_changes_what_has_changed():
    with Watch(program("a", SLEEP), program("b", SLEEP), program("c", SLEEP)) as w:
        before = {u["name"]: u["pid"] for u in w.ask("status")["programs"]}
        answer = w.ask("plan", plan=w.table(
            program("a", SLEEP, restarts_max=9), program("b", ["sleep", "100009"]),
            program("d", SLEEP)))
        assert answer["ok"] and answer["added"] == ["d"] and answer["removed"] == ["c"], answer
        assert answer["changed"] == ["b"] and answer["kept"] == ["a"], answer
        wait("all is so", lambda: w.ask("status")["summary"]["ready"] == 3 and
             len(w.ask("status")["programs"]) == 3)
        after = {u["name"]: u for u in w.ask("status")["programs"]}
        assert set(after) == {"a", "b", "d"} and after["a"]["restarts_max"] == 9
        assert after["a"]["pid"] == before["a"] and after["b"]["pid"] != before["b"]
        assert not alive(before["c"])
        bad = w.ask("plan", plan="nonsense")
        assert not bad["ok"] and bad["error"] == "bad_format", bad


def the_control_socket_refuses_and_follows():
    with Watch(program("a", sh("while read x; do :; done; while :; do echo tick; sleep 0.1; done"),
                       group="g", **FREE)) as w:
        for line, error in ((b"nonsense", "bad_format"), (b'{"do":"fly"}', "bad_format"),
                            (b'{"do":"stop","target":"zz"}', "not_found")):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(w.socket)
                s.sendall(line + b"\n")
                assert json.loads(s.makefile().readline())["error"] == error
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(w.socket)
            s.sendall(b'{"do":"logs","target":"g","lines":0,"follow":true}\n')
            f = s.makefile()
            assert json.loads(f.readline())["ok"]
            assert json.loads(f.readline()) == {"unit": "a", "text": "tick"}
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(w.socket)
            s.sendall(b'{"do":"events","follow":true,"lines":0}\n')
            f = s.makefile()
            assert json.loads(f.readline())["ok"]
            w.ask("restart", target="a", wait_ms=10000)
            assert json.loads(f.readline())["kind"] == "stop"
        assert w.ask("signal", target="a", signal="USR1")["units"] == ["a"]
        wait("the signal has ended it", lambda:
             "SIGUSR1" in (w.unit("a")["last_death"] or {"sentence": ""})["sentence"])
        checks = w.ask("check", target="a")
        assert checks["ok"] and checks["checks"] == [], checks


def a_full_disk_does_not_stop_supervision():
    if os.getuid() != 0:
        raise Skip("only root can mount")
    w = Watch()
    os.mkdir(w.folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", w.folder],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("no tmpfs can be mounted")
    try:
        w.write(program("a", sh("yes | head -c 300000; exec sleep 100000"), **FREE))
        with w:
            wait("the disk is full", lambda: w.unit("a")["output_dropped_bytes"] > 0)
            for _ in range(3):
                pid = w.unit("a")["pid"]
                os.kill(pid, signal.SIGKILL)
                w.new_pid("a", pid)
            wait("it is told", lambda: w.events("output", "a"), 20)
    finally:
        subprocess.run(["umount", "-l", w.folder], check=False)
        shutil.rmtree(w.top, ignore_errors=True)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def hundreds_of_restarts_leak_nothing():
    with Watch(program("a", sh("exit 1"), **FREE), program("b", SLEEP)) as w:
        wait("a hundred", lambda: w.unit("a")["deaths"] > 100, 60)
        before = descriptors(w.process.pid)
        wait("a thousand", lambda: w.unit("a")["deaths"] > 1000, 120)
        w.ask("stop", target="a", wait_ms=10000)
        after = descriptors(w.process.pid)
        assert after <= before + 4, (before, after)
        zombies = [p for p in os.listdir("/proc") if p.isdigit() and zombie_of(p, w.process.pid)]
        assert zombies == [], zombies


def zombie_of(pid, parent):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            words = f.read().rpartition(")")[2].split()
        return words[0] == "Z" and int(words[1]) == parent
    except OSError:
        return False


def many_that_crash_at_random_are_all_there_once_at_the_end():
    n, seconds = int(os.environ.get("WATCH_CRASHERS", 40)), float(os.environ.get("WATCH_SECONDS", 6))
    with Watch(*[program(f"p{i}", SLEEP, **FREE) for i in range(n)], verbosity=0) as w:
        until = time.monotonic() + seconds
        dice = random.Random(1)
        killed = 0
        while time.monotonic() < until:
            for u in w.ask("status")["programs"]:
                if u["pid"] and dice.random() < 0.3:
                    try:
                        os.kill(u["pid"], dice.choice([9, 11, 15, 6]))
                        killed += 1
                    except ProcessLookupError:
                        pass
            time.sleep(0.05)
        wait("all run", lambda: w.ask("status")["summary"]["running"] == n, 60)
        wait("each once", lambda: sorted(w.left()) ==
             sorted(u["pid"] for u in w.ask("status")["programs"]), 60)
        summary = w.ask("status")["summary"]
        print(f"  {n} programs, {killed} killed, {summary['restarts']} restarts")
        assert summary["restarts"] == summary["deaths"] and summary["critical"] == 0, summary


def hooks_and_instances_get_their_words():
    port = free_port()
    w = Watch()
    w.write(program("a", sh("echo on @PORT@ $PORT $SONDE_INSTANCE; exec sleep 100000"), port=port,
                    instances=2, folder=w.top,
                    before_start=sh("echo before @INSTANCE@ $SONDE_PROGRAM >> hooks"),
                    after_stop=sh("echo after @INSTANCE@ $SONDE_PROGRAM >> hooks")))
    with w:
        wait("both run", lambda: w.ask("status")["summary"]["ready"] == 2)
        for i in range(2):
            wait("it says so", lambda i=i: w.log(f"a@{i}") == f"on {port + i} {port + i} {i}\n")
        assert w.ask("stop", target="a@1", wait_ms=10000)["reached"]
        with open(os.path.join(w.top, "hooks"), encoding="ascii") as f:
            assert sorted(f.read().splitlines()) == ["after 1 a", "before 0 a", "before 1 a"]
        assert w.unit("a@0")["state"] == "running"


def its_own_memory_is_little():
    if SANITIZED:
        raise Skip("sanitizers need memory of their own")
    for n, most in ((1, 3072), (100, 6144)):
        with Watch(*[program(f"p{i}", SLEEP) for i in range(n)], verbosity=0) as w:
            wait("all run", lambda n=n: w.ask("status")["summary"]["running"] == n)
            with open(f"/proc/{w.process.pid}/smaps_rollup", encoding="ascii") as f:
                pss = next(int(x.split()[1]) for x in f if x.startswith("Pss:"))
            print(f"  {n} programs: PSS {pss} KiB")
            assert pss < most, pss


assert os.path.exists(SONDE_WATCH), SONDE_WATCH
assert threading.active_count() == 1
run(globals())
