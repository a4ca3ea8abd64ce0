"""sonde watch with the real sonde-watch: command line, configuration, orders, order of starts,
reload, output, exit statuses, and the daemon beside it (API, metrics, alerts, events)."""
import json
import os
import signal
import subprocess
import sys
import time

from _daemon import SONDE, Daemon, run, wait
from _watch import Watch, alive

SLEEP = '["/bin/sleep", "1000"]'


def row(name, command=SLEEP, more=""):
    return f'[[watch.program]]\nname = "{name}"\ncommand = {command}\n{more}\n'


def shell(text):
    return json.dumps(["/bin/sh", "-c", text])


def a_program_from_the_command_line_is_restarted_when_it_dies():
    w = Watch().start("--name", "one", "--pauses", "0s", "--", "/bin/sleep", "1000")
    try:
        first = w.running("one")["pid"]
        os.kill(first, signal.SIGKILL)
        again = w.until("one", "is started again", lambda u: u["pid"] not in (0, first))
        assert again["restarts"] == 1, again
        assert again["last_death"]["signal"] == signal.SIGKILL, again["last_death"]
        assert w.ask("status").returncode == 0
        assert "one" in w.ask("status").stdout
    finally:
        w.stop()
    assert not alive(again["pid"])


def words_that_are_wrong_are_refused_with_2():
    w = Watch()
    for words in (["--nonsense", "1", "--", "x"], ["--stop-timeout", "5", "--", "x"], ["--"],
                  ["what"], ["ctl"], ["ctl", "restart"], ["up", "--nonsense"], []):
        done = w.ask(*words)
        assert done.returncode == 2 and done.stderr, (words, done)


def nobody_there_is_3_and_an_unknown_name_4():
    w = Watch(row("a"))
    assert w.ask("status").returncode == 3
    assert w.ask("ctl", "stop", "a").returncode == 3
    w.start()
    try:
        w.running("a")
        assert w.ask("ctl", "restart", "nobody").returncode == 4
        assert w.ask("logs", "nobody").returncode == 4
    finally:
        w.stop()


