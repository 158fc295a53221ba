# SPDX-License-Identifier: GPL-3.0-or-later
"""P05: several datagrams of one sender handed over as one (UDP GSO), as a container or a virtual machine's host does."""
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
SIZE = 1250
UDP_SEGMENT = 103  # linux/udp.h
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def initials(name, dcid, cuts=(), first=0):
    """Datagrams of SIZE bytes that carry the hello for this name, each with zero bytes behind its packet."""
    message = hello.handshake(hello.Tls(name).hello)
    keys, edges = quic.initial_keys(dcid, quic.V1, b"client in"), [0, *cuts, len(message)]
    out = []
    for n, (a, b) in enumerate(zip(edges, edges[1:])):
        frames = quic.crypto(a, message[a:b]).ljust(900, b"\0")
        out.append(quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"abcd", first + n, frames).ljust(SIZE, b"\0"))
    return out


class Ends:
    """A UDP socket of the client's, and one of the origin's that answers nothing and keeps what came."""

    def __init__(self, lab, v6):
        kind, at = (socket.AF_INET6, peers.PEER[6]) if v6 else (socket.AF_INET, peers.PEER[4])
        peers.add_addresses(lab, peers.PEER)
        with lab.inside("origin"):
            self.server = socket.socket(kind, socket.SOCK_DGRAM)
            self.server.bind((at, 443))
        with lab.inside("client"):
            self.client = socket.socket(kind, socket.SOCK_DGRAM)
        self.client.connect((at, 443))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.client.close()

    def send(self, *datagrams):
        """All at once: the kernel is told where to cut."""
        self.client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        self.client.send(b"".join(datagrams))

    def came(self, want=None):
        """What came, in order: so many datagrams, or all that come before a moment of silence."""
        out = []
        self.server.settimeout(labkit.PATIENCE if want else 0.7)
        while len(out) != want:
            try:
                out.append(self.server.recv(65535))
            except socket.timeout:
                break
        return out


@BOTH
def test_P05_a_hello_in_one_super_packet(lab, v6):
    with Ends(lab, v6) as ends:
        good = initials("two.fine.test", os.urandom(8), cuts=(100,))
        ends.send(*good)
        assert ends.came(len(good)) == good
    with Ends(lab, v6) as ends:
        ends.send(*initials("two.tracker.example", os.urandom(8), cuts=(100,)))
        assert ends.came() == []
    assert labkit.until(lambda: [e for e in lab.events('"two.tracker.example"') if e["verdict"] == "block"])


@BOTH
def test_P05_Q16_a_second_hello_behind_a_short_header(lab, v6):
    """On the ports of an allowed connection: short headers pass in the kernel, but not with a long one behind them."""
    with Ends(lab, v6) as ends:
        good = initials("short.fine.test", os.urandom(8))
        ends.send(*good)
        assert ends.came(len(good)) == good
        short = b"\x40" + os.urandom(SIZE - 1)
        ends.send(short, short)
        assert ends.came(2) == [short, short]
        ends.send(short, *initials("short.tracker.example", os.urandom(8)))
        assert ends.came() == []
    assert labkit.until(lambda: [e for e in lab.events('"short.tracker.example"') if e["verdict"] == "block"])
