# SPDX-License-Identifier: GPL-3.0-or-later
"""Flights of QUIC: how a hello is cut into CRYPTO frames, packets and datagrams, and what goes before, between and
behind them. A flight is a list of datagrams; several connections may use its ports.

Owns: nothing; pure. See: RFC 9000 12.2, 14.1, 17.2, RFC 9001 5.2.
"""
import random

import origin
import quic
import tcpforms
import tls
import tlsflights
import wire
from tcpforms import form


class Datagram:
    def __init__(self, data, **kw):
        self.data, self.gap, self.ttl, self.sumdelta, self.again = data, 0.0, 64, 0, False
        self.cuts, self.order, self.extension, self.behind = None, None, (), b""
        for k, v in kw.items():
            setattr(self, k, v)


class QuicShape(tcpforms.Shape):
    """chunks: (offset, bytes) of the hello, which begins at `base` in the CRYPTO stream; layout: datagrams as lists of
    packets as lists of frames (bytes)."""
    base = 0

    def cut(self, edges):
        n = len(self.hello)
        edges = sorted({0, n, *(e for e in edges if 0 < e < n)})
        self.chunks = [(a, self.hello[a:b]) for a, b in zip(edges, edges[1:])]

    def edges(self):
        return [c[0] for c in self.chunks]


# ---- CRYPTO frames

@form("quic-cuts", 1, "quic-crypto", True, "quic")
def quic_cuts(s, rng):
    s.cut(s.edges() + [rng.randrange(1, len(s.hello)) for _ in range(rng.choice((1, 2, 4, 10, 30)))])


@form("quic-in-name", 1, "quic-crypto", True, "quic")
def quic_in_name(s, rng):
    at = max(s.hello.find(s.needle), 0)
    s.cut(s.edges() + [at + rng.randrange(0, len(s.needle) + 1) for _ in range(rng.choice((1, 2, 6)))])


@form("quic-bytes", 1, "quic-crypto", True, "quic")
def quic_bytes(s, rng):
    at = max(s.hello.find(s.needle), 0)
    s.cut(s.edges() + list(range(at, at + rng.choice((4, 16)))))


@form("quic-order", 2, "quic-crypto", True, "quic")
def quic_order(s, rng):
    if rng.random() < 0.3:
        s.chunks.reverse()
    else:
        rng.shuffle(s.chunks)


@form("quic-again", 2, "quic-crypto", True, "quic")
def quic_again(s, rng):
    """Frames sent twice, or overlapping with the same bytes."""
    for _ in range(rng.choice((1, 3))):
        a = rng.randrange(len(s.hello))
        s.chunks.insert(rng.randrange(len(s.chunks) + 1), (a, s.hello[a:a + rng.randrange(1, 300)]))


@form("quic-false", 2, "quic-overlap", False, "quic")
def quic_false(s, rng):
    """Frames with other bytes for the same offsets, first or last."""
    at = max(s.hello.find(s.needle), 0)
    a, b = rng.choice(((at, at + len(s.needle)), (0, len(s.hello)), (at - 9, at + len(s.needle)), (at + 3, at + 8)))
    fake = (a, (s.decoy + bytes(len(s.hello)))[a:b])
    if rng.random() < 0.5:
        fake = (a, bytes(b - a))
    s.chunks.insert(rng.choice((0, len(s.chunks), rng.randrange(len(s.chunks) + 1))), fake)


@form("quic-beyond", 2, "quic-overlap", False, "quic")
def quic_beyond(s, rng):
    far = rng.choice((len(s.hello), len(s.hello) + 3, 16384, 65535, 1 << 20, 1 << 29))
    s.chunks.insert(rng.randrange(len(s.chunks) + 1), (far, rng.choice((b"", b"x", s.decoy))))


@form("quic-empty", 2, "quic-crypto", True, "quic")
def quic_empty(s, rng):
    s.chunks.insert(rng.randrange(len(s.chunks) + 1), (rng.choice((0, len(s.hello), rng.randrange(len(s.hello)))), b""))


# ---- frames into packets and datagrams

