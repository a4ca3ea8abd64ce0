"""libsonde from Python: run by tests/e2e/bindings.py with SONDE_LIBRARY set."""
import json
import logging
import os
import threading
import unittest

import sonde


class Binding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert not sonde.start(service="x", colour="red") and "colour" in sonde.problem
        assert sonde.start(service="python-test", release="1.2", socket="none", spool_dir="none",
                           trace_sample_rate=1.0), sonde.problem

    @classmethod
    def tearDownClass(cls):
        assert sonde.stop(5000)

    def test_metrics_add_up_over_threads(self):
        jobs = sonde.Counter("jobs_total", "Jobs.", kind="nightly")
        threads = [threading.Thread(target=lambda: [jobs.add() for _ in range(1000)])
                   for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(jobs.value, 4000)
        depth = sonde.Gauge("depth", "Depth.")
        depth.set(4)
        depth.add(-1)
        self.assertEqual(depth.value, 3)
        sonde.Histogram("work_seconds", "Work.").observe(0.5)
        text = sonde.query("prometheus")["text"]
        self.assertIn('jobs_total{kind="nightly"} 4000', text)
        self.assertIn("work_seconds_count 1", text)

    def test_operations_end_as_their_blocks_do(self):
        with sonde.operation("shop", "order"):
            pass
        with self.assertRaises(ValueError), sonde.operation("shop", "order"):
            raise ValueError("no such card")
        with sonde.operation("shop", "order") as call:
            call.recover("by the other bank")

        @sonde.operation("shop", "count")
        def count(n):
            return n and 1 + count(n - 1)
        self.assertEqual(count(5), 5)
        order = sonde.query("operation shop order")
        self.assertEqual([order[k] for k in ("completed", "errors", "recovered", "active")],
                         [1, 1, 1, 0])
        self.assertIn("no such card", json.dumps(order["messages"]))
        self.assertEqual(sonde.query("operation shop count")["completed"], 6)

    def test_spans_are_nested_and_continue_a_trace(self):
        given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with sonde.span("GET /cart", kind="server", parent=given, n=1, x=0.5, yes=True) as outer:
            self.assertEqual(outer.traceparent[:35], given[:35])
            with sonde.span("inner") as inner:
                self.assertEqual(inner.traceparent[:35], given[:35])
                self.assertNotEqual(inner.traceparent, outer.traceparent)
                self.assertEqual(sonde.traceparent(), inner.traceparent)
        self.assertEqual(sonde.traceparent(), "")

    def test_exceptions_are_captured_with_their_causes_and_places(self):
        try:
            try:
                raise KeyError("the inner one")
            except KeyError as inner:
                raise RuntimeError("the outer one") from inner
        except RuntimeError as error:
            self.assertTrue(sonde.capture(error, part="test"))
            self.assertFalse(sonde.capture(error))  # alike: left out, counted
        logger = logging.getLogger("shop")
        logger.addHandler(sonde.LogHandler())
        try:
            raise OSError("from a log")
        except OSError:
            logger.exception("it failed")
        self.assertTrue(sonde.flush(5000))
        captured = json.dumps(sonde.query("captured"))
        self.assertIn("the outer one", captured)
        self.assertIn("from a log", captured)

    def test_health_is_reported(self):
        self.assertTrue(sonde.health("store", sonde.DEGRADED, "slow"))
        self.assertIn("slow", json.dumps(sonde.query("health")))


if __name__ == "__main__":
    os.environ.setdefault("SONDE_LIBRARY", "libsonde.so.0")
    unittest.main()
