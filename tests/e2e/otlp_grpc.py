#!/usr/bin/env python3
"""OpenTelemetry's metrics over gRPC, sent by the real gRPC library (python3-grpcio)."""
# timeout: 120
# suites: plain asan
import os
import struct
import sys
import threading
import time

from _daemon import Daemon, Skip, run
from _peers import CASES
from _port import free_port

DEBIAN = "/usr/bin/python3"  # whose modules python3-grpcio is one of

try:
    import grpc
except ImportError:
    grpc = None
    if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN) and os.path.exists(DEBIAN):
        os.execv(DEBIAN, [DEBIAN, *sys.argv])

PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
FRAME = os.path.join(CASES, "payloads", "018_otlp_metrics_grpc_frame.body")


def daemon(*settings):
    if grpc is None:
        raise Skip("python3-grpcio is not installed")
    port = free_port()
    d = Daemon(settings=["collect.enabled=false", f"otlp.listen=127.0.0.1:{port}", *settings])
    d.otlp = f"127.0.0.1:{port}"
    return d


def export(address, message, metadata=(), compression=None):
    """The answer of one call, as bytes; raises grpc.RpcError."""
    limit = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options=limit) as channel:
        call = channel.unary_unary(PATH, request_serializer=lambda b: b,
                                   response_deserializer=lambda b: b)
        return call(message, timeout=20, metadata=metadata, compression=compression)


def field(number, payload):
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def gauge(name, value, attributes=()):
    """An ExportMetricsServiceRequest with one point of a gauge, of now."""
    labels = b"".join(field(7, field(1, k.encode()) + field(2, field(1, v.encode())))
                      for k, v in attributes)
    point = (b"\x19" + struct.pack("<Q", time.time_ns()) + b"\x21" + struct.pack("<d", value) +
             labels)
    metric = field(1, name.encode()) + field(5, field(1, point))
    return field(1, field(2, field(2, metric)))


def a_point_sent_by_grpc_is_found_by_a_query():
    with daemon() as d:
        d.start()
        for compression in (None, grpc.Compression.Gzip, grpc.Compression.Deflate):
            assert export(d.otlp, gauge("calls", 7, [("by", str(compression))]),
                          compression=compression) == b""
        assert sorted(v for _, v in d.query("calls")) == [7, 7, 7]
        # Every HTTP listener speaks it.
        assert export(f"127.0.0.1:{d.port}", gauge("other_port", 1)) == b""
        assert [v for _, v in d.query("other_port")] == [1]


def what_another_client_sent_is_taken_whole():
    if not os.path.exists(FRAME):
        raise Skip("no recorded calls")
    with daemon("store.out_of_order_window_s=3000000000") as d:
        d.start()
        with open(FRAME, "rb") as f:
            frame = f.read()
        assert export(d.otlp, frame[5:]) == b""
        names = d.json("/api/v1/label/__name__/values?start=0")["data"]
        assert len(names) > 4, names


def bad_calls_are_told_why_in_grpcs_own_words():
    with daemon() as d:
        d.start()
        for message, metadata, code in (
                (b"\xff\xff\xff", (), grpc.StatusCode.INVALID_ARGUMENT),
                (gauge("x", 1), (("x-scope-orgid", "../bad"),), grpc.StatusCode.INVALID_ARGUMENT)):
            try:
                export(d.otlp, message, metadata)
                raise AssertionError("taken")
            except grpc.RpcError as e:
                assert e.code() == code, e
                assert e.details(), e


def many_calls_at_once_on_one_connection_lose_nothing():
    with daemon() as d:
        d.start()
        failures = []
        with grpc.insecure_channel(d.otlp) as channel:
            call = channel.unary_unary(PATH, request_serializer=lambda b: b,
                                       response_deserializer=lambda b: b)

            def work(i):
                try:
                    for k in range(20):
                        call(gauge("many", 1, [("i", f"{i}-{k}")]), timeout=60)
                except grpc.RpcError as e:
                    failures.append(e)
            threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        assert not failures, failures[0]
        assert d.query("count(many)")[0][1] == 400


def large_calls_pass_and_too_large_ones_are_refused():
    with daemon("otlp.body_bytes_max=4000000") as d:
        d.start()
        big = gauge("big", 1, [("filler", "x" * 1000)])
        assert export(d.otlp, big * 2000) == b""
        try:
            export(d.otlp, big * 5000)
            raise AssertionError("taken")
        except grpc.RpcError as e:
            assert e.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, e


run(globals())
