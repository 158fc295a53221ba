# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows Q of tests/catalogue.rows: datagrams made by hand, to a server that only listens and remembers each.

A datagram "passes" when exactly it arrived; one that is part of a blocked hello, and would complete it, never does.
"""
import contextlib
import os
import random
import socket
import sys
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import labkit
import peers
from rawtcp import costs

sys.path.insert(0, os.path.join(labkit.REPO, "tests", "evade"))
import quic  # noqa: E402
import tls   # noqa: E402

LONG = True
PATH = "N"
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for two
  no-name block
for everyone
  block block.example
otherwise allow
"""
SETTINGS = "inspect-udp 443 4433 784\n"
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
RNG = random.Random(4)


class Ears:
    """UDP sockets of the origin on these ports, both families."""

    def __init__(self, lab, ports=(443, 4433, 784)):
        peers.add_addresses(lab, peers.PEER)
        self.socks, self.all = {}, []
        with lab.inside("origin"):
            for v6, kind in ((False, socket.AF_INET), (True, socket.AF_INET6)):
                for port in ports:
                    s = socket.socket(kind, socket.SOCK_DGRAM)
                    s.bind((peers.PEER[6 if v6 else 4], port))
                    s.setblocking(False)
                    self.socks[v6, port] = s

    def hear(self):
        """(datagram, from whom, socket) of all that came so far."""
        for s in self.socks.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.all.append((*s.recvfrom(65536), s))
        return self.all

    def close(self):
        for s in self.socks.values():
            s.close()


@pytest.fixture(scope="module")
def listening(lab):
    one = Ears(lab)
    yield one
    one.close()


@pytest.fixture
def ears(listening):
    listening.hear()
    listening.all.clear()
    return listening


class Client:
    def __init__(self, lab, ears, v6, space="client", port=443):
        self.ears, self.to = ears, (peers.PEER[6 if v6 else 4], port)
        with lab.inside(space):
            self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *datagrams):
        for d in datagrams:
            self.sock.sendto(d, self.to)

    def passes(self, *datagrams):
        came = lambda: all(d in [h[0] for h in self.ears.hear()] for d in datagrams)  # noqa: E731
        def said():  # a datagram may get lost on a busy machine: every sender asks again
            self.send(*datagrams)
            return labkit.until(came, 2, 0.01)

        assert labkit.until(said), "not all came"

    def held(self, *datagrams):
        self.send(*datagrams)
        time.sleep(0.12)
        came = [h[0] for h in self.ears.hear()]
        assert not any(d in came for d in datagrams), "it came"

    def completes(self, ok, last, *waiting):
        """With the last part of a hello all of it goes on, or nothing."""
        self.held(*waiting)
        if ok:
            self.passes(last)
            if not labkit.until(lambda: all(d in [h[0] for h in self.ears.hear()] for d in waiting), 1, 0.01):
                self.passes(*waiting)  # lost, or it took too long on a busy machine: every sender asks again
        else:
            self.held(last)
            assert not any(d in [h[0] for h in self.ears.hear()] for d in waiting)

    def answers(self, seconds=labkit.PATIENCE):
        """Datagrams that came back."""
        out, end = [], time.monotonic() + seconds
        while time.monotonic() < end and not out:
            with contextlib.suppress(BlockingIOError, ConnectionError, OSError):
                out.append(self.sock.recv(65536))
            time.sleep(0.01)
        return out


def conn(name, version=quic.V1, pad=0, dcid=None, extra=(), **kw):
    one = quic.Conn(RNG, [], False, version, dcid=dcid or RNG.randbytes(8), scid=RNG.randbytes(5))
    one.ch = tls.hello(RNG, name, quic=(0x39, quic.transport(one.scid, RNG)), pad=pad, alpn=(b"h3",), extra=extra, **kw)
    one.pn = 0
    return one


def initial(c, *frames, size=1200, **kw):
    """One Initial of these frames, padded to a datagram of that size."""
    payload = b"".join(frames)
    bare = len(c.packet(payload, c.pn, **kw))
    packet = c.packet(payload + bytes(max(0, size - bare)), c.pn, **kw)
    c.pn += 1
    return packet


