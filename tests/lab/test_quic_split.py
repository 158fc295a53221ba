# SPDX-License-Identifier: GPL-3.0-or-later
"""Hellos of QUIC in several datagrams: none of them is with a server before the whole is there and allowed, for a server may
know its connections by their IDs and take the other half from any port."""
import os
import socket
import sys

import pytest

import hello
import labkit
import peers

sys.path.append(os.path.join(labkit.REPO, "tests", "evade"))
import quic  # noqa: E402 (a test's own folder)

NAT = (False, True)
PATH = "N"
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block tracker.example
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def halves(name, dcid):
    message = hello.handshake(hello.Tls(name).hello)
    at = message.index(name.encode()) + 4
    keys = quic.initial_keys(dcid, quic.V1, b"client in")
    return [quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"abcd", n, quic.crypto(a, message[a:b]).ljust(1180, b"\0"))
            for n, (a, b) in enumerate([(0, at), (at, len(message))])]


class Ends:
    """Some UDP ports of the client's, and one of the origin's that answers nothing and keeps what came."""

    def __init__(self, lab, v6, ports=2):
        kind, at = (socket.AF_INET6, peers.PEER[6]) if v6 else (socket.AF_INET, peers.PEER[4])
        peers.add_addresses(lab, peers.PEER)
        with lab.inside("origin"):
            self.server = socket.socket(kind, socket.SOCK_DGRAM)
            self.server.bind((at, 443))
        with lab.inside("client"):
            self.ports = [socket.socket(kind, socket.SOCK_DGRAM) for _ in range(ports)]
        for s in self.ports:
            s.connect((at, 443))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self.server, *self.ports):
            s.close()

    def came(self, want=None):
        """What came, in order, with its source: so many datagrams, or all that come before a moment of silence."""
        out = []
        self.server.settimeout(labkit.PATIENCE if want else 1)
        while len(out) != want:
            try:
                out.append(self.server.recvfrom(65535))
            except socket.timeout:
                break
        return out


def one_port(came, datagrams):
    assert [d for d, _ in came] == datagrams
    assert len({source for _, source in came}) == 1  # behind NAT, too


@BOTH
@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "turned"])
def test_halves_by_two_ports_reach_nobody(lab, v6, turn):
    for name in ("halves.tracker.example", "halves.fine.test"):
        with Ends(lab, v6) as ends:
            for s, d in zip(ends.ports, halves(name, os.urandom(8))[::turn]):
                s.send(d)
            assert ends.came() == []


@BOTH
@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "turned"])
def test_halves_by_one_port_go_on_together(lab, v6, turn):
    with Ends(lab, v6, 1) as ends:
        both = halves("one.fine.test", os.urandom(8))[::turn]
        for d in both:
            ends.ports[0].send(d)
        one_port(ends.came(2), both)
    with Ends(lab, v6, 1) as ends:
        for d in halves("one.tracker.example", os.urandom(8))[::turn]:
            ends.ports[0].send(d)
        assert ends.came() == []
    assert labkit.until(lambda: [e for e in lab.events('"one.tracker.example"') if e["verdict"] == "block"])


@BOTH
def test_a_half_waits_for_one_that_was_lost(lab, v6):
    """The client sends it again a second later, and all of it still later."""
    with Ends(lab, v6, 1) as ends:
        first, second = halves("lost.fine.test", os.urandom(8))
        ends.ports[0].send(first)
        assert ends.came() == []
        ends.ports[0].send(second)
        one_port(ends.came(2), [first, second])
    with Ends(lab, v6, 1) as ends:
        first, second = halves("late.fine.test", os.urandom(8))
        ends.ports[0].send(first)
        assert sum((ends.came() for _ in range(5)), []) == []  # it is dropped meanwhile
        ends.ports[0].send(second)
        ends.ports[0].send(first)
        one_port(ends.came(2), [second, first])


@BOTH
def test_a_connection_that_began_on_another_port(lab, v6):
    """An Initial to the ID that the server chose, with the keys of the first: a second hello may be in it."""
    with Ends(lab, v6) as ends:
        dcid = os.urandom(8)
        both = halves("elsewhere.fine.test", dcid)
        for d in both:
            ends.ports[0].send(d)
        one_port(ends.came(2), both)
        keys = quic.initial_keys(dcid, quic.V1, b"client in")
        for kind in (quic.INITIAL, quic.HANDSHAKE):
            ends.ports[1].send(quic.seal(keys, quic.V1, kind, os.urandom(8), b"abcd", 5, quic.crypto(400, bytes(50)).ljust(1180, b"\0")))
        assert ends.came() == []
    assert labkit.until(lambda: [e for e in lab.events("mid-stream") if e["verdict"] == "block"])


def test_a_dataplane_that_waits_does_not_hang(lab):
    """Datagrams that wait in its queue, for as long as they may: the watchdog leaves it alone."""
    before = lab.processes()
    with Ends(lab, False, 8) as ends:
        for _ in range(4):
            for s in ends.ports:
                s.send(halves("waits.fine.test", os.urandom(8))[0])
            assert ends.came() == []
    assert lab.processes() == before
