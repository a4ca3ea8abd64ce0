#!/usr/bin/env python3
"""The examples of libsonde's resources run without a daemon, end well, and say what their manual
promises."""
import os
import subprocess
import tempfile

from _daemon import SONDE, run

BUILD = os.path.dirname(SONDE)


def said(name, *wanted):
    with tempfile.TemporaryDirectory(prefix="sonde-examples-") as folder:
        done = subprocess.run([os.path.join(BUILD, f"example-{name}")], capture_output=True, text=True,
                              timeout=60, check=False,
                              env=dict(os.environ, SONDE_SOCKET="none", SONDE_SPOOL_DIR=folder))
    assert done.returncode == 0, f"{name}: {done.returncode}, {done.stderr}"
    for text in wanted:
        assert text in done.stdout, f"{name}: no {text!r} in {done.stdout}"


def the_example_of_caches_shows_rates_and_fragmentation():
    said("caches", "hit rate 0.716", '"name":"squares"', '"fragmentation":0.4375')


def the_example_of_memory_finds_what_has_grown():
    said("memory", "lines has grown by 2700 bytes in 100 blocks", '"subsystem":"pictures"')


def the_example_of_health_tells_a_state_with_its_figures():
    said("health", "replica: state 1, it lags behind", '"component":"folder"', '"free_ratio":')


run(globals())