def crypto(c, a, b):
    return quic.crypto(a, c.ch[a:b])


def whole(c, **kw):
    return initial(c, crypto(c, 0, len(c.ch)), **kw)


def pieces(c, *edges):
    edges = [0, *edges, len(c.ch)]
    return [initial(c, crypto(c, a, b)) for a, b in zip(edges, edges[1:])]


NAMES = ("fine.test", "n.block.example")


@BOTH
@pytest.mark.parametrize("version", [quic.V1, quic.V2, quic.D29], ids=["Q01 version 1", "Q02 version 2", "Q03 draft 29"])
def test_Q30_a_hello_in_one_datagram(lab, ears, version, v6):
    with Client(lab, ears, v6) as c:
        c.passes(whole(conn("fine.test", version)))
    with Client(lab, ears, v6) as c:
        c.held(whole(conn("n.block.example", version)))


def vector(name):
    with open(os.path.join(labkit.REPO, "tests/data/quic", name + ".packet.hex"), encoding="ascii") as f:
        return bytes.fromhex("".join(f.read().split()))


@BOTH
@pytest.mark.parametrize("name", [pytest.param("rfc9001_client_initial", id="Q01"), pytest.param("rfc9369_client_initial", id="Q02")])
def test_the_RFCs_own_packet(lab, ears, name, v6):
    """It names example.com, which client2 may. With one bit of its tag turned no key opens it: its connection may have begun
    on another port, so it does not go on; and it changes nothing for what comes then."""
    packet = vector(name)
    with Client(lab, ears, v6, "client2") as c:
        c.held(packet[:-1] + bytes((packet[-1] ^ 1,)))
        c.held(whole(conn("n.block.example")), whole(conn("198.51.100.7")))
        c.passes(packet)


@BOTH
@pytest.mark.parametrize("cid", ["the same ID", "the server's ID"])
def test_Q06_Q11_the_other_half_in_version_2(lab, ears, cid, v6):
    """The version changes on the way; the keys go on following from the client's first ID."""
    for name in NAMES:
        one = conn(name)
        two = conn(name, quic.V2, dcid=one.dcid)
        two.ch, two.scid, two.pn = one.ch, one.scid, 1
        two.dcid = two.dcid if cid == "the same ID" else b"SERVERID"
        with Client(lab, ears, v6) as c:
            half = initial(one, crypto(one, 0, 100))
            c.completes(name == "fine.test", initial(two, crypto(two, 100, len(two.ch))), half)


@BOTH
def test_Q11_the_other_half_under_the_servers_ID(lab, ears, v6):
    """The server has answered nobody yet, but a client may say what it likes."""
    for name in NAMES:
        one = conn(name)
        with Client(lab, ears, v6) as c:
            half = initial(one, crypto(one, 0, 100))
            one.dcid = b"SERVERID"
            c.completes(name == "fine.test", initial(one, crypto(one, 100, len(one.ch))), half)


@BOTH
def test_Q11_more_under_the_ID_that_the_server_chose(lab, ears, v6):
    one = conn("fine.test")
    with Client(lab, ears, v6) as c:
        first = whole(one)
        c.passes(first)
        _, source, server = next(h for h in ears.hear() if h[0] == first)
        keys = quic.initial_keys(one.dcid, quic.V1, b"server in")
        server.sendto(quic.seal(keys, quic.V1, quic.INITIAL, one.scid, b"SERVERID", 0, b"\2\0\0\0\0" + bytes(1100)), source)
        assert c.answers()
        one.dcid = b"SERVERID"
        c.passes(initial(one, b"\1", size=1230))
        c.held(initial(one, quic.crypto(0, conn("n.block.example").ch), size=1230))


@BOTH
@pytest.mark.parametrize("first", [0, 1, 255])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_Q23_packet_numbers(lab, ears, length, first, v6):
    """Of any length, from any number on; the second half goes on counting."""
    for name in NAMES:
        one = conn(name)
        one.pnlen, one.pn = length, first
        with Client(lab, ears, v6) as c:
            half = initial(one, crypto(one, 0, 100))
            one.pnlen = max(2, length)
            c.completes(name == "fine.test", initial(one, crypto(one, 100, len(one.ch))), half)


