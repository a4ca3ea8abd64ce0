"""A client of libsonde's wire (docs/format/libsonde.md), for the tests of the daemon's side."""
import json
import os
import socket
import struct
import threading
import time

from _wire import block, double, number

HELLO, METRICS, SPANS, LOGS, ENVELOPE, CRASH, ANSWER, BYE = range(1, 9)
WELCOME, ACK, REFUSED, REQUEST = range(65, 69)
ACK_WANTED, MORE = 1, 2
HEADER = struct.Struct("<IBBBBQ")


def lines(**facts):
    def escape(text):
        return str(text).replace("%", "%25").replace("\r", "%0d").replace("\n", "%0a")
    return "".join(f"{k}={escape(v)}\n" for k, v in facts.items()).encode()


def facts(payload):
    return dict(line.split("=", 1) for line in payload.decode().splitlines())


def write_request(rows):
    """rows: ({label: value}, value, ms). A prometheus.WriteRequest."""
    out = b""
    for labels, value, ts in rows:
        series = b"".join(block(1, block(1, k.encode()) + block(2, v.encode()))
                          for k, v in sorted(labels.items()))
        out += block(1, series + block(2, double(1, value) + number(2, ts)))
    return out


def envelope(event_id, message, **more):
    """One error as the library sends it."""
    event = {"event_id": event_id, "timestamp": time.time(), "level": "error", "platform": "native",
             "release": "shop@1", "environment": "test",
             "exception": {"values": [{"type": "Broken", "value": message, "stacktrace": {
                 "frames": [{"function": "main", "filename": "shop.c", "lineno": 7},
                            {"function": "pay", "filename": "pay.c", "lineno": 42}]}}]}, **more}
    body = json.dumps(event).encode()
    head = json.dumps({"event_id": event_id}).encode()
    item = json.dumps({"type": "event", "length": len(body)}).encode()
    return head + b"\n" + item + b"\n" + body + b"\n"


def crash_record(event_id, service="shop", instance="host:1", signal=11, message=""):
    """The fields of src/client/wire/crash_record.h that the daemon looks at."""
    r = bytearray(5232)

    def put(at, data):
        r[at:at + len(data)] = data
    put(0, b"SONDECR1" + struct.pack("<II", 1, len(r)))
    put(392, struct.pack("<II", 0x01020304, 1))
    put(408, bytes.fromhex(event_id))
    put(448, struct.pack("<qii", time.time_ns(), os.getpid(), os.getpid()))
    put(464, struct.pack("<i", signal))
    put(2208, service.encode())
    put(2336, instance.encode())
    put(4208, message.encode())
    return bytes(r)


class Refused(Exception):
    def __init__(self, said):
        super().__init__(said.get("message"))
        self.said = said


class App:
    """A connection; frames from the daemon are read by receive() or, with answers, by a thread."""

    def __init__(self, path, service="shop", instance="host:1", hello=True, answers=None):
        self.service, self.instance, self.answers = service, instance, answers
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.sequence, self.rest, self.asked, self.thread = 0, b"", [], None
        if hello:
            self.send(HELLO, lines(version=1, service=service, instance=instance, release="shop@1",
                                   environment="test", language="c", pid=os.getpid(),
                                   started_ms=int(time.time() * 1000), library="0.1.0"))
            kind, _, _, said = self.receive()
            assert kind == WELCOME, (kind, said)
            self.server = facts(said)["server"]
        if answers is not None:
            self.thread = threading.Thread(target=self._serve, daemon=True)
            self.thread.start()

    def send(self, kind, payload=b"", flags=0, sequence=None):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.socket.sendall(HEADER.pack(len(payload), kind, flags, 0, 1, sequence) + payload)
        return sequence

    def receive(self):
        """(kind, detail, sequence, payload); None at the end."""
        while True:
            if len(self.rest) >= HEADER.size:
                n, kind, _, detail, _, sequence = HEADER.unpack(self.rest[:HEADER.size])
                if len(self.rest) >= HEADER.size + n:
                    payload = self.rest[HEADER.size:HEADER.size + n]
                    self.rest = self.rest[HEADER.size + n:]
                    return kind, detail, sequence, payload
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionError:
                return None
            if not more:
                return None
            self.rest += more

    def _serve(self):
        try:
            while (frame := self.receive()) is not None:
                kind, detail, sequence, payload = frame
                if kind != REQUEST:
                    continue
                self.asked.append((payload.decode(), detail))
                answer = self.answers(payload.decode(), detail)
                if answer is not None:
                    self.send(ANSWER, answer if isinstance(answer, bytes) else
                              json.dumps(answer).encode(), sequence=sequence)
        except OSError:
            pass  # the test has closed it

    def promised(self, kind, payload, flags=0):
        """Sends and waits for ACK."""
        sequence = self.send(kind, payload, flags | ACK_WANTED)
        frame = self.receive()
        assert frame is not None, "the connection is closed"
        got, _, of, said = frame
        assert of == sequence, (of, sequence)
        if got == REFUSED:
            raise Refused(facts(said))
        assert got == ACK, got

    def metrics(self, values, ts=None, flags=0, **labels):
        ts = int(time.time() * 1000) if ts is None else ts
        rows = [({"__name__": name, "job": self.service, "instance": self.instance, **labels}, v, ts)
                for name, v in values.items()]
        return self.send(METRICS, write_request(rows), flags)

    def bye(self):
        self.send(BYE)
        self.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
