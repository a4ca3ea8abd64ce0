"""A small name server on a free port of loopback, UDP and TCP: what a test tells it to know."""
import socket
import struct
import threading
import time

TYPES = {"A": 1, "NS": 2, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}


def name_bytes(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p) + b"\0"


def data_of(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return struct.pack(">H", 10) + name_bytes(value)
    if kind == "SRV":
        host, port = value.rsplit(":", 1)
        return struct.pack(">HHH", 1, 2, int(port)) + name_bytes(host)
    if kind == "TXT":  # in pieces, as long ones come
        pieces = [value[i:i + 100].encode() for i in range(0, len(value), 100)]
        return b"".join(bytes([len(p)]) + p for p in pieces)
    return name_bytes(value)


class NameServer:
    """zone: {(name, type): [values]}. Names in failing are SERVFAIL, in mute nobody answers, in long
    UDP gives a truncated answer; what is not in the zone does not exist."""

    def __init__(self, zone, failing=(), mute=(), long=(), host="127.0.0.1"):
        self.zone, self.failing, self.mute, self.long = zone, set(failing), set(mute), set(long)
        self.delay_s = 0  # of answers over UDP
        self.asked = []  # (way, name, type)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(50):  # until both ways have the same port
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.tcp.bind((host, 0))
            self.port = self.tcp.getsockname()[1]
            try:
                self.udp.bind((host, self.port))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.tcp.listen(16)
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.family, self.host = family, host
        self.over = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._udp, self._tcp)]
        for thread in self.threads:
            thread.start()

    def answer(self, query, way):
        number, flags = struct.unpack_from(">HH", query)
        at, parts = 12, []
        while query[at]:
            parts.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind_number = struct.unpack_from(">H", query, at + 1)[0]
        kind = {v: k for k, v in TYPES.items()}.get(kind_number, "")
        question, name = query[12:at + 5], ".".join(parts)
        self.asked.append((way, name, kind))
        if name in self.mute:
            return None
        truncated = way == "udp" and name in self.long
        known = any(n == name for n, _ in self.zone)
        code = 2 if name in self.failing else 0 if known else 3
        values = [] if truncated or code else self.zone.get((name, kind), [])
        head = struct.pack(">HHHHHH", number, 0x8580 | (flags & 0x0100) | (0x0200 if truncated else 0)
                           | code, 1, len(values), 0, 0)
        body = b""
        for value in values:
            data = data_of(kind, value)
            body += b"\xc0\x0c" + struct.pack(">HHIH", kind_number, 1, 60, len(data)) + data
        return head + question + body

    def _udp(self):
        while not self.over:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            said = self.answer(query, "udp") if len(query) > 12 else None
            time.sleep(self.delay_s)
            if said:
                self.udp.sendto(said, peer)

    def _tcp(self):
        while not self.over:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                    said = self.answer(connection.recv(size, socket.MSG_WAITALL), "tcp")
                    if said:
                        connection.sendall(struct.pack(">H", len(said)) + said)
                except (OSError, struct.error):
                    pass

    def stop(self):
        self.over = True
        with socket.socket(self.family, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", (self.host, self.port))
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        self.tcp.close()
        self.udp.close()
