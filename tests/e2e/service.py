#!/usr/bin/env python3
"""The daemon as a service: what it tells the service manager, and how the unit file confines it."""
# timeout: 120
import os
import re
import shutil
import signal
import socket
import subprocess

from _daemon import ROOT, Daemon, Skip, run, wait

UNIT = os.path.join(ROOT, "packaging", "systemd", "sonde.service")


def listen_as_manager(d):
    """A socket that plays the service manager's."""
    path = os.path.join(d.folder, "notify")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(0.05)
    os.environ["NOTIFY_SOCKET"] = path
    return s


def received(s, messages, text):
    try:
        while True:
            messages.append(s.recv(4096).decode())
    except TimeoutError:
        pass
    return any(text in m for m in messages)


def the_service_manager_hears_ready_reloading_and_stopping():
    with Daemon(config="") as d:
        s, messages = listen_as_manager(d), []
        try:
            d.start()
            wait("READY=1", lambda: received(s, messages, "READY=1"))
            messages.clear()
            d.process.send_signal(signal.SIGHUP)
            wait("RELOADING=1", lambda: received(s, messages, "RELOADING=1"))
            assert any(re.search(r"^MONOTONIC_USEC=\d+$", m, re.M) for m in messages), messages
            wait("READY=1 again", lambda: received(s, messages, "READY=1"))
            d.process.send_signal(signal.SIGTERM)
            wait("STOPPING=1", lambda: received(s, messages, "STOPPING=1"))
            assert d.exit() == 0
        finally:
            del os.environ["NOTIFY_SOCKET"]
            s.close()


def the_watchdog_is_fed_while_the_worker_lives():
    with Daemon() as d:
        s, messages = listen_as_manager(d), []
        os.environ["WATCHDOG_USEC"] = "400000"
        try:
            d.start()
            wait("WATCHDOG=1", lambda: received(s, messages, "WATCHDOG=1"), 5)
            assert d.stop() == 0
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
            s.close()


def the_unit_file_is_hardened_to_2_0_or_better():
    if shutil.which("systemd-analyze") is None:
        raise Skip("no systemd-analyze")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT],
                          capture_output=True, text=True, timeout=60)
    found = re.search(r"Overall exposure level for sonde.service: ([\d.]+)", done.stdout)
    if not found:
        raise Skip("this systemd-analyze judges no files")
    assert float(found.group(1)) <= 2.0, found.group(0)


def the_shipped_configuration_is_well_formed():
    with Daemon() as d:
        done = subprocess.run([d.argv[0], "check", os.path.join(ROOT, "packaging", "sonde.toml")],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done


run(globals())
