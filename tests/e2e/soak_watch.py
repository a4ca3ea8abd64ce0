#!/usr/bin/env python3
"""A thousand programs that crash at random for ten minutes, and a hundred kill -9 of the daemon and
of a receiver: the cases of watch_faults.py and alert_kills.py at full length."""
# timeout: 1500
# soak
import os
import subprocess
import sys

from _daemon import run

HERE = os.path.dirname(os.path.abspath(__file__))


def at_length(script, case, **settings):
    subprocess.run([sys.executable, os.path.join(HERE, script), case], check=True,
                   env={**os.environ, **settings})


def a_thousand_programs_that_crash_for_ten_minutes_are_all_there_once():
    at_length("watch_faults.py", "many_that_crash_at_random_are_all_there_once_at_the_end",
              WATCH_CRASHERS="1000", WATCH_SECONDS="600")


def a_hundred_kills_lose_nothing_that_people_are_told():
    at_length("alert_kills.py", "nothing_is_lost_over_kills_of_daemon_and_receiver", SONDE_KILLS="100")


if __name__ == "__main__":
    run(globals())
