"""A stand-in for systemd and logind on a Unix socket: the D-Bus calls that collectors make, and no more.

Speaks the bus's greeting too, so that it passes for the system bus. Its own marshalling, so that
both sides of a test are not wrong together.
"""
import os
import socket
import struct
import threading

UNITS = [  # name, load, active, properties by interface
    ("ssh.service", "loaded", "active",
     {"Service": {"Type": ("s", "notify"), "NRestarts": ("u", 3), "TasksCurrent": ("t", 5),
                  "TasksMax": ("t", 4915)}, "Unit": {"ActiveEnterTimestamp": ("t", 1700000000123456)}}),
    ("broken.service", "loaded", "failed",
     {"Service": {"Type": ("s", "oneshot"), "NRestarts": ("u", 0),
                  "TasksCurrent": ("t", (1 << 64) - 1), "TasksMax": ("t", (1 << 64) - 1)},
      "Unit": {"ActiveEnterTimestamp": ("t", 0)}}),
    ("apt-daily.timer", "loaded", "active",
     {"Timer": {"LastTriggerUSec": ("t", 1700000001500000)},
      "Unit": {"ActiveEnterTimestamp": ("t", 1600000000000000)}}),
    ("dbus.socket", "loaded", "active",
     {"Socket": {"NAccepted": ("u", 7), "NConnections": ("u", 2), "NRefused": ("u", 1)},
      "Unit": {"ActiveEnterTimestamp": ("t", 1600000000000000)}}),
    ("gone.service", "not-found", "inactive", {}),
    ("home.mount", "loaded", "active", {"Mount": {"Type": ("s", "ext4")}}),
    ("system.slice", "loaded", "active", {}),
    ("x@y\\x2dz.service", "loaded", "inactive",
     {"Service": {"Type": ("s", "simple"), "NRestarts": ("u", 1)},
      "Unit": {"ActiveEnterTimestamp": ("t", 0)}}),
]
STATES = {}  # unit -> another active state, while a test runs
MORE_STATES = {"slow.service": "activating"}  # of units that no list has
MANAGER = {"Version": ("s", "252.39-1~deb12u1"), "Virtualization": ("s", "kvm"),
           "SystemState": ("s", "degraded")}
SEATS = ["seat0"]
SESSIONS = {  # id -> user, seat, properties
    "1": ("root", "seat0", {"Remote": ("b", 0), "Type": ("s", "tty"), "Class": ("s", "user")}),
    "7": ("ann", "", {"Remote": ("b", 1), "Type": ("s", "tty"), "Class": ("s", "user")}),
    "8": ("bob", "", {"Remote": ("b", 1), "Type": ("s", "tty"), "Class": ("s", "user")}),
    "c1": ("gdm", "seat0", {"Remote": ("b", 0), "Type": ("s", "wayland"),
                            "Class": ("s", "greeter")}),
    "x": ("odd", "seat0", {"Remote": ("b", 0), "Type": ("s", "new"), "Class": ("s", "newer")}),
}


class Out:
    def __init__(self):
        self.b = bytearray()

    def align(self, n):
        self.b += bytes(-len(self.b) % n)

    def u32(self, v):
        self.align(4)
        self.b += struct.pack("<I", v)

    def text(self, s):
        self.u32(len(s))
        self.b += s.encode() + b"\0"

    def signature(self, s):
        self.b += bytes([len(s)]) + s.encode() + b"\0"

    def variant(self, kind, value):
        self.signature(kind)
        if kind in "so":
            self.text(value)
        elif kind == "g":
            self.signature(value)
        elif kind in "ub":
            self.u32(value)
        else:
            self.align(8)
            self.b += struct.pack("<Q", value)


def message(kind, serial, reply, signature, body, error=None):
    out = Out()
    out.b += struct.pack("<cBBBIII", b"l", kind, 1, 1, len(body), serial, 0)
    fields = [(5, "u", reply), (6, "s", ":1.1")]
    if signature:
        fields.append((8, "g", signature))
    if error:
        fields.append((4, "s", error))
    for code, kind_of, value in fields:
        out.align(8)
        out.b.append(code)
        out.variant(kind_of, value)
    out.b[12:16] = struct.pack("<I", len(out.b) - 16)
    out.align(8)
    return bytes(out.b) + bytes(body)


def path_of(name):
    safe = "".join(c if c.isalnum() else "_%02x" % ord(c) for c in name)
    return "/org/freedesktop/systemd1/unit/" + safe


