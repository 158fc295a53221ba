# SPDX-License-Identifier: GPL-3.0-or-later
"""Flights of QUIC with two turns: the server asks back, with a real Retry or a real HelloRetryRequest, and then comes the
hello of the victim. Servers: ngtcp2's (with address validation for Retry) and caddy.

Owns: nothing; pure. See: RFC 9000 17.2.5, RFC 9001 4.1.2, RFC 8446 4.1.4.
"""
import random

import origin
import quic
import quicforms
import tcpforms
import tls
import tlsflights

SHAPES = ("quic-crypto", "quic-datagrams", "quic-coalesced", "hello")
ODD = ("quic-overlap", "quic-junk", "names", "quic-ip")
GROUPS = {
    "quic-real-retry": ("blocked", SHAPES, (*SHAPES, *ODD)),
    "quic-real-retry-valid": ("allowed", SHAPES, SHAPES),
    "quic-hello-retry": ("blocked", SHAPES, (*SHAPES, *ODD)),
    "quic-hello-retry-valid": ("allowed", SHAPES, SHAPES),
}
FAMILIES = tuple(GROUPS)


def spec_for(family, n, rng, proxied):
    kind, first, more = GROUPS[family]
    v6 = rng.random() < 0.5
    return {"layer": "quicturns", "family": family, "n": n, "kind": kind, "v6": v6, "proxied": False, "seed": rng.getrandbits(32),
            "server": "ngtcp2-retry" if "real" in family else rng.choice(("caddy", "ngtcp2")),
            "steps": tlsflights.steps_for(rng, first, more, kind, v6, "quic")}


class Second:
    """The victim's hello, shaped when the server's word is known."""

    def __init__(self, spec, rng):
        self.spec, self.seed = spec, rng.getrandbits(32)
        self.name = tlsflights.site_of(spec["n"], spec["kind"] == "blocked")

    def hello(self, name, scid, share=True):
        """The same but for name and key, whichever is asked for."""
        rng = random.Random(self.seed)
        s = quicforms.QuicShape(name, self.spec["v6"], False)
        s.version, s.first_version, s.token, s.cid_length, s.fixed, s.first_pn = quic.V1, None, b"", None, 0x40, 0
        s.head = s.tail = b""
        tcpforms.apply(s, [x for x in self.spec["steps"] if tcpforms.FORMS[x[0]].layer == 0], (0,))
        options = {k: v for k, v in s.options.items() if k not in ("version", "sid", "grease")}
        options["pad"] = min(options.get("pad", 0), 3000)
        if name == "d.fine.test":
            options.pop("name_extension", None)
            options.pop("name", None)
        shown = options.pop("name", name)
        s.hello = tls.hello(rng, shown, quic=(0x39, quic.transport(scid, random.Random(self.seed))), alpn=(b"h3",), share=share, **options)
        return s

    def datagrams(self, conn, scid, base=0, pn=0):
        s = self.hello(self.name, scid)
        s.base, s.first_pn = base, pn
        s.decoy = self.hello("d.fine.test", scid).hello
        conn.hellos = [s.hello, s.decoy]
        s.conn, s.conns, s.chunks = conn, [conn], [(0, s.hello)]
        steps = [x for x in self.spec["steps"] if tcpforms.FORMS[x[0]].layer > 0]
        quicforms.do(s, steps, (1, 2))
        quicforms.lay_out(s, random.Random(self.seed))
        quicforms.do(s, steps, (3, 4, 5, 6, 7))
        quicforms.seal(s, random.Random(self.seed))
        quicforms.do(s, steps, (8, 9, 10, 11))
        return s.out


class Asked(quic.Answer):
    def __init__(self, first, second, wait_for_all):
        quic.Answer.__init__(self, [first], wait_for_all)
        self.second, self.asked = second, False

    def state(self):
        return quic.Answer.state(self) if self.asked else None

    def turn(self):
        first = self.conns[0]
        if self.asked or not (self.retry or first.retry):
            return None
        self.asked = True
        if self.retry:
            late = quic.Conn(random.Random(self.second.seed), [], self.second.spec["kind"] == "blocked", dcid=self.retry[0], scid=first.scid)
            late.token = self.retry[1]
            self.conns[:] = [late]
            return self.second.datagrams(late, first.scid, pn=1)
        first.blocked = self.second.spec["kind"] == "blocked"
        first.first, first.server = first.hellos[0], quic.initial_keys(first.dcid, first.version, b"server in")
        first.dcid = first.server_cid
        return self.second.datagrams(first, first.scid, base=len(first.first), pn=first.pns)


def flight(engine, spec):
    rng = random.Random(spec["seed"])
    blocked, real = spec["kind"] == "blocked", "real" in spec["family"]
    conn, second = quic.Conn(rng, [], False), Second(spec, rng)
    first = second.hello("d.fine.test" if blocked else second.name, conn.scid, share=real).hello
    conn.hellos, conn.pns = [first], 0
    part = rng.choice((len(first), len(first), 100, 0)) if real and blocked else len(first)
    plan = []
    for again in range(3):
        for i in range(0, max(part, 1), 1000):
            frames = [quic.crypto(i, first[i:min(part, i + 1000)])] if part else [b"\1"]
            plan.append(quicforms.Datagram(quicforms.padded(conn, frames, conn.pns), again=bool(again), gap=0.3 if again and not i else 0.0))
            conn.pns += 1
    f = quicforms.QuicFlight(engine, spec, origin.address(spec["server"], spec["v6"]), plan, Asked(conn, second, blocked),
                             1.0 if blocked else 6.0)
    f.ambiguous = any(tcpforms.FORMS[x[0]].group in ("names", "quic-overlap") for x in spec["steps"])
    f.only = True
    return f


def judge(spec, f):
    return quicforms.judge(spec, f)
