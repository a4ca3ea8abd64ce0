"""Remote write as bytes, made by hand: protobuf of 1.0 and 2.0, snappy of literals alone; and
readers of protobuf and of any snappy.

Source: prometheus.WriteRequest, io.prometheus.write.v2.Request (remote write 1.0 and 2.0), snappy's
block format. Nothing here is shared with the daemon, so that both cannot be wrong in one way.
"""
import struct

STALE_BITS = 0x7FF0000000000002
TYPE_V1 = "application/x-protobuf"
TYPE_V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
COUNTER, GAUGE, HISTOGRAM = 1, 2, 3


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n << 1 ^ n >> 63)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def number(field, n):
    return varint(field << 3) + varint(n)


def signed(field, n):
    return varint(field << 3) + zigzag(n)


def double(field, x):
    bits = STALE_BITS if x == "stale" else struct.unpack("<Q", struct.pack("<d", x))[0]
    return varint(field << 3 | 1) + struct.pack("<Q", bits)


def snappy(data):
    out = [varint(len(data))]
    for i in range(0, len(data), 65536):
        piece = data[i:i + 65536]
        out.append(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(out)


def read_varint(data, at):
    """(number, where it ends)."""
    n = shift = 0
    while True:
        byte = data[at]
        at += 1
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return n, at


def fields(data):
    """[(number, value)] of a message: an int of a varint, else the bytes, eight of a double."""
    at, out = 0, []
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size, at = (8, at) if tag & 7 == 1 else read_varint(data, at)
            value = data[at:at + size]
            at += size
        out.append((tag >> 3, value))
    return out


def delimited(data):
    """Messages that follow each other, each behind its length."""
    at = 0
    while at < len(data):
        size, at = read_varint(data, at)
        yield data[at:at + size]
        at += size


def unsnappy(data):
    """A block of snappy, literals and copies."""
    _, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + n + 1]
            at += n + 1
            continue
        width = tag & 3
        if width == 1:
            n, back = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at]
            at += 1
        else:
            size = 2 if width == 2 else 4
            n, back = (tag >> 2) + 1, int.from_bytes(data[at:at + size], "little")
            at += size
        for _ in range(n):
            out.append(out[-back])
    return bytes(out)


def histogram(h, ts_field, ts_ms):
    """Bytes of a Histogram: {count, sum, schema, zero_threshold, zero, positive, negative, hint}.
    positive and negative are {index: count}; counts that are floats make a float histogram."""
    flt = isinstance(h["count"], float)
    out = double(2, h["count"]) if flt else number(1, h["count"])
    out += double(3, h["sum"]) + signed(4, h.get("schema", 0))
    out += double(5, h.get("zero_threshold", 0.001))
    zero = h.get("zero", 0)
    out += double(7, float(zero)) if flt else number(6, zero)
    for name, spans, deltas, counts in (("negative", 8, 9, 10), ("positive", 11, 12, 13)):
        buckets = sorted(h.get(name, {}).items())
        at, last = 0, 0
        packed = b""
        for index, n in buckets:
            out += block(spans, signed(1, index - at) + number(2, 1))
            at = index + 1
            packed += struct.pack("<d", n) if flt else zigzag(n - last)
            last = n
        if buckets:
            out += block(counts if flt else deltas, packed)
    if h.get("hint"):
        out += number(14, h["hint"])
    if "bounds" in h:
        out += block(16, b"".join(struct.pack("<d", b) for b in h["bounds"]))
    return out + number(ts_field, ts_ms)


def write_v1(series, metadata=()):
    """series: [(labels, [(ts_ms, value or histogram)])]; metadata: [(name, type, help, unit)]."""
    out = b""
    for labels, samples in series:
        one = b"".join(block(1, block(1, k.encode()) + block(2, v.encode()))
                       for k, v in sorted(labels.items()))
        for ts, v in samples:
            if isinstance(v, dict):
                one += block(4, histogram(v, 15, ts))
            else:
                one += block(2, double(1, v) + number(2, ts))
        out += block(1, one)
    for name, kind, text, unit in metadata:
        out += block(3, number(1, kind) + block(2, name.encode()) + block(4, text.encode()) +
                     block(5, unit.encode()))
    return snappy(out)


class WriteV2:
    """A request of 2.0 as it grows: add() series, then bytes()."""

    def __init__(self):
        self.symbols = {"": 0}
        self.series = []

    def ref(self, text):
        return self.symbols.setdefault(text, len(self.symbols))

    def refs(self, labels):
        return b"".join(varint(self.ref(x)) for kv in sorted(labels.items()) for x in kv)

    def add(self, labels, samples, exemplars=(), kind=None, text="", unit=""):
        """samples: [(ts_ms, value or histogram[, start_ms])];
        exemplars: [(labels, ts_ms, value)]."""
        one = block(1, self.refs(labels))
        for ts, v, *start in samples:
            if isinstance(v, dict):
                one += block(3, histogram(v, 15, ts) + (number(17, start[0]) if start else b""))
            else:
                one += block(2, double(1, v) + number(2, ts) +
                             (number(3, start[0]) if start else b""))
        for ex_labels, ts, v in exemplars:
            one += block(4, block(1, self.refs(ex_labels)) + double(2, v) + number(3, ts))
        if kind is not None:
            one += block(5, number(1, kind) + number(3, self.ref(text)) + number(4, self.ref(unit)))
        self.series.append(one)
        return self

    def raw(self):
        return (b"".join(block(4, s.encode()) for s in self.symbols) +
                b"".join(block(5, s) for s in self.series))

    def bytes(self):
        return snappy(self.raw())


def headers(v2=False, **more):
    said = {"Content-Type": TYPE_V2 if v2 else TYPE_V1, "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "2.0.0" if v2 else "0.1.0",
            "User-Agent": "sonde-e2e/1"}
    return {**said, **{k.replace("_", "-"): v for k, v in more.items()}}