def lay_out(s, rng):
    """As few datagrams as hold the chunks."""
    room, s.layout = 0, []
    for offset, data in s.chunks:
        for i in range(0, max(1, len(data)), 1000):
            part = data[i:i + 1000]
            if len(part) + 12 > room:
                s.layout.append([[]])
                room = 1120
            s.layout[-1][0].append(quic.crypto(s.base + offset + i, part))
            room -= len(part) + 12


@form("quic-datagrams", 4, "quic-datagrams", True, "quic")
def quic_datagrams(s, rng):
    """Each frame (or two) in a datagram of its own."""
    if len(s.chunks) == 1:
        s.cut([rng.randrange(1, len(s.hello)), max(s.hello.find(s.needle), 1) + 2])
        rng.shuffle(s.chunks)
        lay_out(s, rng)
    frames = [f for d in s.layout for p in d for f in p]
    each = max(1, len(frames) // rng.choice((2, 3, 6)))
    s.layout = [[frames[i:i + each]] for i in range(0, len(frames), each)]


@form("quic-packets", 5, "quic-datagrams", True, "quic")
def quic_packets(s, rng):
    """Several Initial packets in one datagram."""
    out = []
    for d in s.layout:
        frames = [f for p in d for f in p]
        if len(frames) > 1 and sum(map(len, frames)) + 2 * 80 < 1250:
            k = rng.randrange(1, len(frames))
            out.append([frames[:k], frames[k:]])
        else:
            out.append(d)
    s.layout = out


@form("quic-noise", 6, "quic-crypto", True, "quic")
def quic_noise(s, rng):
    for d in s.layout:
        for p in d:
            for _ in range(rng.choice((1, 3, 8))):
                if sum(map(len, p)) < 1100:
                    p.insert(rng.randrange(len(p) + 1), rng.choice((b"\1", b"\0", b"\0" * rng.randrange(1, 20), b"\1\1")))


@form("quic-odd-frame", 6, "quic-overlap", False, "quic")
def quic_odd_frame(s, rng):
    p = rng.choice(rng.choice(s.layout))
    p.insert(rng.randrange(len(p) + 1), rng.choice((b"\2\0\0\0\0", b"\3\0\0\0\0\0\0\0", b"\x1c\0\0\0", b"\x1d\0\0", b"\x08\0x", b"\x1e", b"\7\1x", b"\x40\6\0\1\1",
                                                   b"\x30", b"\x40\1", b"\x80\0\0\1", b"\6\0\x40\0", b"\6\x40\0\0", b"\x31\1x", b"\xff")))


@form("quic-numbers", 0, "quic-datagrams", True, "quic")
def quic_numbers(s, rng):
    s.first_pn = rng.choice((1, 2, 77, 200))


@form("quic-lost", 8, "quic-datagrams", True, "quic")
def quic_lost(s, rng):
    """Datagrams lost: the client sends the hello again, in other packets."""
    first = [d for d in s.out if not d.again]
    s.out.remove(rng.choice(first))


@form("quic-shuffled", 8, "quic-datagrams", True, "quic")
def quic_shuffled(s, rng):
    rng.shuffle(s.out)
    s.out.sort(key=lambda d: d.again)


@form("quic-twice", 8, "quic-datagrams", True, "quic")
def quic_twice(s, rng):
    d = rng.choice(s.out)
    s.out.insert(rng.randrange(len([x for x in s.out if not x.again]) + 1), Datagram(d.data))


@form("quic-gaps", 9, "quic-datagrams", True, "quic")
def quic_gaps(s, rng):
    rng.choice(s.out).gap = rng.choice((0.01, 0.04))


@form("quic-behind", 7, "quic-coalesced", True, "quic")
def quic_behind(s, rng):
    """What RFC 9000 12.2 allows behind an Initial: 0-RTT data that cannot be opened, zeros (padding of the datagram)."""
    tail = rng.choice((b"zero-rtt", b"zeros"))
    if tail == b"zeros":
        s.tail = bytes(rng.choice((1, 30)))
    else:
        c = s.conn
        s.tail = quic.seal(quic.initial_keys(b"other", c.version, b"client in"), c.version, quic.ZERO_RTT, c.dcid, c.scid, 0, rng.randbytes(30), pnlen=2)


@form("quic-odd-behind", 7, "quic-coalesced", False, "quic")
def quic_odd_behind(s, rng):
    decoy = decoy_packet(s, rng)
    if rng.random() < 0.5:
        s.tail = rng.choice((rng.randbytes(20), decoy[:300], b"\x40" + rng.randbytes(30)))
    else:
        s.head = rng.choice((decoy_packet(s, rng, small=True),
                             quic.seal(quic.initial_keys(b"x", s.conn.version, b"client in"), s.conn.version, rng.choice((quic.ZERO_RTT, quic.HANDSHAKE)),
                                       s.conn.dcid, s.conn.scid, 0, rng.randbytes(30), pnlen=2)))


# ---- versions, identifiers

@form("quic-draft-29", 0, "quic-version", True, "quic")
def quic_draft(s, rng):
    s.version = quic.D29


@form("quic-v2", 0, "quic-version", False, "quic")
def quic_v2(s, rng):
    s.version = quic.V2


@form("quic-odd-version", 0, "quic-version", False, "quic")
def quic_odd_version(s, rng):
    s.first_version = rng.choice((0x1A2A3A4A, 0xBABABABA, 0x709A50C4, 0x51303530, 0xFF00001C, 0xFF000022, 2, 0xFACEB002, 0))


@form("quic-token", 0, "quic-version", False, "quic")
def quic_token(s, rng):
    s.token = rng.randbytes(rng.choice((1, 16, 70, 200)))


@form("quic-short-cid", 0, "quic-version", False, "quic")
def quic_short_cid(s, rng):
    s.cid_length = rng.choice((0, 1, 4, 7, 20))


@form("quic-fixed-bit", 0, "quic-version", False, "quic")
def quic_fixed_bit(s, rng):
    s.fixed = 0


@form("quic-after-retry", 9, "quic-retry", False, "quic")
def quic_after_retry(s, rng):
    """As if a Retry had come: the hello again with a token, to another identifier, or another hello first."""
    other = quic.Conn(rng, [s.decoy], False, s.conn.version, scid=s.conn.scid)
    first = rng.random() < 0.6
    if first:
        s.conns.append(other)
        s.out.insert(0, Datagram(padded(other, [quic.crypto(0, s.decoy)], 0)))
    late = quic.Conn(rng, [s.hello], True, s.conn.version, scid=s.conn.scid)
    late.token = rng.randbytes(40)
    s.conns.append(late)
    s.out.append(Datagram(padded(late, [quic.crypto(0, s.hello[:1000])], 1), gap=rng.choice((0, 0.02))))
    if len(s.hello) > 1000:
        s.out.append(Datagram(padded(late, [quic.crypto(1000, s.hello[1000:2000])], 2)))


# ---- before, beside

def padded(conn, frames, pn, size=1200, **kw):
    body = b"".join(frames)
    data = conn.packet(body, pn, **kw)
    return conn.packet(body + bytes(max(0, size - len(data))), pn, **kw)


def decoy_packet(s, rng, small=False, same=False):
    """An allowed hello as an Initial: of a connection of its own, or of this one (same identifiers)."""
    c = s.conn
    other = quic.Conn(rng, [s.decoy], False, c.version, dcid=c.dcid if same else None, scid=c.scid if same or rng.random() < 0.5 else None)
    if small:
        return other.packet(quic.crypto(0, s.decoy[:300]), 0)
    return padded(other, [quic.crypto(0, s.decoy)], rng.choice((0, 0, 1)))


@form("quic-junk-first", 9, "quic-junk", False, "quic")
def quic_junk_first(s, rng):
    for _ in range(rng.choice((1, 1, 4, 20))):
        s.out.insert(0, Datagram(rng.choice((
            rng.randbytes(rng.choice((1, 20, 1200))), b"\0\1\0\0\x21\x12\xa4\x42" + rng.randbytes(12), bytes(1200), b"\x40" + rng.randbytes(40),
            b"\xc0\0\0\0\1" + rng.randbytes(1195), b"\xc0\0\0\0\1\x08" + rng.randbytes(8) + b"\0\0\x44\x9e" + rng.randbytes(1182),
            b"\xf0" + rng.randbytes(60), b"\xc0\0\0\0\0\x08" + rng.randbytes(8) + b"\0\0\0\0\1", b"", b"\xe0\0\0\0\1\x08" + rng.randbytes(8) + b"\0\x41\0" + rng.randbytes(256)))))


@form("quic-decoy-ttl", 9, "quic-junk", False, "quic")
def quic_decoy_ttl(s, rng):
    """An allowed Initial that does not reach the server, first or between."""
    for _ in range(rng.choice((1, 1, 5))):
        d = Datagram(decoy_packet(s, rng, same=rng.random() < 0.5), ttl=rng.randrange(2, 12))
        if rng.random() < 0.2:
            d.ttl, d.sumdelta = 64, 77
        s.out.insert(rng.choice((0, 0, rng.randrange(len(s.out) + 1))), d)


@form("quic-decoy-small", 9, "quic-junk", False, "quic")
def quic_decoy_small(s, rng):
    """An allowed Initial that the server ignores: its datagram is too small, its tag false, its version unknown."""
    c = quic.Conn(rng, [s.decoy], False, s.conn.version, dcid=s.conn.dcid if rng.random() < 0.5 else None, scid=s.conn.scid)
    data = c.packet(quic.crypto(0, s.decoy), 0)
    if rng.random() < 0.5:
        data = padded(c, [quic.crypto(0, s.decoy)], 0)
        data = data[:-1] + bytes((data[-1] ^ 1,))
    s.out.insert(0, Datagram(data))


@form("quic-decoy-real", 10, "quic-second", False, "quic")
def quic_decoy_real(s, rng):
    """An allowed connection that the server answers, then the blocked one on the same ports."""
    other = quic.Conn(rng, [s.decoy], False, quic.V1, scid=rng.choice((None, s.conn.scid)))
    s.conns.append(other)
    s.out[0].gap = rng.choice((0, 0.02, 0.1, 0.25))
    s.out.insert(0, Datagram(padded(other, [quic.crypto(0, s.decoy)], 0)))
    if rng.random() < 0.4:
        s.out.insert(1, Datagram(b"\x40" + rng.randbytes(40), gap=0.05))
    if rng.random() < 0.3:  # and the other way round: the decoy once more behind it
        s.out.append(Datagram(padded(other, [quic.crypto(0, s.decoy)], 1)))


@form("quic-split-between", 10, "quic-second", False, "quic")
def quic_split_between(s, rng):
    """A decoy's datagram between the datagrams of the hello."""
    other = quic.Conn(rng, [s.decoy], False, quic.V1, scid=s.conn.scid)
    s.conns.append(other)
    s.out.insert(min(1, len(s.out)), Datagram(padded(other, [quic.crypto(0, s.decoy)], 0), gap=rng.choice((0, 0.03))))


# ---- packets of IP

@form("quic-fragments", 11, "quic-ip", True, "quic")
def quic_fragments(s, rng):
    for d in rng.sample(s.out, rng.randrange(1, len(s.out) + 1)):
        d.cuts = [rng.randrange(8, 1200) for _ in range(rng.choice((1, 2, 3)))]
        if rng.random() < 0.5:
            n = len(wire.pieces(bytes(len(d.data) + 8), d.cuts))
            d.order = rng.sample(range(n), n)


@form("quic-behind-udp", 11, "quic-odd-ip", False, "quic")
def quic_behind_udp(s, rng):
    """Bytes behind the datagram's end, as its header tells it: more of nothing, or an allowed hello."""
    for d in rng.sample(s.out, rng.randrange(1, len(s.out) + 1)):
        d.behind = rng.choice((bytes(4), rng.randbytes(30), decoy_packet(s, rng, small=True)[:200]))


@form("quic-dest", 11, "quic-ip", True, ("quic", "v6"))
def quic_dest(s, rng):
    for d in rng.sample(s.out, rng.randrange(1, len(s.out) + 1)):
        d.extension = [(rng.choice(("dest", "hop")), b"")]


GROUPS = {
    "quic-crypto": ("blocked", ("quic-crypto", "hello"), ("quic-crypto", "quic-datagrams", "hello")),
    "quic-datagrams": ("blocked", ("quic-datagrams",), ("quic-crypto", "quic-datagrams", "quic-coalesced")),
    "quic-overlap": ("blocked", ("quic-overlap",), ("quic-crypto", "quic-datagrams", "quic-overlap")),
    "quic-coalesced": ("blocked", ("quic-coalesced",), ("quic-crypto", "quic-datagrams", "quic-coalesced")),
    "quic-junk": ("blocked", ("quic-junk",), ("quic-junk", "quic-crypto", "quic-datagrams")),
    "quic-version": ("blocked", ("quic-version",), ("quic-version", "quic-crypto", "quic-junk")),
    "quic-retry": ("blocked", ("quic-retry",), ("quic-retry", "quic-crypto", "quic-datagrams")),
    "quic-second": ("blocked", ("quic-second",), ("quic-second", "quic-crypto", "quic-datagrams", "quic-junk")),
    "quic-names": ("blocked", ("names",), ("quic-crypto", "quic-datagrams")),
    "quic-ip": ("blocked", ("quic-ip", "quic-odd-ip"), ("quic-crypto", "quic-datagrams", "quic-second")),
    "quic-mixed": ("blocked", ("quic-crypto", "quic-datagrams", "quic-overlap", "quic-coalesced", "quic-junk", "quic-version", "quic-second", "quic-retry", "quic-ip"),
                   ("quic-crypto", "quic-datagrams", "quic-overlap", "quic-coalesced", "quic-junk", "quic-version", "quic-second", "quic-retry", "quic-ip", "hello")),
    "quic-valid": ("allowed", ("quic-crypto", "quic-datagrams", "quic-coalesced", "quic-version", "quic-ip", "hello"),
                   ("quic-crypto", "quic-datagrams", "quic-coalesced", "quic-ip", "hello")),
}
FAMILIES = tuple(GROUPS)


def spec_for(family, n, rng, proxied):
    kind, first, more = GROUPS[family]
    v6 = rng.random() < 0.5
    seed, steps = rng.getrandbits(32), tlsflights.steps_for(rng, first, more, kind, v6, "quic")
    both = kind == "allowed" and not any(x[0] == "quic-draft-29" for x in steps)  # ngtcp2's server has only version 1
    return {"layer": "quic", "family": family, "n": n, "kind": kind, "v6": v6, "server": rng.choice(("caddy", "ngtcp2")) if both else "caddy",
            "proxied": False, "seed": seed, "steps": steps}


def shape(spec):
    rng = random.Random(spec["seed"])
    blocked = spec["kind"] == "blocked"
    s = QuicShape(tlsflights.site_of(spec["n"], blocked), spec["v6"], False)
    s.version, s.first_version, s.token, s.cid_length, s.fixed, s.first_pn = quic.V1, None, b"", None, 0x40, 0
    s.head = s.tail = b""
    tcpforms.apply(s, [x for x in spec["steps"] if tcpforms.FORMS[x[0]].layer == 0], (0,))
    s.conn = quic.Conn(rng, [], blocked, s.version, dcid=None if s.cid_length is None else rng.randbytes(s.cid_length))
    s.conn.token, s.conn.fixed = s.token, s.fixed
    options = {k: v for k, v in s.options.items() if k not in ("version", "sid")}
    options["pad"] = min(options.get("pad", 0), 3000)
    kind = 0xFFA5 if s.version == quic.D29 else 0x39
    params = kind, quic.transport(s.conn.scid, rng)
    s.hello = tls.hello(rng, options.pop("name", s.name), quic=params, alpn=(b"h3", b"h3-29"), **options)
    s.decoy = tls.hello(rng, "d.fine.test", quic=(kind, quic.transport(b"", rng)), alpn=(b"h3",))
    s.conn.hellos, s.conns = [s.hello, s.decoy], [s.conn]
    s.chunks = [(0, s.hello)]
    steps = [x for x in spec["steps"] if tcpforms.FORMS[x[0]].layer > 0]
    do(s, steps, (1, 2))
    lay_out(s, rng)
    do(s, steps, (3, 4, 5, 6, 7))
    seal(s, rng)
    do(s, steps, (8, 9, 10, 11))
    return s


def do(s, steps, layers):
    for name, seed in sorted(steps, key=lambda step: tcpforms.FORMS[step[0]].layer):
        f = tcpforms.FORMS[name]
        if f.layer in layers:
            f.apply(s, random.Random(seed))


def seal(s, rng):
    s.out, pn = [], s.first_pn
    for again in range(5):
        if again:  # what a client sends when nothing came back: all once more, plainly framed
            s.chunks = [(0, s.hello)]
            s.head = s.tail = b""
            lay_out(s, rng)
        for d in s.layout:
            data = s.head + b"".join(s.conn.packet(b"".join(p), pn + i) for i, p in enumerate(d[:-1]))
            pn += len(d) - 1
            data += padded(s.conn, d[-1], pn, max(100, rng.choice((1200, 1200, 1252, 1350)) - len(data) - len(s.tail))) + s.tail
            pn += 1
            s.out.append(Datagram(data, again=bool(again), gap=0.3 if again and d is s.layout[0] else 0.0))
    if s.first_version is not None:
        first = s.out[0].data
        s.out.insert(0, Datagram(first[:1] + s.first_version.to_bytes(4, "big") + first[5:]))
        s.out[1].gap = 0.02


class QuicFlight:
    """Datagrams as planned, then silence until the answer is known."""

    def __init__(self, engine, spec, server, plan, reader, patience):
        self.engine, self.spec, self.plan, self.reader, self.patience = engine, spec, plan, reader, patience
        self.source, self.sport = engine.place(spec["v6"])
        self.ends, self.port = wire.Ends(self.source, server), 443
        self.key = (wire.UDP, self.ends.src, self.sport)
        self.rng = random.Random(spec["seed"])
        self.done, self.outcome, self.step, self.deadline, self.next = False, None, 0, 0.0, 0.0
        self.took = 0.0

    def start(self, now):
        self.took, self.deadline = -now, now + self.patience + 2
        self.timer(now)

    def timer(self, now):
        if now + 0.001 < self.next:
            self.engine.at(self.next, self)
            return
        while self.step < len(self.plan):
            d = self.plan[self.step]
            first = self.reader.conns[0]
            if d.again and (first.hello or first.closed is not None):
                self.step = len(self.plan)
                break
            if d.gap:
                d.gap, self.next = 0.0, now + d.gap
                self.engine.at(self.next, self)
                return
            self.step += 1
            body = wire.udp(self.ends, self.sport, self.port, d.data, d.sumdelta, d.behind)
            for p in wire.packets(self.ends, wire.UDP, body, d.ttl, self.rng.getrandbits(32), d.cuts, d.order, d.extension):
                self.engine.send(self.ends.v6, p)
            self.deadline = now + self.patience
        if now >= self.deadline:
            self.end(now, "silent")
        else:
            self.next = self.deadline
            self.engine.at(self.deadline, self)

    def packet(self, now, proto, body):
        if int.from_bytes(body[:2], "big") != self.port:
            return
        state = self.reader.feed(body[8:])
        more = self.reader.turn()
        if more:
            self.plan, self.next, self.deadline = self.plan[:self.step] + more, 0.0, now + self.patience
            self.timer(now)
        elif state:
            self.end(now, state)

    def end(self, now, outcome):
        self.outcome, self.done = self.reader.final(outcome), True
        self.took += now


def flight(engine, spec):
    s = shape(spec)
    allowed = spec["kind"] == "allowed"
    f = QuicFlight(engine, spec, origin.address(spec["server"], spec["v6"]), s.out, quic.Answer(s.conns, not allowed), 6.0 if allowed else 0.8)
    f.ambiguous, f.only = s.ambiguous, True
    return f


def judge(spec, f):
    conns = f.reader.conns
    if spec["kind"] == "allowed":
        return None if f.outcome == "other" else f"an allowed name was not served: {f.outcome} {[c.closed for c in conns]}"
    if f.outcome == "blocked":
        return "the server answered for a blocked name"
    if any(c.hello and c.blocked and (c.understood in (0, None)) and not f.ambiguous for c in conns):
        return "the server answered a hello with a blocked name"
    return None
