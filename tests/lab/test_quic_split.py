# SPDX-License-Identifier: GPL-3.0-or-later
"""Hellos of QUIC in several datagrams: none of them is with a server before the whole is there and allowed, for a server may
know its connections by their IDs and take the other half from any port."""
import os

import pytest

import hello
from quicends import BOTH, POLICY, Ends, quic  # noqa: F401 pylint: disable=unused-import (the lab's POLICY)

LONG = True
NAT = (False, True)
PATH = "N"


def halves(name, dcid):
    message = hello.handshake(hello.Tls(name).hello)
    at = message.index(name.encode()) + 4
    keys = quic.initial_keys(dcid, quic.V1, b"client in")
    return [quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"abcd", n, quic.crypto(a, message[a:b]).ljust(1180, b"\0"))
            for n, (a, b) in enumerate([(0, at), (at, len(message))])]


@BOTH
@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "turned"])
def test_halves_by_two_ports_reach_nobody(lab, v6, turn):
    for name in ("halves.tracker.example", "halves.fine.test"):
        with Ends(lab, v6, 2) as ends:
            for port, d in enumerate(halves(name, os.urandom(8))[::turn]):
                ends.send(d, port=port)
            assert ends.came() == []


@BOTH
@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "turned"])
def test_halves_by_one_port_go_on_together(lab, v6, turn):
    with Ends(lab, v6) as ends:
        ends.passes(*halves("one.fine.test", os.urandom(8))[::turn])
    with Ends(lab, v6) as ends:
        name = f"one-{turn % 3}-{v6:d}.tracker.example"
        ends.refused(f'"{name}"', *halves(name, os.urandom(8))[::turn])


@BOTH
def test_a_half_waits_for_one_that_was_lost(lab, v6):
    """The client sends it again a second later, and all of it still later."""
    with Ends(lab, v6) as ends:
        first, second = halves("lost.fine.test", os.urandom(8))
        ends.send(first)
        assert ends.came() == []
        ends.passes(first, second, begin=[second])
    with Ends(lab, v6) as ends:
        first, second = halves("late.fine.test", os.urandom(8))
        ends.send(first)
        assert sum((ends.came() for _ in range(5)), []) == []  # it is dropped meanwhile
        ends.passes(second, first)


@BOTH
def test_a_connection_that_began_on_another_port(lab, v6):
    """An Initial to the ID that the server chose, with the keys of the first: a second hello may be in it."""
    with Ends(lab, v6, 2) as ends:
        dcid = os.urandom(8)
        ends.passes(*halves("elsewhere.fine.test", dcid))
        keys = quic.initial_keys(dcid, quic.V1, b"client in")
        frames = quic.crypto(400, bytes(50)).ljust(1180, b"\0")
        ends.refused("mid-stream", *(quic.seal(keys, quic.V1, kind, os.urandom(8), b"abcd", 5, frames)
                                     for kind in (quic.INITIAL, quic.HANDSHAKE)),
                     send=lambda *d: ends.send(*d, port=1))


def test_a_dataplane_that_waits_does_not_hang(lab):
    """Datagrams that wait in its queue, for as long as they may: the watchdog leaves it alone."""
    before = lab.processes()
    with Ends(lab, False, 8) as ends:
        for _ in range(4):
            for port in range(8):
                ends.send(halves("waits.fine.test", os.urandom(8))[0], port=port)
            assert ends.came() == []
    assert lab.processes() == before
