# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of QUIC by hand: UDP ports of the client's, and one of the origin's that answers nothing and keeps what came.

A datagram may get lost on a busy machine, and with it all that a dataplane held that was replaced: what should arrive is sent
again each second, as every client of QUIC does, and only what nobody may see is sent once.
"""
import contextlib
import os
import socket
import sys
import time

import pytest

import labkit
import peers

sys.path.append(os.path.join(labkit.REPO, "tests", "evade"))
import quic  # noqa: E402,F401 pylint: disable=unused-import (a test's own folder; the tests take it from here)

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block tracker.example
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
AGAIN = 1  # second


class Ends:
    """Owns: the sockets. send(*datagrams, port=n) is by the client's port number n."""

    def __init__(self, lab, v6, ports=1):
        kind, at = (socket.AF_INET6, peers.PEER[6]) if v6 else (socket.AF_INET, peers.PEER[4])
        peers.add_addresses(lab, peers.PEER)
        self.lab, self.known = lab, set()
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

    def send(self, *datagrams, port=0):
        for d in datagrams:
            self.ports[port].send(d)

    def _hear(self, seconds):
        """The next datagram and its source, None after that many seconds."""
        self.server.settimeout(seconds)
        try:
            return self.server.recvfrom(65535)
        except socket.timeout:
            return None

    def came(self):
        """What comes before a second of silence; no copy of what should come and has."""
        out = []
        while got := self._hear(1):
            out += [got[0]] * (got[0] not in self.known)
        return out

    def passes(self, *datagrams, begin=None, send=None):
        """All of these arrive from one port (behind NAT, too), in this order unless they had to be sent again. `begin`: what
        the client says first, where it has said the rest before."""
        say, first, sources, rounds = send or self.send, {}, set(), 0
        end = time.monotonic() + labkit.PATIENCE
        while len(first) < len(datagrams) and time.monotonic() < end:
            say(*(datagrams if begin is None or rounds else begin))
            rounds += 1
            again = time.monotonic() + AGAIN
            while len(first) < len(datagrams) and (left := again - time.monotonic()) > 0 and (got := self._hear(left)):
                first.setdefault(*got)
                sources.add(got[1])
        self.known.update(datagrams)
        if rounds == 1:
            assert list(first) == list(datagrams)
        assert sorted(first) == sorted(datagrams) and len(sources) == 1

    def refused(self, name, *datagrams, send=None):
        """They are recorded as blocked for this name, and none of them arrives."""
        recorded = lambda: [e for e in self.lab.events(name) if e["verdict"] == "block"]  # noqa: E731
        end, seen = time.monotonic() + labkit.PATIENCE, []
        while not seen and time.monotonic() < end:
            with contextlib.suppress(ConnectionError):  # the answer to the one before may be ICMP's
                (send or self.send)(*datagrams)
            seen = labkit.until(recorded, AGAIN)
        assert seen and self.came() == []
