#!/usr/bin/env python3
"""Start, stop, reload, crash and refusal of the real daemon."""
# timeout: 240
# suites: plain asan
import os
import signal
import socket
import subprocess
import threading
import time

from _daemon import SANITIZED, SONDE, Daemon, Skip, free_port, run, wait


def sonde(*words):
    return subprocess.run([SONDE, *words], capture_output=True, text=True, timeout=60)


def the_first_line_is_the_address_of_the_page():
    with Daemon() as d:
        d.start()
        assert d.lines[0] == f"Sonde is at http://127.0.0.1:{d.port}/", d.lines
        status, page = d.get("/")
        assert status == 200 and b"<html" in page.lower(), (status, page[:200])


def it_is_alive_and_ready_and_says_so_everywhere():
    with Daemon() as d:
        d.start()
        for path in ("/livez", "/readyz", "/-/healthy", "/-/ready"):
            assert d.status(path) == 200, path
        assert d.json("/health")["status"] in ("pass", "warn")


def this_machine_is_collected_within_ten_seconds():
    with Daemon() as d:
        d.start()
        wait("node_load1", lambda: d.query("node_load1"), 10)
        assert d.query('count(node_cpu_seconds_total{mode="idle"})')[0][1] == os.cpu_count()


def sigterm_ends_it_with_0_within_five_seconds():
    with Daemon() as d:
        d.start()
        begin = time.monotonic()
        assert d.stop() == 0, d.said()
        assert time.monotonic() - begin < (30 if SANITIZED else 5)
        assert d.crash_reports() == []


def what_was_acknowledged_is_there_after_a_restart():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        status, body = d.push({"name": "kept", "value": 42.5, "tags": {"by": "e2e"}})
        assert status == 200, (status, body)
        assert d.stop() == 0
        d.start()
        assert [v for _, v in d.query("kept")] == [42.5]


def a_killed_worker_is_replaced_and_no_client_is_refused():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        assert d.push({"name": "before_kill", "value": 1})[0] == 200
        refused, stop = [], threading.Event()

        def connect():
            while not stop.is_set():
                try:
                    socket.create_connection(("127.0.0.1", d.port), 5).close()
                except OSError as e:
                    refused.append(e)
                time.sleep(0.002)

        client = threading.Thread(target=connect)
        client.start()
        first = d.worker()
        os.kill(first, signal.SIGKILL)
        wait("a new worker", lambda: d.worker() not in (0, first) and d.status("/readyz") == 200)
        stop.set()
        client.join()
        assert not refused, refused[:3]
        assert [v for _, v in d.query("before_kill")] == [1]
        assert any("sonde_worker_restarts_total 1" in line
                   for line in d.get("/metrics")[1].decode().splitlines())
        report = open(os.path.join(d.data, "crash", d.crash_reports()[0]), encoding="utf-8").read()
        assert "signal: 9 (SIGKILL)" in report and f"pid: {first}" in report, report
        assert d.stop() == 0


def a_crash_leaves_a_report_with_its_stack():
    if SANITIZED:
        raise Skip("the sanitizer has its own handler")
    with Daemon() as d:
        d.start()
        first = d.worker()
        os.kill(first, signal.SIGSEGV)
        wait("a new worker", lambda: d.worker() not in (0, first) and d.status("/readyz") == 200)
        report = open(os.path.join(d.data, "crash", d.crash_reports()[0]), encoding="utf-8").read()
        assert "signal: 11 (SIGSEGV)" in report and "fatal: SIGSEGV" in report, report
        assert "work_run" in report or "worker_wait" in report, report


def a_worker_that_hangs_is_ended_and_replaced():
    with Daemon(settings=["server.beat_timeout_ms=2000"]) as d:
        d.start()
        first = d.worker()
        # It answers a moment before it says so to its parent, who until then waits as for a start.
        wait("it is ready", lambda: any("worker: ready after" in x for x in d.errors))
        os.kill(first, signal.SIGSTOP)
        wait("a new worker", lambda: d.worker() not in (0, first) and d.status("/readyz") == 200)
        assert any("no heartbeat" in line for line in d.errors), d.said()


def a_good_configuration_is_taken_over_by_the_same_worker():
    with Daemon(config="[server]\nlog_level = \"info\"\n") as d:
        d.start()
        worker = d.worker()
        d.write_config("[server]\nlog_level = \"debug\"\n[ingest]\nlabels_max = 12\n")
        d.process.send_signal(signal.SIGHUP)
        wait("taken over", lambda: any("worker: configuration reloaded" in x for x in d.errors))
        assert d.worker() == worker
        assert d.status("/readyz") == 200


def a_wrong_configuration_leaves_the_old_one_in_force():
    with Daemon(config="[ingest]\nlabels_max = 32\n") as d:
        d.start()
        worker = d.worker()
        d.write_config("[ingest]\nlabels_max = -1\n")
        d.process.send_signal(signal.SIGHUP)
        wait("refused", lambda: any("the old configuration stays" in x for x in d.errors))
        assert any("sonde.toml:2:14: ingest.labels_max" in x for x in d.errors), d.said()
        wait("shown", lambda: "sonde.toml:2" in sonde("status", "--url", d.url).stdout, 10)
        assert d.worker() == worker and d.status("/readyz") == 200
        d.write_config("[ingest]\nlabels_max = 32\n")
        d.process.send_signal(signal.SIGHUP)
        wait("mended", lambda: "sonde.toml:2" not in sonde("status", "--url", d.url).stdout, 10)