def a_configuration_is_checked_before_anything_is_started():
    w = Watch(row("a", more='after = ["b"]') + row("b", more='after = ["a"]'))
    done = w.ask()
    assert done.returncode == 2 and "itself" in done.stderr, done
    w.write(row("a", command='["/not/there"]'))
    done = subprocess.run([SONDE, "check", "sonde.toml"], cwd=w.folder, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and "/not/there" in done.stderr, done


def programs_start_after_those_that_they_wait_for():
    w = Watch(row("late", more='after = ["early"]') +
              row("early", command=shell("sleep 1; touch ready; sleep 1000"),
                  more='ready_command = ["/usr/bin/test", "-f", "ready"]\nready_interval_ms = 100'))
    w.start()
    try:
        assert w.until("late", "waits", lambda u: u["state"] == "waiting")
        early, late = w.running("early"), w.running("late")
        assert late["started_ms"] >= early["started_ms"] + 900, (early, late)
    finally:
        w.stop()


def up_starts_a_group_and_what_it_waits_for_alone():
    w = Watch(row("db") + row("web", more='group = "site"\nafter = ["db"]') + row("other"))
    w.start("up", "site")
    try:
        w.running("web")
        w.running("db")
        assert w.unit("other")["pid"] == 0, w.unit("other")
        assert w.ask("up", "other").returncode == 0
        w.running("other")
    finally:
        w.stop()


def orders_start_stop_restart_and_signal():
    w = Watch(row("a", command=shell("trap 'echo caught' USR1; while :; do sleep 0.1; done")) +
              row("b"))
    w.start()
    try:
        a, b = w.running("a")["pid"], w.running("b")["pid"]
        w.ctl("restart", "a")
        assert w.running("a")["pid"] not in (0, a)
        w.ctl("stop", "a")
        assert w.unit("a")["state"] == "stopped", w.unit("a")
        w.ctl("start", "a")
        w.running("a")
        time.sleep(0.3)  # the shell has set its trap by then, or says nothing below
        w.ctl("signal", "a", "USR1")
        wait("it caught the signal", lambda: "caught" in w.ask("logs", "a").stdout)
        assert w.unit("b")["pid"] == b
        w.ctl("stop", "all")
        assert {u["state"] for u in w.units().values()} == {"stopped"}
    finally:
        w.stop()


def reloading_touches_only_rows_that_changed():
    w = Watch(row("same") + row("gone") + row("other", command='["/bin/sleep", "1001"]'))
    w.start()
    try:
        pids = {name: w.running(name)["pid"] for name in ("same", "gone", "other")}
        w.write(row("same") + row("other", command='["/bin/sleep", "1002"]') + row("new"))
        said = w.ctl("reload")
        for line in ("kept same", "changed other", "removed gone", "added new"):
            assert line in said, said
        w.running("new")
        w.until("other", "is another one", lambda u: u["pid"] not in (0, pids["other"]))
        wait("gone is gone", lambda: not alive(pids["gone"]))
        assert w.unit("same")["pid"] == pids["same"]
        w.write(row("same", more='health = "https://x/"'))
        assert w.ask("ctl", "reload").returncode == 2
        assert w.unit("same")["pid"] == pids["same"]
    finally:
        w.stop()


def one_that_fails_again_and_again_is_critical_and_says_why():
    w = Watch(row("bad", command=shell("echo it is broken; exit 7"),
                  more='restarts_max = 2\npauses = ["0s", "100ms"]') + row("good"))
    w.start()
    try:
        bad = w.until("bad", "is critical", lambda u: u["state"] == "critical")
        assert bad["last_death"]["exit_code"] == 7, bad
        assert bad["starts"] == 3, bad
        done = w.ask("status")
        assert done.returncode == 5 and "bad:" in done.stdout, done
        assert "it is broken" in w.ask("logs", "bad").stdout
        events = [json.loads(line) for line in w.ask("events", "bad", "--json").stdout.splitlines()[1:]]
        assert "critical" in [e["kind"] for e in events], events
    finally:
        w.stop()


def what_is_printed_is_followed():
    w = Watch(row("talker", command=shell("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done")))
    w.start()
    try:
        w.running("talker")
        p = subprocess.Popen([SONDE, "watch", "logs", "talker", "-f"], cwd=w.folder, text=True,
                             stdout=subprocess.PIPE)
        try:
            seen = [p.stdout.readline() for _ in range(4)]
        finally:
            p.kill()
            p.wait()
            p.stdout.close()
        assert all(line.startswith("talker | line ") for line in seen), seen
    finally:
        w.stop()


def a_check_is_asked_at_once():
    w = Watch(row("well", more='health_command = ["/bin/true"]') +
              row("ill", more='health_command = ["/bin/false"]'))
    w.start()
    try:
        w.running("well")
        w.until("ill", "has begun", lambda u: u["pid"] > 0)
        assert "ok" in w.ctl("check", "well")
        assert "FAILS" in w.ctl("check", "ill", status=1)
    finally:
        w.stop()


def an_upgrade_leaves_the_programs_alone():
    w = Watch(row("a") + row("b"))
    w.start()
    try:
        pids = {n: w.running(n)["pid"] for n in "ab"}
        w.ctl("upgrade")
        wait("it answers again", lambda: w.ask("status").returncode == 0)
        assert {n: w.unit(n)["pid"] for n in "ab"} == pids
    finally:
        w.stop()


# ---- with the daemon

def ask(d, path, data=None):
    status, body = d.get(path, data)
    return status, json.loads(body)


def metric(d, name, **labels):
    """The value of a series on the daemon's page; None where there is none."""
    for line in d.get("/metrics")[1].decode().splitlines():
        if line.split("{")[0].split(" ")[0] == name and \
                all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return None


def alerts(d):
    """Names of the alerts that fire now."""
    status, body = d.get("/api/v2/alerts")
    return [a["labels"]["alertname"] for a in json.loads(body)] if status == 200 else []


def beside(w, more=""):
    """A daemon whose [watch] is the folder of w."""
    config = f'[watch]\nfolder = "{w.folder}/data/watch"\npoll_interval_ms = 200\n{more}'
    return Daemon(config=config).start()


def the_daemon_tells_of_programs_and_takes_orders():
    w = Watch(row("a", more='group = "g"') + row("b"))
    d = beside(w)
    try:
        assert ask(d, "/api/watch") == (200, {"status": "success", "data": None})
        assert ask(d, "/api/watch/a/restart", b"")[0] == 503
        w.start()
        pid = w.running("a")["pid"]
        status, answer = ask(d, "/api/watch")
        assert status == 200 and {u["name"] for u in answer["data"]["programs"]} == {"a", "b"}
        assert ask(d, "/api/watch/a")[1]["data"]["programs"][0]["pid"] == pid
        assert ask(d, "/api/watch/nobody")[0] == 404
        assert ask(d, "/api/watch/a/what", b"")[0] == 404
        status, answer = ask(d, "/api/watch/a/restart?wait=20s", b"")
        assert status == 200 and answer["data"]["units"] == ["a"], answer
        assert w.unit("a")["pid"] not in (0, pid)
        kinds = [e["kind"] for e in ask(d, "/api/watch/a/history")[1]["data"]]
        assert "start" in kinds, kinds
        assert isinstance(ask(d, "/api/watch/a/logs")[1]["data"], list)
        wait("metrics", lambda: metric(d, "sonde_watch_program_up", program="a", group="g") == 1)
        assert metric(d, "sonde_watch_up") == 1
        wait("a restart that was asked for", lambda: metric(
            d, "sonde_watch_program_restarts_total", program="a", reason="asked") == 1)
        assert metric(d, "sonde_watch_program_state", program="b", state="running") == 1
        assert "running" in subprocess.run([SONDE, "status", "--server", d.url], text=True,
                                           capture_output=True, check=False).stdout
        top = subprocess.run([SONDE, "top", "--server", d.url], text=True, capture_output=True,
                             check=False)
        assert top.returncode == 0 and "checks:" in top.stdout and "running" in top.stdout, top
    finally:
        w.stop()
        d.stop()


def a_critical_program_is_an_alert_and_an_event():
    w = Watch(row("bad", command=shell("exit 3"), more='restarts_max = 1\npauses = ["0s"]'))
    w.start()
    d = beside(w)
    try:
        w.until("bad", "is critical", lambda u: u["state"] == "critical")
        wait("the alert: " + d.said(), lambda: "WatchProgramCritical" in d.said() + str(alerts(d)))
        def crashes():
            status, answer = ask(d, "/api/events?kind=crash")
            return status == 200 and "bad" in json.dumps(answer)
        wait("the event", crashes)
    finally:
        w.stop()
        d.stop()


def a_restart_is_an_alert_unless_somebody_asked_for_it():
    w = Watch(row("asked") + row("died", more='pauses = ["0s"]'))
    w.start()
    d = beside(w)
    try:
        pid = w.running("died")["pid"]
        w.running("asked")
        w.ctl("restart", "asked")
        os.kill(pid, signal.SIGKILL)
        def told():
            status, body = d.get("/api/v2/alerts")
            return [a["labels"]["unit"] for a in json.loads(body)
                    if a["labels"]["alertname"] == "WatchProgramRestarted"] if status == 200 else []
        wait("the alert", told)
        assert w.running("asked")["last_death"]["asked"], w.unit("asked")
        assert told() == ["died"], told()
    finally:
        w.stop()
        d.stop()


def the_programs_outlive_the_daemon_and_it_finds_them_again():
    w = Watch(row("a"))
    w.start()
    d = beside(w)
    try:
        pid = w.running("a")["pid"]
        wait("metrics", lambda: metric(d, "sonde_watch_program_up", program="a") == 1)
        d.process.kill()
        d.process.wait()
        assert alive(pid) and w.unit("a")["pid"] == pid
        d.start()
        wait("metrics again", lambda: metric(d, "sonde_watch_program_up", program="a") == 1)
        assert w.unit("a")["pid"] == pid
    finally:
        w.stop()
        d.stop()


def a_sonde_watch_that_is_gone_is_an_alert_and_takes_its_programs_over_again():
    w = Watch(row("a"))
    w.start()
    d = beside(w)
    pid = 0
    try:
        pid = w.running("a")["pid"]
        wait("metrics", lambda: metric(d, "sonde_watch_up") == 1)
        w.process.kill()
        w.process.wait()
        assert alive(pid)
        wait("the alert: " + d.said(), lambda: "WatchDown" in d.said() + str(alerts(d)))
        assert metric(d, "sonde_watch_up") == 0
        w.start()
        assert w.running("a")["pid"] == pid
        wait("it is over", lambda: metric(d, "sonde_watch_up") == 1 and "WatchDown" not in alerts(d))
    finally:
        w.stop()
        d.stop()
    assert not alive(pid)


run(globals())
