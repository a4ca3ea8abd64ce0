#!/usr/bin/env python3
"""Graphics cards on the running, confined daemon: a stand-in for NVIDIA's library, the API, an end of
the helper."""
# timeout: 120
# suites: plain asan
import os
import signal

from _daemon import SONDE, Daemon, Skip, run, wait

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(SONDE)), "libnvml-stand-in.so")


def daemon():
    if not os.path.exists(LIBRARY):
        raise Skip("the stand-in library is not built")
    return Daemon(settings=[f"collect.gpu_nvml_library={LIBRARY}"])


def helpers(d):
    """Pids of helper programs below the daemon."""
    found, below = [], {d.process.pid}
    for _ in range(3):
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
                with open(f"/proc/{name}/cmdline", encoding="utf-8") as f:
                    command = f.read().split("\0")[0]
            except OSError:
                continue
            if ppid in below:
                below.add(int(name))
                if command.endswith("sonde-helper-gpu") and int(name) not in found:
                    found.append(int(name))
    return found


def cards_are_stored_and_shown_as_they_are_now():
    with daemon() as d:
        d.start()
        wait("cards", lambda: d.json("/api/metrics/gpu")["gpus"])
        first, second = d.json("/api/metrics/gpu")["gpus"]
        assert first["name"] == "Made Up 1" and first["vendor"] == "nvidia", first
        assert first["values"]["utilization_ratio"] == 0.25, first
        assert first["values"]["temperature_celsius"] == {"gpu": 61}, first
        assert first["sessions"][0]["codec"] == "hevc", first
        assert second["values"] == {"memory_total_bytes": 8e9, "memory_used_bytes": 3e9}, second
        wait("a sample", lambda: d.query("sonde_gpu_power_watts"))
        assert d.query("sonde_gpu_power_watts")[0][1] == 215.5


def a_helper_that_dies_comes_back_and_ends_with_the_daemon():
    with daemon() as d:
        d.start()
        (pid,) = wait("the helper", lambda: helpers(d))
        os.kill(pid, signal.SIGKILL)
        again = wait("another helper", lambda: [p for p in helpers(d) if p != pid], 60)
        d.stop()
        wait("its end", lambda: not os.path.exists(f"/proc/{again[0]}"))


def a_worker_that_is_killed_leaves_no_helper_behind():
    with daemon() as d:
        d.start()
        (pid,) = wait("the helper", lambda: helpers(d))
        os.kill(d.worker(), signal.SIGKILL)
        wait("the old helper's end", lambda: not os.path.exists(f"/proc/{pid}"))
        wait("a new one", lambda: helpers(d), 60)


def a_launcher_that_is_killed_takes_worker_and_helper_with_it():
    with daemon() as d:
        d.start()
        (pid,) = wait("the helper", lambda: helpers(d))
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            launcher = int(f.read().rsplit(")", 1)[1].split()[1])
        worker = d.worker()
        os.kill(launcher, signal.SIGKILL)
        wait("the old helper's end", lambda: not os.path.exists(f"/proc/{pid}"))
        wait("a new worker", lambda: d.worker() not in (0, worker))
        wait("a new helper", lambda: helpers(d), 60)
        assert any("starts programs has died" in line for line in d.errors), d.errors


def a_host_without_a_library_has_no_cards_and_no_helper():
    with Daemon(settings=["collect.gpu_nvml_library="]) as d:
        d.start()
        status, text = d.get("/api/metrics/gpu")
        assert status == 200 and b'"gpus":[' in text, text
        assert helpers(d) == []


run(globals())