def lies():
    """Headers that lie, each around a hello for an allowed name, or what is left of one."""
    for n in (0, 4, 7):
        yield f"an ID of {n}", whole(conn("fine.test", dcid=RNG.randbytes(n) or b"")) if n else bare(b"")
    good = whole(conn("fine.test"))
    yield "an ID of 21", good[:5] + b"\x15" + RNG.randbytes(21) + good[14:]
    yield "an ID beyond the packet", good[:5] + b"\xff" + good[6:40]
    yield "a token beyond the packet", good[:20] + b"\x7f\xff" + good[21:]
    yield "a length beyond the packet", good[:21] + b"\x7f\xff" + good[23:]
    yield "a length of nothing", good[:21] + b"\x40\0" + good[23:]
    yield "a header alone", good[:21]


def bare(dcid):
    one = quic.Conn(RNG, [], False, quic.V1, dcid=dcid, scid=b"abcde")
    one.ch = tls.hello(RNG, "fine.test", quic=(0x39, quic.transport(one.scid, RNG)), alpn=(b"h3",))
    one.pn = 0
    return whole(one)


@BOTH
def test_Q22_headers_that_lie(lab, ears, v6):
    """They are no QUIC, or odd, and open no way: what comes behind them is judged as ever."""
    for what, data in lies():
        with Client(lab, ears, v6, "client2") as c:
            c.send(data)
            if what.startswith("an ID of") and "21" not in what:  # a lax server would take it
                c.held(data)
            c.held(whole(conn("n.block.example")), whole(conn("", name_extension=b"")))
            c.passes(whole(conn("fine.test")))


@BOTH
def test_Q05_an_unknown_version_then_a_known_one(lab, ears, v6):
    for name in NAMES:
        with Client(lab, ears, v6) as c:
            one = conn(name)
            grease = b"\xca\x1a\x2a\x3a\x4a\x08" + one.dcid + b"\5" + one.scid + bytes(1180)
            c.held(grease)
            back = c.answers()
            assert back and back[0][1:5] == bytes(4) and b"\0\0\0\1" in back[0], back  # versions are offered
            (c.passes if name == "fine.test" else c.held)(whole(one))


@BOTH
def test_Q04_gquic_is_refused(lab, ears, v6):
    with Client(lab, ears, v6) as c:
        c.held(b"\xc3Q046\x50" + RNG.randbytes(8) + bytes(1330))


@BOTH
def test_Q07_shuffled_frames(lab, ears, v6):
    for name in NAMES:
        one = conn(name)
        cuts = sorted(RNG.sample(range(1, len(one.ch)), 12))
        frames = [crypto(one, a, b) for a, b in zip([0, *cuts], [*cuts, len(one.ch)])] + [b"\1", b"\1", b"\0\0\0", b"\2\0\0\0\0"]
        RNG.shuffle(frames)
        with Client(lab, ears, v6) as c:
            (c.passes if name == "fine.test" else c.held)(initial(one, *frames))


@BOTH
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize("shape", ["Q08 two Initials", "Q08 Q28 five, post-quantum", "Q09 cut in the name", "Q10 each twice"])
def test_a_hello_over_several_datagrams(lab, ears, shape, turned, v6):
    """What does not complete it waits for what does, and then all goes on or nothing."""
    for name in NAMES:
        big = "five" in shape
        one = conn(name, extra=(tls.ext(0x11ec & 0xfff | 0x3000, RNG.randbytes(3200)),) if big else ())
        at = one.ch.index(name.encode())
        parts = pieces(one, *((800, 1600, 2400, 3000) if big else (at + 4,) if "cut" in shape else (100,)))
        if turned:
            parts.reverse()
        with Client(lab, ears, v6) as c:
            if "twice" in shape:
                c.held(*parts[:-1])
            c.completes(name == "fine.test", parts[-1], *parts[:-1])
            if "twice" in shape:
                again = [initial(one, crypto(one, 50, 90)), parts[-1]]
                (c.passes if name == "fine.test" else c.held)(*again)


