# SPDX-License-Identifier: GPL-3.0-or-later
"""Transformations of a first flight over TCP: of the hello, its records, the stream, the segments, the packets.

Each is a function of (Shape, random.Random), registered with a layer (they are applied from the hello down to the
packets, whatever order a spec lists them in) and a group. `valid`: what comes out is what an odd but honest client
may send, so that an allowed name must still be served. Owns: nothing; pure, all chance comes from the generator.
"""
import tls
import wire
from tcpflow import Seg
from wire import ACK, FIN, PSH, RST, SYN, URG

SIZE = 1280  # of a segment, so that options and extension headers fit beside it
FORMS = {}


class Form:
    def __init__(self, name, layer, group, valid, only, apply):
        self.name, self.layer, self.group, self.valid, self.only, self.apply = name, layer, group, valid, only, apply


def form(name, layer, group, valid=False, only=None):
    """only: "tls", "http", "v4", "v6" or a pair of them."""
    def keep(f):
        FORMS[name] = Form(name, layer, group, valid, (only,) if isinstance(only, str) else only or (), f)
        return f
    return keep


class Shape:
    """A flight while it is being shaped. hello and decoy are handshake messages; pieces the records; stream the
    bytes that the honest sender means; segs the packets."""

    def __init__(self, name, v6, stamps):
        self.name, self.v6, self.stamps = name, v6, stamps
        self.options, self.syn = {}, {}
        self.hello = self.decoy = None
        self.real, self.pieces, self.stream, self.fake_stream, self.segs = [], [], b"", b"", []
        self.ambiguous, self.version, self.needle = False, 0x0301, name.encode()
        self.oob, self.early = set(), b""

    def place(self):
        """Where the name stands in the stream, or its middle if it does not."""
        at = self.stream.find(self.needle)
        return (at, at + len(self.needle)) if at >= 0 else (len(self.stream) // 2, len(self.stream) // 2 + 1)

    def cut(self, edges):
        n = len(self.stream)
        edges = sorted({0, n, *(e for e in edges if 0 < e < n)})
        self.segs = [Seg(a, self.stream[a:b]) for a, b in zip(edges, edges[1:])]

    def false_bytes(self, a, b):
        """Other bytes for that range: those of the decoy, where it has some."""
        part = self.fake_stream[max(a, 0):max(b, 0)]
        return (part + b"\x41" * (b - a))[:b - a]


# ---- the hello

@form("hello-case", 0, "hello", True, "tls")
def hello_case(s, rng):
    s.options["name"] = "".join(rng.choice((c, c.upper())) for c in s.name)
    s.needle = s.options["name"].encode()


@form("hello-pad", 0, "hello", True, "tls")
def hello_pad(s, rng):
    s.options["pad"] = rng.choice((200, 517, 1500, 2900, 6000, 12000, 15000))


@form("hello-grease", 0, "hello", True, "tls")
def hello_grease(s, rng):
    s.options["grease"] = True


@form("hello-12", 0, "hello", True, "tls")
def hello_12(s, rng):
    s.options["version"] = 12


@form("hello-extra", 0, "hello", True, "tls")
def hello_extra(s, rng):
    kinds = rng.sample(range(0x4000, 0xF000), rng.randrange(1, 40))
    s.options["extra"] = [tls.ext(k, rng.randbytes(rng.randrange(40))) for k in kinds if k & 0x0F0F != 0x0A0A]


@form("hello-sid", 0, "hello", True, "tls")
def hello_sid(s, rng):
    s.options["sid"] = rng.choice((0, 1, 16, 31))


@form("hello-ech-grease", 0, "hello", True, "tls")
def hello_ech(s, rng):
    body = b"\0\0\1\0\1" + rng.randbytes(1) + tls.u16(rng.randbytes(32)) + tls.u16(rng.randbytes(rng.choice((144, 208, 239))))
    s.options.setdefault("extra", []).append(tls.ext(0xFE0D, body))


@form("hello-ticket", 0, "hello", True, "tls")
def hello_ticket(s, rng):
    """A session that the server has forgotten: it begins anew, and skips the early data that may come behind."""
    s.options["psk"] = rng.choice((32, 192, 208, 1500))
    if rng.random() < 0.5:
        s.early = b"".join(tls.record(rng.randbytes(rng.randrange(20, 900)), 23, 0x0303) for _ in range(rng.choice((1, 3))))


@form("hello-dot", 0, "names", False, "tls")
def hello_dot(s, rng):
    s.options["name"] = s.name + "."


@form("hello-two-names", 0, "names", False, "tls")
def hello_two_names(s, rng):
    both = [(0, s.name.encode()), (0, b"d.fine.test")]
    rng.shuffle(both)
    s.options["name_extension"], s.ambiguous = tls.names(*both), True


@form("hello-two-extensions", 0, "names", False, "tls")
def hello_two_extensions(s, rng):
    both = [tls.sni(s.name), tls.sni("d.fine.test")]
    rng.shuffle(both)
    s.options["name_extension"], s.ambiguous = both[0], True
    s.options.setdefault("extra", []).append(both[1])


@form("hello-name-type", 0, "names", False, "tls")
def hello_name_type(s, rng):
    both = [(rng.randrange(1, 256), b"d.fine.test"), (0, s.name.encode())]
    rng.shuffle(both)
    s.options["name_extension"], s.ambiguous = tls.names(*both), True


@form("hello-name-odd", 0, "names", False, "tls")
def hello_name_odd(s, rng):
    n, d = s.name.encode(), b"d.fine.test"
    odd = rng.choice((n + b"\0", n + b"\0." + d, d + b"\0." + n, n + b" ", b" " + n, n + b"..", b"." + n, n + b":443", n + b"/",
                      n.replace(b".", b"\xe3\x80\x82", 1), n + b"\n", d + b" " + n, b"x@" + n, n.replace(b"b", b"%62", 1),
                      b"\xff" + n, b"*." + n, b"-." + n, b"_." + n))
    s.options["name_extension"], s.ambiguous = tls.sni(odd), True


@form("hello-list-lie", 0, "names", False, "tls")
def hello_list_lie(s, rng):
    n = s.name.encode()
    entry = b"\0" + tls.u16(n)
    delta = rng.choice((-len(entry), -2, -1, 1, 2, 14))
    s.options["name_extension"] = tls.ext(0, ((len(entry) + delta) & 0xFFFF).to_bytes(2, "big") + entry)
    s.ambiguous = True


# ---- the records

@form("record-cuts", 1, "records", True, "tls")
def record_cuts(s, rng):
    s.pieces = tls.records(s.hello, [rng.randrange(1, len(s.hello)) for _ in range(rng.choice((1, 1, 2, 3, 8, 30)))], s.version)


@form("record-in-name", 1, "records", True, "tls")
def record_in_name(s, rng):
    at = max(s.hello.find(s.needle), 0)
    s.pieces = tls.records(s.hello, [at + rng.randrange(0, len(s.needle) + 1) for _ in range(rng.choice((1, 2, 5)))], s.version)


@form("record-head", 1, "records", True, "tls")
def record_head(s, rng):
    """The four bytes of the message's own head in records of their own."""
    s.pieces = tls.records(s.hello, range(1, rng.randrange(2, 8)), s.version)


@form("record-bytes", 1, "records", True, "tls")
def record_bytes(s, rng):
    at = rng.randrange(0, len(s.hello))
    s.pieces = tls.records(s.hello, range(at, min(len(s.hello), at + rng.choice((4, 20, 60)))), s.version)


@form("record-version", 2, "records", True, "tls")
def record_version(s, rng):
    """The legacy version may be 3.x in the first record, and MUST be ignored; all alike, or some servers mind."""
    v = rng.choice((b"\3\1", b"\3\3"))
    s.pieces = [p[:1] + v + p[3:] for p in s.pieces]


@form("record-odd-version", 2, "records-odd", False, "tls")
def record_odd_version(s, rng):
    s.pieces = [p[:1] + bytes((rng.choice((3, 3, 3, 2, 4, 0)), rng.choice((0, 1, 2, 3, 4, 9, 255)))) + p[3:] for p in s.pieces]


def insert(s, rng, piece, first=0):
    s.pieces.insert(rng.randrange(first, len(s.pieces) + 1), piece)


@form("record-empty", 2, "records-odd", False, "tls")
def record_empty(s, rng):
    for _ in range(rng.choice((1, 1, 3))):
        insert(s, rng, tls.record(b"", rng.choice((22, 22, 20, 21, 23))))


@form("record-ccs", 2, "records-odd", False, "tls")
def record_ccs(s, rng):
    insert(s, rng, tls.record(b"\1", 20))


@form("record-alert", 2, "records-odd", False, "tls")
def record_alert(s, rng):
    insert(s, rng, tls.record(rng.choice((b"\1\x5a", b"\1\0", b"\1\x64", b"\1\x29")), 21))


@form("record-data", 2, "records-odd", False, "tls")
def record_data(s, rng):
    insert(s, rng, tls.record(rng.randbytes(rng.randrange(1, 40)), 23))


@form("record-type", 2, "records-odd", False, "tls")
def record_type(s, rng):
    insert(s, rng, tls.record(rng.randbytes(rng.randrange(1, 20)), rng.choice((24, 25, 0, 80, 128))))


@form("record-hello-request", 2, "records-odd", False, "tls")
def record_hello_request(s, rng):
    if rng.random() < 0.5:
        s.pieces.insert(0, tls.record(b"\0\0\0\0"))
    else:
        s.pieces[0] = tls.record(b"\0\0\0\0" + s.pieces[0][5:])


@form("record-second-hello", 2, "records-odd", False, "tls")
def record_second_hello(s, rng):
    """An allowed hello on the same connection, before or behind."""
    if rng.random() < 0.5:
        s.pieces.insert(0, tls.record(s.decoy))
    elif rng.random() < 0.5:
        s.pieces.append(tls.record(s.decoy))
    else:
        s.pieces[-1] = tls.record(s.pieces[-1][5:] + s.decoy)


@form("record-decoy-head", 2, "records-odd", False, "tls")
def record_decoy_head(s, rng):
    """A plaintext before TLS: a PROXY line, an HTTP request, a SOCKS greeting, an SSLv2 head, line ends."""
    s.pieces.insert(0, rng.choice((b"PROXY TCP4 192.0.2.2 198.51.100.2 1 443\r\n", b"GET / HTTP/1.1\r\nHost: d.fine.test\r\n\r\n",
                                   b"\5\1\0", b"\x80\x2e\1\3\1", b"\r\n", b"\0")))


@form("record-early-data", 2, "behind", True, ("tls", "data13"))
def record_early_data(s, rng):
    """Bytes glued behind the hello, as early data would be: refused by these servers, not by a filter."""
    s.pieces.append(tls.record(b"\1", 20, 0x0303))


# ---- the stream into segments

def cuts_of(s, rng):
    return [rng.randrange(1, max(2, len(s.stream))) for _ in range(rng.choice((1, 1, 2, 3, 6, 15)))]


@form("seg-cuts", 3, "segments", True)
def seg_cuts(s, rng):
    s.cut(cuts_of(s, rng) + [x.off for x in s.segs])


@form("seg-in-name", 3, "segments", True)
def seg_in_name(s, rng):
    a, b = s.place()
    s.cut([rng.randrange(a, b + 1) for _ in range(rng.choice((1, 1, 2, 4)))] + [x.off for x in s.segs])


@form("seg-bytes", 3, "segments", True)
def seg_bytes(s, rng):
    a, b = s.place() if rng.random() < 0.6 else (0, rng.choice((1, 2, 6, 12, 50)))
    s.cut([*range(a, b + 1)] + [x.off for x in s.segs])


@form("seg-even", 3, "segments", True)
def seg_even(s, rng):
    size = rng.choice((7, 16, 40, 88, 100, 200, 536)) + len(s.stream) // 120
    s.cut([*range(size, len(s.stream), size)] + [x.off for x in s.segs])


@form("seg-first", 3, "segments", True)
def seg_first(s, rng):
    s.cut([rng.choice((1, 2, 3, 4, 5, 6, 9))] + [x.off for x in s.segs])


@form("seg-last", 3, "segments", True)
def seg_last(s, rng):
    s.cut([len(s.stream) - rng.choice((1, 2, 5))] + [x.off for x in s.segs])


# ---- their order, loss, repetition

@form("order-reverse", 4, "order", True)
def order_reverse(s, rng):
    s.segs.reverse()


@form("order-shuffle", 4, "order", True)
def order_shuffle(s, rng):
    rng.shuffle(s.segs)


@form("order-swap", 4, "order", True)
def order_swap(s, rng):
    if len(s.segs) > 1:
        i = rng.randrange(len(s.segs) - 1)
        s.segs[i], s.segs[i + 1] = s.segs[i + 1], s.segs[i]


@form("order-last-first", 4, "order", True)
def order_last_first(s, rng):
    s.segs.insert(0, s.segs.pop())


@form("order-lost", 4, "order", True)
def order_lost(s, rng):
    """Lost on the way: the sender sends again what was not acknowledged, cut otherwise."""
    for _ in range(rng.choice((1, 1, 2))):
        if s.segs:
            s.segs.pop(rng.randrange(len(s.segs)))


@form("order-again", 5, "order", True)
def order_again(s, rng):
    for _ in range(rng.choice((1, 2, 4))):
        if s.segs:
            s.segs.insert(rng.randrange(len(s.segs) + 1), rng.choice(s.segs).copy())


@form("order-again-wide", 5, "order", True)
def order_again_wide(s, rng):
    """Sent again in other pieces that overlap those of before, with the same bytes."""
    for _ in range(rng.choice((1, 3))):
        a = rng.randrange(len(s.stream))
        s.segs.insert(rng.randrange(len(s.segs) + 1), Seg(a, s.stream[a:a + rng.randrange(1, SIZE)]))


@form("probe", 5, "probes", True)
def probe(s, rng):
    """Keep-alive probes: one byte before the first, or none."""
    for _ in range(rng.choice((1, 2))):
        s.segs.insert(0, Seg(-1, rng.choice((b"", b"\0")), flags=ACK))


@form("bare-acks", 5, "probes", True)
def bare_acks(s, rng):
    for _ in range(rng.choice((1, 5, 20))):
        s.segs.insert(rng.randrange(len(s.segs) + 1), Seg(0, b"", flags=ACK))


@form("no-push", 5, "probes", True)
def no_push(s, rng):
    for x in s.segs:
        x.flags &= ~PSH


@form("gaps", 8, "gaps", True)
def gaps(s, rng):
    for x in rng.sample(s.segs, min(len(s.segs), rng.choice((1, 2, 3)))):
        x.gap = rng.choice((0.005, 0.02, 0.06))


@form("slow", 8, "slow", True)
def slow(s, rng):
    """A wait in the middle, with keep-alive probes."""
    x = rng.choice(s.segs)
    x.gap = rng.choice((0.7, 1.6))
    s.segs.insert(s.segs.index(x), Seg(-1, b"\0", flags=ACK, gap=0.3))


@form("mss", 3, "segments", True)
def mss(s, rng):
    """The server is told to answer in small segments. (The first option of that kind counts.)"""
    s.syn["options"] = b"\2\4" + rng.choice((88, 216, 536)).to_bytes(2, "big")


@form("window", 3, "segments", True)
def window(s, rng):
    """The client takes little at a time, so that the server's answer comes in small pieces."""
    s.syn["window"] = rng.choice((1, 2, 5, 10))  # times 128


# ---- overlaps with other bytes

def covered(s, rng):
    a, b = s.place()
    a = max(0, a - rng.choice((0, 0, 5, 40)))
    b = min(len(s.stream), b + rng.choice((0, 0, 5, 40)))
    if rng.random() < 0.3:
        a, b = 0, len(s.stream)
    return a, b


@form("overlap-before", 5, "overlap")
def overlap_before(s, rng):
    a, b = covered(s, rng)
    for begin in range(a, b, SIZE):
        end = min(b, begin + SIZE)
        s.segs.insert(0, Seg(begin, s.false_bytes(begin, end), fake=True))


@form("overlap-after", 5, "overlap")
def overlap_after(s, rng):
    a, b = covered(s, rng)
    s.segs += [Seg(begin, s.false_bytes(begin, min(b, begin + SIZE)), fake=True) for begin in range(a, b, SIZE)]


@form("overlap-hole", 5, "overlap")
def overlap_hole(s, rng):
    """True and false bytes both wait behind a hole; the first byte comes last."""
    s.cut([1, *(x.off for x in s.segs if x.off > 1)])
    first = s.segs.pop(0)
    a, b = covered(s, rng)
    a = max(a, 1)
    fakes = [Seg(begin, s.false_bytes(begin, min(b, begin + SIZE)), fake=True) for begin in range(a, b, SIZE)]
    s.segs = (fakes + s.segs if rng.random() < 0.5 else s.segs + fakes) + [first]


@form("overlap-edge", 5, "overlap")
def overlap_edge(s, rng):
    """Each segment begins early, or ends late, with false bytes over its neighbour's."""
    k = rng.randrange(1, 30)
    out = []
    for x in s.segs:
        if rng.random() < 0.5 and x.off >= k:
            out.append(x.copy(off=x.off - k, data=s.false_bytes(x.off - k, x.off) + x.data, fake=True))
        else:
            end = x.off + len(x.data)
            out.append(x.copy(data=x.data + s.false_bytes(end, min(end + k, len(s.stream))), fake=True))
    s.segs = out


@form("overlap-junk-before", 5, "overlap")
def overlap_junk_before(s, rng):
    """seqovl: junk that ends where the window begins, glued before the true bytes."""
    k = rng.choice((1, 5, 100, 300))
    x = s.segs[0]
    if x.off == 0 and len(x.data) + k < 1400:
        s.segs[0] = x.copy(off=-k, data=s.false_bytes(0, k) + x.data)


# ---- fakes that the server does not take

def fakes(s, rng, **kw):
    """The decoy's whole stream as fakes, put before, between or behind the true segments."""
    a, b = (0, len(s.fake_stream)) if rng.random() < 0.6 else covered(s, rng)
    stream = s.fake_stream
    out = [Seg(i, stream[i:min(b, i + SIZE)] or b"\0", fake=True, **kw) for i in range(a, max(b, a + 1), SIZE)]
    if rng.random() < 0.3:
        out = [x.copy(repeat=rng.choice((1, 4))) for x in out]
    at = rng.choice((0, 0, len(s.segs), rng.randrange(len(s.segs) + 1)))
    s.segs[at:at] = out


@form("fake-ttl", 6, "fake-ttl")
def fake_ttl(s, rng):
    fakes(s, rng, ttl=rng.randrange(1, 12))


@form("fake-sum", 6, "fake-sum")
def fake_sum(s, rng):
    fakes(s, rng, sumdelta=rng.choice((1, 0x1234, 0x8000)))


@form("fake-seq", 6, "fake-seq")
def fake_seq(s, rng):
    before = len(s.segs)
    delta = rng.choice((-10000, -70000, -len(s.stream) - 1, 70000, 200000, 1 << 31, 2000))
    fakes(s, rng)
    for x in s.segs:
        if x.fake and len(s.segs) > before and not x.ttl < 12:
            x.off += delta


@form("fake-ack", 6, "fake-seq")
def fake_ack(s, rng):
    fakes(s, rng, ackdelta=rng.choice((-66000, -100000, 70000, 1 << 31, 1)))


@form("fake-md5", 6, "fake-md5")
def fake_md5(s, rng):
    fakes(s, rng, options=rng.choice((b"\x13\x12" + rng.randbytes(16), b"\x1d\x10" + rng.randbytes(14))), stamp=None)


@form("fake-stamp", 6, "fake-stamp")
def fake_stamp(s, rng):
    fakes(s, rng, stamp=rng.choice((-600000, -100000, -20, 1 << 31, None)))


@form("fake-flags", 6, "fake-flags")
def fake_flags(s, rng):
    fakes(s, rng, flags=rng.choice((0, PSH, SYN, SYN | ACK, FIN, RST, URG | PSH | FIN, 0x3F, 0xFF)))


@form("fake-doff", 6, "fake-flags")
def fake_doff(s, rng):
    fakes(s, rng, doff=rng.choice((0, 3, 4, 15)))


@form("inject-rst", 6, "inject")
def inject_rst(s, rng):
    bad = rng.choice(({"ttl": 5}, {"sumdelta": 7}, {"off": 100000}, {"off": -1}, {"ttl": 2, "off": 0}, {"stamp": -100000},
                      {"options": b"\x13\x12" + bytes(16), "stamp": None}))
    seg = Seg(0, rng.choice((b"", b"", s.fake_stream[:200])), flags=rng.choice((RST, RST | ACK)), fake=True)
    for k, v in bad.items():
        setattr(seg, k, v)
    at = rng.randrange(len(s.segs) + 1)
    if "off" not in bad and at:
        seg.off = s.segs[at - 1].off + len(s.segs[at - 1].data)
    s.segs.insert(at, seg)


@form("inject-fin", 6, "inject")
def inject_fin(s, rng):
    at = rng.randrange(len(s.segs) + 1)
    off = s.segs[at - 1].off + len(s.segs[at - 1].data) if at else 0
    bad = rng.choice(({"ttl": 4}, {"sumdelta": 9}, {"off": off + 50000}, {"stamp": -100000}, {"off": -1}))
    s.segs.insert(at, Seg(0, rng.choice((b"", s.fake_stream[:300])), flags=FIN | ACK, fake=True).copy(**{"off": off, **bad}))


@form("inject-syn", 6, "inject")
def inject_syn(s, rng):
    """A SYN in the middle: the same one, another one, or one that will not arrive."""
    kw = rng.choice(({"off": -1}, {"off": -1, "ttl": 4}, {"off": rng.randrange(1 << 31)}, {"off": 77, "ttl": 3}, {"off": -1, "sumdelta": 5}))
    s.segs.insert(rng.randrange(len(s.segs) + 1), Seg(0, rng.choice((b"", s.fake_stream[:500])), flags=rng.choice((SYN, SYN | ACK)),
                                                      fake=True).copy(**kw))


@form("syn-data", 0, "syn-data")
def syn_data(s, rng):
    s.syn["fill"] = rng.choice(("fake", "true", "part"))
    if rng.random() < 0.5:
        s.syn["options"] = rng.choice((b"\x22\x02", b"\x22\x0a" + rng.randbytes(8), b"\xfe\x04\xf9\x89"))
    if rng.random() < 0.2:
        s.syn["flags"] = rng.choice((PSH, URG, 0xC0))


@form("before-syn", 0, "before-syn")
def before_syn(s, rng):
    """Packets of a connection that is not there yet: an answer of the client's own, a SYN of another number that dies, data."""
    out = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.choice(("synack", "syn", "rst", "fin", "data", "ack"))
        seg = Seg(-1, b"", fake=True, stamp=None)
        seg.flags = {"synack": SYN | ACK, "syn": SYN, "rst": RST, "fin": FIN | ACK, "data": PSH | ACK, "ack": ACK}[kind]
        seg.off = rng.choice((-1, -1, 0, rng.randrange(1 << 31)))
        if kind == "data":
            seg.off, seg.data = 0, b"\x16\3\1\2\0" + rng.randbytes(200)
        for k, v in rng.choice(({}, {"ttl": 5}, {"sumdelta": 77})).items():
            setattr(seg, k, v)
        if kind == "syn" and seg.off != -1 and seg.ttl == 64 and not seg.sumdelta:
            seg.ttl = 5  # else it is simply another connection
        out.append(seg)
    s.syn["before"] = out


@form("fake-extension", 6, "fake-flags", False, "v6")
def fake_extension(s, rng):
    """Fakes behind headers for which a server drops them, or does not."""
    fakes(s, rng, ttl=rng.choice((64, 5)), extension=rng.choice(([("hop", b"")], [("hop", b""), ("hop", b"")], [("dest", b"")], [("dest", b"\x80\1\0")],
                                                                 [("dest", b""), ("hop", b"")])), cuts=rng.choice((None, [])))


@form("urgent-byte", 3, "urgent")
def urgent_byte(s, rng):
    """A byte more in the stream that the server takes out of band: the rest is the hello."""
    a, b = s.place()
    at = rng.choice((rng.randrange(a, b), rng.randrange(len(s.stream)), 0))
    s.stream = s.stream[:at] + b"X" + s.stream[at:]
    s.oob.add(at)
    s.cut(sorted({x.off for x in s.segs} | {at + 1}))


@form("urgent-pointer", 7, "urgent")
def urgent_pointer(s, rng):
    x = rng.choice(s.segs)
    x.flags |= URG
    x.urgent = rng.choice((0, 1, len(x.data), len(x.data) + 1, 40000, rng.randrange(1, len(x.data) + 2)))


@form("forged-answer", 6, "forged")
def forged_answer(s, rng):
    """The client speaks for the server: an answer, an ACK, a RST in the server's name."""
    hello = tls.record(b"\2" + tls.u24(b"\3\3" + rng.randbytes(32) + b"\0\x13\1\0" + tls.u16(tls.ext(43, b"\3\4"))), version=0x0303)
    data, flags = rng.choice(((hello, ACK | PSH), (b"HTTP/1.1 200 OK\r\n\r\n", ACK | PSH), (b"", ACK), (b"", RST), (b"", FIN | ACK)))
    seg = Seg(0, data, flags=flags, forged=True, fake=True, ackdelta=rng.choice((0, len(s.fake_stream), len(s.stream))))
    if rng.random() < 0.5:
        fakes(s, rng, ttl=5)
    s.segs.insert(rng.randrange(len(s.segs) + 1), seg)


@form("false-start", 6, "overlap")
def false_start(s, rng):
    """All of the decoy, really received, then the true hello on the same numbers."""
    out = [Seg(i, s.fake_stream[i:i + SIZE], fake=True) for i in range(0, len(s.fake_stream), SIZE)]
    s.segs[rng.choice((0, len(s.segs))):0] = out


# ---- packets

def some(s, rng):
    return rng.sample(s.segs, rng.randrange(1, len(s.segs) + 1)) if s.segs else []


@form("fragments", 7, "fragments", True)
def fragments(s, rng):
    for x in some(s, rng):
        size = 20 + len(x.data) + 40
        x.cuts = [rng.randrange(8, max(9, size)) for _ in range(rng.choice((1, 1, 2, 4)))]


@form("fragments-order", 7, "fragments", True)
def fragments_order(s, rng):
    for x in some(s, rng):
        size = 20 + len(x.data)
        x.cuts = sorted(rng.randrange(8, max(9, size)) for _ in range(rng.choice((1, 2, 3))))
        n = len(wire.pieces(b"\0" * (size + 12), x.cuts))
        x.order = rng.sample(range(n), n)


@form("fragments-twice", 7, "fragments-odd")
def fragments_twice(s, rng):
    for x in some(s, rng):
        x.cuts = [24, 48]
        x.order = [0, 1, 1, 2] if rng.random() < 0.5 else [2, 2, 0, 1]


@form("fragment-atomic", 7, "fragments", True, "v6")
def fragment_atomic(s, rng):
    for x in some(s, rng):
        x.cuts = []


@form("ip-options", 7, "extension", False, "v4")
def ip_options(s, rng):
    for x in some(s, rng):
        x.ipoptions = rng.choice((b"\1\1\1\1", b"\x94\4\0\0", b"\7\7\4\0\0\0\0\0", b"\x44\x0c\5\0" + bytes(8)))


@form("extension-dest", 7, "extension", True, "v6")
def extension_dest(s, rng):
    for x in some(s, rng):
        x.extension = [("dest", bytes(rng.choice((0, 4, 20))))]


@form("extension-hop", 7, "extension", True, "v6")
def extension_hop(s, rng):
    for x in some(s, rng):
        x.extension = [("hop", b"")]


@form("extension-many", 7, "extension-odd", False, "v6")
def extension_many(s, rng):
    for x in some(s, rng):
        x.extension = [("hop", b"")] * rng.choice((0, 1)) + [("dest", b"")] * rng.choice((1, 2, 8)) + [("route", b"")] * rng.choice((0, 1))


@form("extension-behind", 7, "extension-odd", False, "v6")
def extension_behind(s, rng):
    for x in some(s, rng):
        x.behind = [("dest", b"")] * rng.choice((1, 3))
        if rng.random() < 0.6:
            x.cuts = [rng.choice((8, 16, 24, 40))]


def shape_segments(s):
    s.cut(range(SIZE, len(s.stream), SIZE))


def keep_small(s):
    """No segment larger than a packet can hold."""
    out = []
    for x in s.segs:
        if len(x.data) <= 1400:
            out.append(x)
            continue
        out += [x.copy(off=x.off + i, data=x.data[i:i + SIZE]) for i in range(0, len(x.data), SIZE)]
    s.segs = out


def mark_urgent(s):
    for at in s.oob:
        for x in s.segs:
            if not x.fake and x.off <= at < x.off + len(x.data):
                x.flags |= URG
                x.urgent = at - x.off + 1


def apply(s, steps, layers):
    """The transformations of those layers. steps: [(name, seed)]."""
    import random
    for name, seed in sorted(steps, key=lambda step: FORMS[step[0]].layer):
        f = FORMS[name]
        if f.layer in layers and (s.segs or f.layer < 4 or "http" in f.only):
            f.apply(s, random.Random(seed))


def finish(s, steps):
    """From the stream to the packets, and what goes with the SYN."""
    shape_segments(s)
    apply(s, steps, range(3, 9))
    keep_small(s)
    mark_urgent(s)
    fill = s.syn.pop("fill", None)
    if fill:
        s.syn["data"] = (s.fake_stream if fill == "fake" else s.stream)[:1200 if fill != "part" else 40]
    return s
