"""A sonde-watch in a folder of its own, for the tests of the watchdog."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from _daemon import ROOT, SONDE, wait

SONDE_WATCH = os.environ.get("SONDE_WATCH",
                             os.path.join(os.path.dirname(os.path.abspath(SONDE)), "sonde-watch"))
if not os.path.exists(SONDE_WATCH):
    SONDE_WATCH = os.path.join(ROOT, "build", "sonde-watch")


def escaped(value):
    return str(value).replace("\\", "\\\\").replace("\n", "\\n")


def program(name, argv, **facts):
    """A program's lines of the table; a list is a line for each."""
    lines = [f"program {name}"] + [f"argv {escaped(a)}" for a in argv]
    for key, value in facts.items():
        if key == "pauses_ms":
            lines.append("pauses_ms " + " ".join(map(str, value)))
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            text = {True: "true", False: "false"}.get(one, one) if isinstance(one, bool) else one
            lines.append(f"{key} {escaped(text)}")
    return "\n".join(lines) + "\n"


def sh(script):
    return ["/bin/sh", "-c", script]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_with(mark):
    """Numbers of the processes whose environment holds the mark."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as f:
                if mark.encode() in f.read().split(b"\0") and alive(int(name)):
                    found.append(int(name))
        except OSError:
            pass
    return found


class Watch:
    def __init__(self, *programs, user=None, folder=None, words=(), verbosity=1):
        self.top = tempfile.mkdtemp(prefix="sonde-watch-")
        os.chmod(self.top, 0o777)
        self.user = user
        self.words = list(words)
        self.mark = f"SONDE_TEST={os.path.basename(self.top)}"
        self.folder = folder or os.path.join(self.top, "watch")
        self.socket = os.path.join(self.top, "control")
        self.verbosity = verbosity
        self.write(*programs)
        self.process = None

    def table(self, *programs):
        """Each gets a mark in its environment, by which what is left of it is found."""
        marked = "".join(p + f"environment {self.mark}\n" for p in programs)
        return (f"sonde-watch 1\nfolder {self.folder}\nsocket {self.socket}\n"
                f"status_file {self.folder}/status.json\nverbosity {self.verbosity}\n"
                f"{marked}end\n")

    def write(self, *programs):
        self.plan = os.path.join(self.top, "plan")
        with open(self.plan, "w", encoding="utf-8") as f:
            f.write(self.table(*programs))

    def start(self, ready=True):
        log = open(os.path.join(self.top, "stderr"), "ab")
        more = {"user": self.user} if self.user is not None else {}
        self.process = subprocess.Popen([SONDE_WATCH, "--plan", self.plan, *self.words], stderr=log,
                                        stdin=subprocess.DEVNULL, cwd=self.top, **more)
        log.close()
        if ready:
            wait("its socket answers", lambda: self.process.poll() is not None or self.answers())
            assert self.process.poll() is None, self.said()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.end()

    def said(self):
        with open(os.path.join(self.top, "stderr"), encoding="utf-8", errors="replace") as f:
            return f.read()[-4000:]

    def answers(self):
        try:
            return self.ask("status")["ok"]
        except (OSError, ValueError):
            return False

    def ask(self, do, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.socket)
            s.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            with s.makefile("rb") as f:
                answer = json.loads(f.readline())
                answer["rows"] = [json.loads(f.readline()) for _ in range(answer.get("lines", 0))]
                return answer

    def unit(self, name):
        return next(u for u in self.ask("status")["programs"] if u["name"] == name)

    def state(self, name, state, patience=20):
        return wait(f"{name} is {state}: {self.said()}",
                    lambda: (u := self.unit(name))["state"] == state and u, patience)

    def new_pid(self, name, old, patience=20):
        def look():
            u = self.unit(name)
            return u["pid"] not in (0, old) and u
        return wait(f"{name} has a new process: {self.said()}", look, patience)["pid"]

    def events(self, kind=None, unit=""):
        rows = self.ask("events", target=unit, lines=10000)["rows"]
        return [r for r in rows if kind in (None, r["kind"])]

    def log(self, name):
        path = os.path.join(self.folder, name + ".log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_end(self, patience=20):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired as e:
            raise AssertionError("it does not end: " + self.said()) from e

    def left(self):
        return processes_with(self.mark)

    def end(self, check=True):
        """Ends it and says what is left of its programs: nothing."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        left = self.left()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        said = self.said() if os.path.exists(self.top) else ""
        shutil.rmtree(self.top, ignore_errors=True)
        assert not (check and left), f"left: {left}: {said}"


def restart_times(w, name, n):
    """Milliseconds from kill -9 to the event of the new start, as the supervisor wrote it."""
    times = []
    for _ in range(n):
        pid = w.unit(name)["pid"]
        begun = time.time() * 1000
        os.kill(pid, signal.SIGKILL)
        w.new_pid(name, pid)
        times.append(w.unit(name)["started_ms"] - begun)
    return sorted(times)
