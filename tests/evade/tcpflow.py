# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection by raw packets: a handshake, then a plan of segments exactly as it says, then the answer.

The client is honest where the plan says nothing: what the server has not acknowledged is sent again, what it sends
is acknowledged, and at the end a RST frees the server. Owns: nothing outside itself. See: RFC 9293, 7323.
"""
import random
import time

import wire
from wire import ACK, FIN, PSH, RST, SYN


class Seg:
    """One packet of a plan. off: place in the stream (any integer); fake: no part of the honest stream."""

    __slots__ = ("off", "data", "flags", "ttl", "sumdelta", "options", "ackdelta", "stamp", "urgent", "cuts", "order",
                 "extension", "behind", "gap", "doff", "fake", "forged", "window", "ipoptions", "repeat")

    def __init__(self, off, data=b"", **kw):
        self.off, self.data = off, data
        self.flags, self.ttl, self.sumdelta, self.options = ACK | PSH, 64, 0, b""
        self.ackdelta, self.stamp, self.urgent = 0, 0, 0
        self.cuts = self.order = self.doff = None
        self.extension, self.behind, self.gap, self.ipoptions = (), (), 0.0, b""
        self.fake, self.forged, self.window, self.repeat = False, False, 64240, 0
        for k, v in kw.items():
            setattr(self, k, v)

    def copy(self, **kw):
        other = Seg(0)
        for name in Seg.__slots__:
            setattr(other, name, getattr(self, name))
        for k, v in kw.items():
            setattr(other, k, v)
        return other


class TcpFlight:
    """stream: the honest bytes (sent again when lost). reader.feed(bytes) returns a state when the answer is known.

    A state "next" is no end: reader.turn() returns (segments, their honest bytes), which follow what was sent before.
    outcome, when done: the reader's state, or "reset", "closed", "silent", "unreachable".
    """

    def __init__(self, engine, spec, server, port, plan, stream, reader, *, stamps=True, syn=None, patience=1.2, again=4):
        self.engine, self.spec, self.plan, self.stream, self.reader = engine, spec, plan, stream, reader
        self.source, self.sport = engine.place(spec["v6"])
        self.ends = wire.Ends(self.source, server)
        self.port, self.stamps, self.syn, self.patience, self.again = port, stamps, syn or {}, patience, again
        self.key = (wire.TCP, self.ends.src, self.sport)
        self.rng = random.Random(spec["seed"])
        self.iss = self.rng.getrandbits(32)
        self.tsbase = self.rng.getrandbits(30)
        self.rcv = self.una = self.echo = self.sent = 0
        self.step, self.open, self.done, self.outcome, self.tries = 0, False, False, None, 0
        self.window = self.syn.get("window")
        self.early, self.answered, self.reset_at, self.ended = {}, b"", None, False
        self.began = self.deadline = self.next_try = self.took = 0.0

    # ---- out

    def emit(self, seg):
        ends = self.ends
        if seg.forged:
            body = wire.tcp(ends.back(), self.port, self.sport, self.rcv, self.iss + 1 + seg.ackdelta, seg.flags, seg.data)
            packets = wire.packets(ends.back(), wire.TCP, body, seg.ttl)
        else:
            options = seg.options
            if self.stamps and seg.stamp is not None:
                options += wire.stamp(self.tsbase + self.sent + seg.stamp, self.echo)
            body = wire.tcp(ends, self.sport, self.port, self.iss + 1 + seg.off, self.rcv + seg.ackdelta, seg.flags, seg.data,
                            options, seg.window if self.window is None else self.window, seg.urgent, seg.sumdelta, seg.doff)
            packets = wire.packets(ends, wire.TCP, body, seg.ttl, self.rng.getrandbits(32 if ends.v6 else 16), seg.cuts,
                                   seg.order, seg.extension, seg.ipoptions, seg.behind)
        self.sent += 1
        for _ in range(1 + seg.repeat):
            for p in packets:
                self.engine.send(ends.v6, p)

    def send_syn(self):
        for seg in self.syn.pop("before", ()):
            self.emit(seg)
        options = b"\2\4" + (1400).to_bytes(2, "big") + b"\4\2\1\3\3\7"
        if self.stamps:
            options += wire.stamp(self.tsbase, 0)
        options = self.syn.get("options", b"") + options
        body = wire.tcp(self.ends, self.sport, self.port, self.iss, 0, SYN | self.syn.get("flags", 0), self.syn.get("data", b""),
                        options)
        for p in wire.packets(self.ends, wire.TCP, body, 64, self.rng.getrandbits(16)):
            self.engine.send(self.ends.v6, p)

    def start(self, now):
        self.began, self.deadline, self.next_try = now, now + 6, now + 0.5
        self.send_syn()
        self.engine.at(self.next_try, self)

    def play(self, now):
        while self.step < len(self.plan) and not self.done:
            seg = self.plan[self.step]
            if seg.gap:
                seg.gap, gap = 0.0, seg.gap
                self.engine.at(now + gap, self)
                self.next_try = now + gap
                return
            self.step += 1
            self.emit(seg)
        self.deadline = now + self.patience
        self.next_try = now + 0.3
        self.engine.at(self.next_try, self)

    def go_on(self):
        """The reader has heard what the next turn waits for: its segments follow what was sent so far."""
        segs, data = self.reader.turn()
        base = len(self.stream)
        self.stream += data
        self.plan = self.plan[:self.step] + [s.copy(off=s.off + base) for s in segs]
        self.tries = 0
        self.play(time.monotonic())

    # ---- clock

    def timer(self, now):
        if now >= self.deadline:
            self.end("silent")
        elif now + 0.001 < self.next_try:
            self.engine.at(self.next_try, self)
        elif not self.open:
            self.next_try = now + 1
            self.send_syn()
            self.engine.at(self.next_try, self)
        elif self.step < len(self.plan):
            self.play(now)
        else:
            self.resend(now)
            self.next_try = min(self.deadline, now + 0.3 * 1.6 ** self.tries)
            self.engine.at(self.next_try, self)

    def resend(self, now):
        """What an honest sender would: the first segment that was not acknowledged, then the rest."""
        if self.una >= len(self.stream) or self.tries >= self.again:
            return
        self.tries += 1
        at = max(0, self.una)
        for begin in range(at, min(len(self.stream), at + 14000), 1400):
            self.emit(Seg(begin, self.stream[begin:begin + 1400]))

    # ---- in

    def packet(self, now, proto, body):
        if proto != wire.TCP or len(body) < 20:
            if proto in (1, 58):
                self.end("unreachable")
            return
        seq, ack = int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:12], "big")
        head, flags = (body[12] >> 4) * 4, body[13]
        if int.from_bytes(body[:2], "big") != self.port:
            return
        if flags & RST:
            self.end("reset")
            return
        if self.stamps:
            value = wire.read_stamp(body[20:head])
            if value is not None:
                self.echo = value
        if flags & SYN:
            if not self.open and flags & ACK:
                self.open, self.rcv = True, (seq + 1) & wire.M32
                self.emit(Seg(0, b"", flags=ACK))
                self.deadline = now + 20
                self.play(now)
            return
        if not self.open:
            return
        if flags & ACK:
            ahead = (ack - self.iss - 1) & wire.M32
            if ahead < 1 << 24 and ahead > self.una:
                self.una, self.tries = ahead, 0
        data = body[head:]
        if data or flags & FIN:
            self.receive(seq, data, flags & FIN)

    def receive(self, seq, data, fin):
        self.early[seq] = (data, fin)
        state = None
        for at in sorted(self.early, key=lambda s: (s - self.rcv) & wire.M32 if (s - self.rcv) & 0x80000000 == 0 else -1):
            skip = (self.rcv - at) & wire.M32
            if skip & 0x80000000:
                break
            data, fin = self.early.pop(at)
            fresh = data[skip:]
            self.rcv = (self.rcv + len(fresh)) & wire.M32
            if fresh:
                self.answered = (self.answered + fresh)[:65536]
                state = self.reader.feed(fresh)
            if fin:
                self.ended = True
                break
        if state == "next":
            self.go_on()
        elif state:
            self.end(state)
        elif self.ended:
            self.end("closed")
        else:
            self.emit(Seg(max(len(self.stream), self.una), b"", flags=ACK))

    def end(self, outcome):
        if self.done:
            return
        final = getattr(self.reader, "final", None)
        self.outcome = final(outcome) if final else outcome
        self.done = True
        self.took = time.monotonic() - self.began
        if self.open:
            # where the server stands, or near it: then it says where, and the engine resets it there
            for off in {max(self.una, 0), len(self.stream)}:
                self.emit(Seg(off, b"", flags=RST | ACK))
