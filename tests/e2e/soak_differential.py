#!/usr/bin/env python3
"""All queries of the wild against prometheus 2.42, over windows in all parts of the data: while
series begin, in their midst at fine and coarse steps, and when they have ended."""
# timeout: 3600
# soak
from _daemon import run
from differential import WILD_DIFFERENCES, ask_wild, expect_equal, wild_queries

WINDOWS = [(-283, 317, 47), (617, 2417, 60), (3617, 5417, 300), (3617, 7217, 900),
           (6617, 8417, 130)]


def all_queries_of_the_wild_have_the_same_answers_over_all_windows():
    filled = expect_equal(ask_wild(wild_queries(), WINDOWS), WILD_DIFFERENCES)
    assert filled > 5000, "hardly any data was found"


if __name__ == "__main__":
    run(globals())