@BOTH
def test_Q10_other_bytes_in_the_same_place(lab, ears, v6):
    one, other = conn("fine1.test"), conn("block.test")
    with Client(lab, ears, v6) as c:
        c.held(initial(one, crypto(one, 0, 200)))
        other.ch = one.ch[:30] + bytes([one.ch[30] ^ 1]) + one.ch[31:]
        c.held(initial(one, quic.crypto(0, other.ch)))
        c.held(initial(one, crypto(one, 200, len(one.ch))))


def retry_packet(original, scid_of_server, to, token=b"token"):
    head = b"\xf0\0\0\0\1" + bytes((len(to),)) + to + bytes((len(scid_of_server),)) + scid_of_server + token
    key, nonce = bytes.fromhex("be0c690b9f66575a1d766b54e368c84e"), bytes.fromhex("461599d35d632bf2239825bb")
    return head + AESGCM(key).encrypt(nonce, b"", bytes((len(original),)) + original + head)


@BOTH
def test_Q12_after_a_retry_the_same_hello_must_come(lab, ears, v6):
    for name in NAMES:
        one = conn("fine.test")
        with Client(lab, ears, v6) as c:
            first = whole(one)
            c.passes(first)
            _, source, server = next(h for h in ears.hear() if h[0] == first)
            again = conn(name, dcid=b"SERVERID")
            again.scid, again.token, again.pn = one.scid, b"token", 1
            server.sendto(retry_packet(one.dcid, again.dcid, one.scid), source)
            assert c.answers()
            if name == "fine.test":
                again.ch = one.ch
                c.passes(whole(again))
            else:
                c.held(whole(again))


@BOTH
def test_Q13_coalesced_packets(lab, ears, v6):
    for name in NAMES:
        one = conn(name)
        first = initial(one, b"\1", size=0)
        second = whole(one, size=1200 - len(first))
        early = one.packet(RNG.randbytes(60), 0, kind=quic.ZERO_RTT)
        with Client(lab, ears, v6) as c:
            (c.passes if name == "fine.test" else c.held)(first + second + early)
    a, b = conn("fine.test"), conn("n.block.example")
    with Client(lab, ears, v6) as c:
        c.held(whole(a, size=0) + whole(b))


@BOTH
def test_Q14_early_data_waits_for_its_hello(lab, ears, v6):
    for name in NAMES:
        one = conn(name)
        early = one.packet(RNG.randbytes(300), 0, kind=quic.ZERO_RTT)
        with Client(lab, ears, v6) as c:
            c.held(early)
            (c.passes if name == "fine.test" else c.held)(whole(one))
            (c.passes if name == "fine.test" else c.held)(early)


JUNK = {"noise": lambda: b"\x3f" + RNG.randbytes(100), "like STUN": lambda: bytes.fromhex("000100002112a442") + RNG.randbytes(12),
        "like an Initial": lambda: b"\xc3\0\0\0\1\x08" + RNG.randbytes(8) + b"\0\0\x44\xb0" + RNG.randbytes(1200),
        "an allowed hello": lambda: whole(conn("fine.test")), "an allowed hello, version 2": lambda: whole(conn("fine.test", quic.V2))}


@BOTH
@pytest.mark.parametrize("what", JUNK)
def test_Q15_junk_and_fakes_first(lab, ears, what, v6):
    with Client(lab, ears, v6) as c:
        for _ in range(6):
            c.send(JUNK[what]())
        c.held(whole(conn("n.block.example")))


@BOTH
def test_Q16_another_connection_on_the_same_ports(lab, ears, v6):
    with Client(lab, ears, v6) as c:
        one = conn("fine.test")
        c.passes(whole(one))
        c.passes(b"\x41" + RNG.randbytes(60))
        c.held(whole(conn("n.block.example")))
        c.passes(whole(conn("other.test")), b"\x42" + RNG.randbytes(60))


