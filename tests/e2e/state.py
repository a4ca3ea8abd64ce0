#!/usr/bin/env python3
"""state.db in the real, confined daemon: kill -9, damage, backups; Alertmanager's file: reloads and
`sonde check`."""
# timeout: 120
import glob
import json
import os
import shutil
import signal
import sqlite3
import subprocess

from _daemon import SONDE, Daemon, Skip, run, wait

QUIET = ("collect.enabled=false",)


def sonde(*words, status=0):
    done = subprocess.run([SONDE, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def post_event(d, title):
    body = json.dumps({"kind": "note", "title": title}).encode()
    status, answer = d.get("/api/events", body, {"Content-Type": "application/json"})
    assert status in (200, 201), (status, answer)


def titles(d):
    return [e["title"] for e in d.json("/api/events")["data"] if e["kind"] == "note"]


def check_of(d, name):
    return json.loads(d.get("/health")[1])["checks"][name][0]


def is_well(d):
    """Checks have run once."""
    wait("the checks", lambda: all(check_of(d, name)["status"] == "pass" and
                                   check_of(d, name).get("time")
                                   for name in ("state:damaged", "state:writable")))


def what_was_acknowledged_is_there_after_the_whole_daemon_was_killed():
    with Daemon(settings=QUIET) as d:
        d.start()
        for i in range(5):
            post_event(d, f"before {i}")
        worker = d.worker()
        d.process.kill()
        os.kill(worker, signal.SIGKILL)
        d.process.wait()
        d.start()
        assert sorted(titles(d)) == [f"before {i}" for i in range(5)], titles(d)
        is_well(d)
        d.stop()


def a_damaged_state_is_set_aside_and_told_and_what_is_readable_stays():
    with Daemon(settings=QUIET) as d:
        d.start()
        for i in range(200):
            post_event(d, f"note {i} " + "x" * 900)
        d.stop()
        path = os.path.join(d.data, "state.db")
        page = 4096
        db = sqlite3.connect(path)
        leaf = db.execute("SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND name IN (SELECT "
                          "name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%event%') "
                          "ORDER BY ncell DESC, pageno DESC LIMIT 1").fetchone() \
            if has_dbstat(db) else (os.path.getsize(path) // page // 2,)
        db.close()
        with open(path, "r+b") as f:
            f.seek((leaf[0] - 1) * page)
            f.write(b"\xa5" * page)
        d.start()
        wait("the check", lambda: "was damaged" in check_of(d, "state:damaged").get("output", ""))
        assert check_of(d, "state:damaged")["status"] == "warn"
        assert glob.glob(path + ".damaged-*"), os.listdir(d.data)
        post_event(d, "after")
        left = titles(d)
        assert "after" in left and len(left) > 1, len(left)
        d.stop()
        d.start()
        is_well(d)
        d.stop()


def has_dbstat(db):
    try:
        db.execute("SELECT 1 FROM dbstat LIMIT 1")
        return True
    except sqlite3.Error:
        return False


def a_newer_state_is_refused_with_a_sentence():
    with Daemon(settings=QUIET) as d:
        d.start()
        d.stop()
        db = sqlite3.connect(os.path.join(d.data, "state.db"))
        changed = db.execute("UPDATE state_versions SET version = version + 100 "
                             "WHERE module <> 'probe'").rowcount
        db.commit()
        db.close()
        assert changed > 0
        d.start(ready=False)
        assert d.exit() != 0
        assert "is newer than this program" in d.said(), d.said()


def backups_carry_it_from_a_running_daemon_and_from_one_that_does_not_run():
    with Daemon(settings=QUIET) as d:
        d.start()
        post_event(d, "first")
        backups = os.path.join(d.folder, "backups")
        sonde("backup", backups, "--data", d.data, "--server", d.url)
        post_event(d, "second")
        d.stop()
        sonde("backup", backups, "--data", d.data)
        names = [line.split()[0] for line in sonde("backup", "--list", backups).splitlines()]
        assert len(names) == 2, names
        for name, expected in zip(names, (["first"], ["first", "second"])):
            copy = os.path.join(d.folder, "copy-" + name)
            sonde("restore", backups, "--data", copy, "--backup", name)
            with Daemon(data=copy, settings=QUIET) as restored:
                restored.start()
                assert sorted(titles(restored)) == expected, titles(restored)
                restored.stop()


def a_snapshot_has_a_copy_that_is_whole():
    with Daemon(settings=QUIET) as d:
        d.start()
        post_event(d, "kept")
        assert d.get("/api/admin/snapshot", b"")[0] == 200
        copies = glob.glob(os.path.join(d.data, "snapshots", "*", "state.db"))
        assert len(copies) == 1
        db = sqlite3.connect(f"file:{copies[0]}?mode=ro&immutable=1", uri=True)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        d.stop()


# ---- Alertmanager's file

FILE = """\
route: {receiver: %(receiver)s, group_by: [alertname]}
templates: [%(templates)s/*.tmpl]
receivers:
- name: people
  webhook_configs: [{url: 'http://127.0.0.1:1/secret'}]
- name: cloud
  sns_configs: [{topic_arn: 'arn:aws:sns:x'}]
"""


class Setup:
    """A daemon with an alertmanager.yml and folders of templates."""

    def __init__(self, d):
        self.d = d
        self.folder = os.path.join(d.folder, "conf")
        self.path = self.put("alertmanager.yml", FILE % {"receiver": "people", "templates": "a"})
        for name in "ab":
            self.put(f"{name}/x.tmpl", '{{ define "mine" }}hello{{ end }}')
        d.argv += ["--set", "alert.config_file=" + self.path]

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def reload(self, text):
        self.put("alertmanager.yml", text)
        return self.d.get("/-/reload", b"", timeout=30)


def a_file_is_taken_over_and_a_wrong_one_leaves_the_old_in_force():
    with Daemon(config="", settings=[*QUIET, "server.lifecycle=true"]) as d:
        s = Setup(d)
        d.start()
        wait("what is ignored", lambda: 'receiver "cloud": sns_configs are not sent' in d.said())
        status, said = s.reload(FILE % {"receiver": "nobody", "templates": "a"})
        assert status == 500, (status, said)
        assert b"alertmanager.yml:1:19: undefined receiver \"nobody\" used in route" in said, said
        s.put("a/x.tmpl", "{{ define")
        status, said = s.reload(FILE % {"receiver": "people", "templates": "a"})
        assert status == 500 and b"x.tmpl" in said, said
        s.put("a/x.tmpl", '{{ define "mine" }}hello{{ end }}')
        worker = d.worker()
        status, said = s.reload(FILE % {"receiver": "cloud", "templates": "a"})
        assert status == 200 and d.worker() == worker, (status, said)
        # A folder that the worker may not open yet: another one takes over.
        status, said = s.reload(FILE % {"receiver": "people", "templates": "b"})
        assert status == 200, (status, said)
        wait("the next worker serves", lambda: d.worker() not in (0, worker) and
             d.status("/readyz") == 200)
        # A template that became wrong does not keep a worker from starting again.
        s.put("b/x.tmpl", "{{ define")
        os.kill(d.worker(), signal.SIGKILL)
        wait("it is told", lambda: any("warn alertmanager: template: x.tmpl" in line
                                       for line in list(d.errors)))
        wait("it serves", lambda: d.status("/readyz") == 200)
        d.stop()


def check_says_what_amtool_says():
    with Daemon() as d:
        s = Setup(d)
        said = sonde("check", "alertmanager", s.path)
        assert "SUCCESS" in said and "2 receivers with 1 integrations" in said, said
        assert 'NOTE: receiver "cloud": sns_configs are not sent from here' in said, said
        toml = s.put("sonde.toml", f'[alert]\nconfig_file = "{s.path}"\n[[notify]]\nname = "chat"\n'
                     'url = "http://127.0.0.1:1/"\n[[alert.escalation]]\nname = "night"\n'
                     'steps = ["15m chat"]\n')
        assert "3 receivers with 2 integrations" in sonde("check", toml)
        s.put("sonde.toml", '[[alert.escalation]]\nname = "night"\nsteps = ["15m chat"]\n')
        said = sonde("check", toml, status=1)
        assert 'undefined receiver "chat" used in step' in said, said
        wrong = s.put("wrong.yml", "route: {receiver: a}\n")
        said = sonde("check", "alertmanager", wrong, s.path, status=1)
        assert 'undefined receiver "a" used in route' in said and "SUCCESS" in said, said
        if shutil.which("amtool") is None:
            raise Skip("amtool is not installed")
        for path, good in ((s.path, True), (wrong, False)):
            done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True,
                                  timeout=20, check=False)
            assert (done.returncode == 0) == good, done.stdout + done.stderr


run(globals())