def array(rows):
    """An array of structs of texts and 32-bit numbers."""
    out = Out()
    out.u32(0)
    out.align(8)
    begin = len(out.b)
    for row in rows:
        out.align(8)
        for value in row:
            if isinstance(value, int):
                out.u32(value)
            else:
                out.text(value)
    out.b[0:4] = struct.pack("<I", len(out.b) - begin)
    return out.b


def session_path(name):
    return "/org/freedesktop/login1/session/" + name


LISTS = {
    "ListUnits": ("a(ssssssouso)", lambda: array(
        (name, "A unit", load, active, "sub", "", path_of(name), 0, "", "/")
        for name, load, active, _ in UNITS)),
    "ListSeats": ("a(so)", lambda: array(
        (name, "/org/freedesktop/login1/seat/" + name) for name in SEATS)),
    "ListSessions": ("a(susso)", lambda: array(
        (name, 1000, user, seat, session_path(name))
        for name, (user, seat, _) in SESSIONS.items())),
}


def read_call(data):
    """Fields and texts of the body of one little-endian message."""
    fields, at, end = {}, 16, 16 + struct.unpack_from("<I", data, 12)[0]
    while at < end:
        at += -at % 8
        code = data[at]
        kind = chr(data[at + 2])
        at += 4
        if kind in "so":
            at += -at % 4
            n = struct.unpack_from("<I", data, at)[0]
            fields[code] = data[at + 4:at + 4 + n].decode()
            at += 5 + n
        elif kind == "g":
            n = data[at]
            fields[code] = data[at + 1:at + 1 + n].decode()
            at += 2 + n
        else:
            at += -at % 4 + 4
    at += -at % 8
    texts = []
    for _ in fields.get(8, ""):
        at += -at % 4
        n = struct.unpack_from("<I", data, at)[0]
        texts.append(data[at + 4:at + 4 + n].decode())
        at += 5 + n
    return fields, texts


def unit_states(path):
    """Its load and active states; every unit that is asked for has some, as with systemd itself."""
    known = {name: (load, active) for name, load, active, _ in UNITS}
    known.update({name: ("loaded", active) for name, active in {**MORE_STATES, **STATES}.items()})
    return next((states for name, states in known.items() if path_of(name) == path),
                ("not-found", "inactive"))


def answer(fields, texts):
    member = fields.get(3)
    if member == "Hello":
        out = Out()
        out.text(":1.1")
        return "s", out.b
    if member in LISTS:
        signature, body = LISTS[member]
        return signature, body()
    if member == "LoadUnit":
        out = Out()
        out.text(path_of(texts[0]))
        return "o", out.b
    if member == "Get":
        interface, name = texts[0].rsplit(".", 1)[-1], texts[1]
        if interface == "Unit" and name in ("LoadState", "ActiveState"):
            out = Out()
            out.variant("s", unit_states(fields.get(1))[name == "ActiveState"])
            return "v", out.b
        if interface == "Manager":
            table = MANAGER
        elif interface == "Session":
            table = next((p for n, (_, _, p) in SESSIONS.items()
                          if session_path(n) == fields.get(1)), {})
        else:
            table = next((p.get(interface, {}) for n, _, _, p in UNITS
                          if path_of(n) == fields.get(1)), {})
        if name in table:
            out = Out()
            out.variant(*table[name])
            return "v", out.b
    return None


def serve(connection):
    with connection:
        data = b""
        while b"BEGIN\r\n" not in data:
            data += connection.recv(4096) or b"BEGIN\r\n"
            while b"\r\n" in data and not data.startswith(b"BEGIN"):
                line, data = data.split(b"\r\n", 1)
                line = line.lstrip(b"\0")
                if line == b"AUTH":
                    connection.sendall(b"REJECTED EXTERNAL\r\n")
                elif line.startswith(b"AUTH EXTERNAL"):
                    connection.sendall(b"OK 1234deadbeef\r\n")
                elif line:
                    connection.sendall(b"ERROR\r\n")
        data = data.split(b"BEGIN\r\n", 1)[1]
        serial = 0
        while True:
            while len(data) < 16:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            body, _, fields_n = struct.unpack_from("<III", data, 4)
            size = 16 + fields_n + -fields_n % 8 + body
            while len(data) < size:
                data += connection.recv(65536)
            reply = struct.unpack_from("<I", data, 8)[0]
            fields, texts = read_call(data[:size])
            data = data[size:]
            said = answer(fields, texts)
            serial += 1
            if said:
                connection.sendall(message(2, serial, reply, said[0], said[1]))
            else:
                connection.sendall(message(3, serial, reply, "", b"",
                                           "org.freedesktop.DBus.Error.UnknownMethod"))


def start(path):
    """Serves in threads of this process until it ends."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(16)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener
