"""Supervisors side by side: each keeps the same child running, is told to stop it, and is ended."""
import os
import shutil
import signal
import subprocess
import time


def wait(what, condition, seconds=20, step=0.002):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(step)
    raise RuntimeError(f"not within {seconds} s: {what}")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def processes_with(*words):
    """Processes whose command line has all of the words, as (pid, words)."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as f:
                line = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(w in line for w in words):
            found.append((int(name), line))
    return found


class Supervisor:
    """One child, whose starts are lines of its log."""
    name, program, slow = "", "", False

    def __init__(self, folder, child):
        self.folder, self.child = os.path.join(folder, self.name), child
        os.makedirs(self.folder)
        self.log = os.path.join(self.folder, "child.log")
        self.process = None

    @classmethod
    def there(cls):
        return shutil.which(cls.program) is not None

    def starts(self):
        """(nanoseconds, pid) of each start."""
        try:
            with open(self.log, encoding="ascii") as f:
                lines = [line.split() for line in f if line.endswith("\n")]
        except OSError:
            return []
        return [(int(ns), int(pid)) for what, ns, pid in lines if what == "start"]

    def run(self, *argv, **more):
        self.process = subprocess.Popen(argv, cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, **more)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def order(self, *argv):
        subprocess.run(argv, cwd=self.folder, check=False, timeout=30, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def killed(self):
        """Milliseconds from the death of the child to its next start."""
        before = self.starts()
        begin = time.monotonic_ns()
        os.kill(before[-1][1], signal.SIGKILL)
        after = wait(f"{self.name}: a new start", lambda: len(self.starts()) > len(before) and
                     self.starts(), 40)
        return (after[-1][0] - begin) / 1e6

    def left(self):
        """Grandchildren that live."""
        return [pid for pid, _ in processes_with(self.log, "grandchild")]

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid, _ in processes_with(self.log):  # what it left
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


class SondeWatch(Supervisor):
    name = "sonde-watch"

    def __init__(self, folder, child, binary):
        super().__init__(folder, child)
        self.binary = binary

    def start(self, *mode, more=""):
        words = ", ".join(f'"{w}"' for w in (self.child, self.log, *mode))
        self.write("sonde.toml", f'[watch]\nfolder = "state"\n[[watch.program]]\nname = "child"\n'
                   f'command = [{words}]\nrestarts_max = 0\npauses = ["0s"]\njitter_percent = 0\n'
                   f'{more}')
        self.run(self.binary, "watch", "--config", "sonde.toml", "-q")

    def stop(self):
        self.order(self.binary, "watch", "--config", "sonde.toml", "ctl", "stop", "child")


class Runit(Supervisor):
    name, program = "runit", "runsv"

    def start(self, *mode):
        self.write("service/run", f"#!/bin/sh\nexec {self.child} {self.log} {' '.join(mode)}\n", 0o755)
        self.run("runsv", "service")

    def stop(self):
        self.order("sv", "-w", "10", "force-stop", os.path.join(self.folder, "service"))


class Daemontools(Supervisor):
    name, program = "daemontools", "supervise"

    def start(self, *mode):
        self.write("service/run", f"#!/bin/sh\nexec {self.child} {self.log} {' '.join(mode)}\n", 0o755)
        self.run("supervise", "service")

    def stop(self):
        self.order("svc", "-d", os.path.join(self.folder, "service"))
        wait("daemontools: stopped", lambda: not alive(self.starts()[-1][1]))

    def end(self):
        self.order("svc", "-dx", os.path.join(self.folder, "service"))
        super().end()


class Supervisord(Supervisor):
    name, program = "supervisord", "supervisord"

    def start(self, *mode):
        self.write("s.conf", "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
                   "pidfile=s.pid\n[unix_http_server]\nfile=s.sock\n"
                   "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = "
                   "supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\n"
                   "serverurl=unix://s.sock\n[program:child]\n"
                   f"command={self.child} {self.log} {' '.join(mode)}\nautorestart=true\n"
                   "startretries=1000\nstopasgroup=true\nkillasgroup=true\n")
        self.run("supervisord", "-c", "s.conf")

    def stop(self):
        self.order("supervisorctl", "-c", "s.conf", "stop", "child")


class Monit(Supervisor):
    """Looks each second, the least that it can; the child writes its pid into a file."""
    name, program, slow = "monit", "monit", True

    def start(self, *mode):
        pidfile = os.path.join(self.folder, "child.pid")
        how = " ".join(m for m in mode if m != "stay")
        self.write("monitrc", "set daemon 1\n"
                   f"set pidfile {self.folder}/monit.pid\nset statefile {self.folder}/monit.state\n"
                   f"set idfile {self.folder}/monit.id\n"
                   f"set httpd unixsocket {self.folder}/monit.sock\n  allow root:x\n"
                   f"check process child with pidfile {pidfile}\n"
                   f'  start program = "{self.child} {self.log} pidfile {pidfile} {how}"\n'
                   f'  stop program = "/bin/sh -c \'kill $(cat {pidfile})\'"\n', 0o600)
        self.run("monit", "-I", "-c", os.path.join(self.folder, "monitrc"))

    def stop(self):
        self.order("monit", "-c", os.path.join(self.folder, "monitrc"), "stop", "child")
        wait("monit: stopped", lambda: not alive(self.starts()[-1][1]))


PEERS = [Runit, Daemontools, Supervisord, Monit]