@BOTH
def test_Q17_short_headers_of_an_unknown_connection(lab, ears, v6):
    """Without a name the policy answers: client2 may not."""
    with Client(lab, ears, v6, "client2") as c:
        c.held(b"\x41" + RNG.randbytes(60))
    with Client(lab, ears, v6) as c:
        c.passes(b"\x41" + RNG.randbytes(60))


@BOTH
def test_Q18_P09_many_datagrams_before_the_first_verdict(lab, ears, v6):
    """They come at once; afterwards the flow is the kernel's."""
    with Client(lab, ears, v6) as c:
        one = conn("fine.test", extra=(tls.ext(0x3333, RNG.randbytes(2500)),))
        c.passes(*pieces(one, 900, 1800, 2600))
        c.passes(b"\x41" + RNG.randbytes(60))
        costs(lab, lambda: c.passes(*[b"\x41" + RNG.randbytes(60) for _ in range(20)]), 0)


@BOTH
@pytest.mark.parametrize("port", [4433, 784])
def test_Q19_other_ports(lab, ears, port, v6):
    with Client(lab, ears, v6, port=port) as c:
        c.passes(whole(conn("fine.test")))
    with Client(lab, ears, v6, port=port) as c:
        c.held(whole(conn("n.block.example")))


@BOTH
def test_Q21_a_datagram_too_small_is_no_hello(lab, ears, v6):
    """No server may take it; it neither opens the way nor goes on."""
    with Client(lab, ears, v6) as c:
        c.held(whole(conn("fine.test"), size=900))
        c.held(whole(conn("n.block.example")))


@BOTH
def test_Q24_a_refusal_closes_at_once(lab, ears, v6):
    """A CONNECTION_CLOSE under the connection's own keys: the client need not wait for a timeout."""
    with Client(lab, ears, v6) as c:
        one = conn("n.block.example")
        c.held(whole(one))
        begin = time.monotonic()
        back = c.answers()
        print(f"closed at most {0.12 + time.monotonic() - begin:.2f} s after its hello")
        assert back and time.monotonic() - begin < labkit.AT_ONCE
        for kind, _, _, _, at, packet in quic.packets(back[0]):
            assert kind == quic.INITIAL and one.initial(packet, at)
        assert one.closed is not None


@BOTH
def test_Q26_a_fixed_bit_of_zero(lab, ears, v6):
    """Only a server that said so takes it; the name is read all the same."""
    with Client(lab, ears, v6) as c:
        c.held(whole(conn("n.block.example"), fixed=0))
    one = conn("n.block.example")
    one.token = b"token"
    with Client(lab, ears, v6) as c:
        c.held(whole(one, fixed=0))


@BOTH
def test_Q27_no_server_name(lab, ears, v6):
    with Client(lab, ears, v6) as c:
        c.passes(whole(conn("", name_extension=b"")))
    with Client(lab, ears, v6, "client2") as c:
        c.held(whole(conn("", name_extension=b"")))
    with Client(lab, ears, v6, "client2") as c:
        c.held(whole(conn("198.51.100.7")))


@BOTH
def test_Q28_ech_as_grease(lab, ears, v6):
    extra = (tls.ext(0xfe0d, b"\0\0\1\0\1\x20\0\x20" + bytes(32) + b"\0\x90" + bytes(144)),)
    with Client(lab, ears, v6) as c:
        c.passes(whole(conn("fine.test", extra=extra)))
    with Client(lab, ears, v6) as c:
        c.held(whole(conn("n.block.example", extra=extra)))


@BOTH
def test_T41_a_dtls_hello_on_an_inspected_port(lab, ears, v6):
    """By address and port, as every UDP flow that is no QUIC."""
    body = b"\xfe\xfd" + bytes(32) + b"\0\0\0\2\x13\1\1\0"
    shake = b"\1" + len(body).to_bytes(3, "big") + b"\0\0\0\0\0" + len(body).to_bytes(3, "big") + body
    with Client(lab, ears, v6) as c:
        c.passes(b"\x16\xfe\xff" + bytes(8) + len(shake).to_bytes(2, "big") + shake)