def a_setting_that_needs_it_gets_a_new_worker():
    with Daemon(config="[collect]\njob = \"node\"\n") as d:
        d.start()
        worker = d.worker()
        d.write_config("[collect]\njob = \"other\"\n")
        d.process.send_signal(signal.SIGHUP)
        wait("a new worker", lambda: d.worker() not in (0, worker) and d.status("/readyz") == 200)
        wait("the new job", lambda: d.query('node_load1{job="other"}'))
        assert d.crash_reports() == []


def a_wrong_configuration_names_file_line_and_expectation():
    with Daemon(config="[server]\nloops = 1\n\n[store]\nretention_s = \"long\"\n") as d:
        d.start(ready=False)
        assert d.exit() == 1
        assert any("sonde.toml:5:15: store.retention_s: expected a whole number" in x
                   for x in d.errors), d.said()


def check_tells_a_good_configuration_from_a_bad_one():
    with Daemon() as d:
        d.write_config("[server]\nlisten = [\"127.0.0.1:1\"]\n")
        assert sonde("check", d.config).returncode == 0
        printed = sonde("check", "--print", d.config).stdout
        assert 'listen = ["127.0.0.1:1"]' in printed and "[store]" in printed, printed
        d.write_config("[server]\nlsten = []\n")
        wrong = sonde("check", d.config)
        assert wrong.returncode == 1 and "did you mean listen?" in wrong.stderr, wrong
        for text, expected in (
                ('[store]\nkey_file = "/nonexistent"\n', "store.key_file: cannot read"),
                ('[[store.retention]]\nselector = "{a=~"\n', "store.retention 1, selector"),
                ('[[store.tenant]]\nname = "../x"\n', "store.tenant 1: name"),
                ('[collect]\nonly = ["nope"]\n', 'no collector "nope"')):
            d.write_config(text)
            wrong = sonde("check", d.config)
            assert wrong.returncode == 1 and expected in wrong.stderr, wrong
        again = d.folder + "/again.toml"
        with open(again, "w", encoding="utf-8") as f:
            f.write(printed)
        assert sonde("check", again).returncode == 0, "what is printed can be read"


def a_taken_port_is_a_clear_failure():
    with socket.socket() as other, Daemon() as d:
        other.bind(("127.0.0.1", d.port))
        other.listen()
        d.start(ready=False)
        assert d.exit() == 1
        assert any(str(d.port) in x and "use" in x for x in d.errors), d.said()


def a_second_daemon_on_the_same_data_is_refused():
    with Daemon() as d:
        d.start()
        with Daemon(data=d.data) as second:
            second.start(ready=False)
            assert second.exit() == 1
            assert any("another" in x or "process" in x for x in second.errors), second.said()
        assert d.status("/readyz") == 200


def data_that_cannot_be_written_is_a_clear_failure():
    with Daemon() as d:
        os.makedirs(d.folder, exist_ok=True)
        with open(d.data, "w", encoding="utf-8") as f:
            f.write("a file is in the way")
        d.start(ready=False)
        assert d.exit() == 1
        assert any(d.data in x and "data directory" in x for x in d.errors), d.said()


def an_open_address_needs_a_word_of_its_own():
    with Daemon(listen=f"0.0.0.0:{free_port()}") as d:
        d.start(ready=False)
        assert d.exit() == 1
        assert any("insecure = true" in x for x in d.errors), d.said()


def the_worker_ends_when_its_parent_is_killed():
    with Daemon() as d:
        d.start()
        worker = d.worker()
        d.process.kill()
        d.process.wait()

        def gone():
            try:
                with open(f"/proc/{worker}/stat", encoding="ascii") as f:
                    return f.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                return True
        wait("the worker's end", gone, 10)
        d.start()
        assert d.stop() == 0


def the_worker_is_confined_as_the_metrics_say():
    if SANITIZED:
        raise Skip("sanitizers make calls of their own")
    with Daemon() as d:
        d.start()
        lines = d.get("/metrics")[1].decode().splitlines()
        if 'sonde_confined{by="seccomp"} 1' not in lines:
            raise Skip("this kernel has no seccomp")
        with open(f"/proc/{d.worker()}/status", encoding="ascii") as f:
            text = f.read()
        assert "Seccomp:\t2" in text and "NoNewPrivs:\t1" in text, text


def help_and_version_are_there():
    assert sonde("--version").stdout.startswith("sonde 0.")
    listed = sonde("help").stdout
    assert "serve" in listed and "check" in listed
    assert "usage: sonde serve" in sonde("serve", "--help").stdout
    assert "listen =" in sonde("help", "config").stdout
    assert sonde("nonsense").returncode == 2


run(globals())
