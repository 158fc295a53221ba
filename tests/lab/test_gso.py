# SPDX-License-Identifier: GPL-3.0-or-later
"""P05: several datagrams of one sender handed over as one (UDP GSO), as a container or a virtual machine's host does."""
import os
import socket

import hello
from quicends import BOTH, POLICY, Ends, quic  # noqa: F401 pylint: disable=unused-import (the lab's POLICY)

NAT = (False, True)
PATH = "N"
SIZE = 1250
UDP_SEGMENT = 103  # linux/udp.h


def initials(name, dcid, cuts=(), first=0):
    """Datagrams of SIZE bytes that carry the hello for this name, each with zero bytes behind its packet."""
    message = hello.handshake(hello.Tls(name).hello)
    keys, edges = quic.initial_keys(dcid, quic.V1, b"client in"), [0, *cuts, len(message)]
    out = []
    for n, (a, b) in enumerate(zip(edges, edges[1:])):
        frames = quic.crypto(a, message[a:b]).ljust(900, b"\0")
        out.append(quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"abcd", first + n, frames).ljust(SIZE, b"\0"))
    return out


class AsOne(Ends):
    def send(self, *datagrams, port=0):
        """All at once: the kernel is told where to cut."""
        self.ports[port].setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        self.ports[port].send(b"".join(datagrams))


def shorts(n):
    return [b"\x40" + os.urandom(SIZE - 1) for _ in range(n)]


@BOTH
def test_P05_a_hello_in_one_super_packet(lab, v6):
    with AsOne(lab, v6) as ends:
        ends.passes(*initials("two.fine.test", os.urandom(8), cuts=(100,)))
    with AsOne(lab, v6) as ends:
        name = f"two-{v6:d}.tracker.example"
        ends.refused(f'"{name}"', *initials(name, os.urandom(8), cuts=(100,)))


@BOTH
def test_P05_Q16_a_second_hello_behind_a_short_header(lab, v6):
    """On the ports of an allowed connection: short headers pass in the kernel, but not with a long one behind them."""
    with AsOne(lab, v6) as ends:
        ends.passes(*initials("short.fine.test", os.urandom(8)))
        ends.passes(*shorts(2))
        name = f"short-{v6:d}.tracker.example"
        ends.refused(f'"{name}"', *shorts(1), *initials(name, os.urandom(8)))
