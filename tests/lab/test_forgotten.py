# SPDX-License-Identifier: GPL-3.0-or-later
"""`fail open`, and connections that conntrack forgot while the dataplane did not: what is older than the dataplane passes, these are
not. A client can make conntrack forget (a RST that dies behind the gateway, ten seconds); here conntrack -D does."""
import pytest

import labkit
import peers
from rawtcp import Wire, hello

PATH = "N"
POLICY = """\
timezone UTC
fail open
for everyone
  block blocked.example
otherwise allow
"""
SETTINGS = "inspect-tcp 443 8443\n"
V6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@pytest.fixture(scope="module")
def peer(lab):
    with peers.Peer(lab, 8443) as one:
        yield one


def forget(lab, w):
    lab.exec("gateway", ["conntrack", "-D", "-f", "ipv6" if w.v6 else "ipv4", "-p", "tcp", "--orig-port-src", str(w.sport)],
             check=True)


def connected(lab, peer, v6):
    before = len(peer.connections)
    w = Wire(lab, v6, port=8443, address=peers.PEER[6 if v6 else 4])
    w.__enter__()
    w.connect()
    assert labkit.until(lambda: len(peer.connections) == before + 1)
    return w, peer.connections[-1]


@V6
def test_P29_a_client_that_comes_back_in_mid_stream(lab, peer, v6):
    w, there = connected(lab, peer, v6)
    try:
        forget(lab, w)
        w.send(hello("blocked.example"))
        assert w.answer() in ("reset", "alert")
        assert there.data == b""
    finally:
        w.__exit__()


@V6
def test_P29_a_server_that_speaks_first_then(lab, peer, v6):
    """conntrack takes it for a client: the real client's words would be its answers."""
    w, there = connected(lab, peer, v6)
    try:
        forget(lab, w)
        there.sock.sendall(b"220 words\r\n")
        w.answer(1)
        w.send(hello("blocked.example"))
        w.answer(1)
        assert there.data == b""
    finally:
        w.__exit__()
