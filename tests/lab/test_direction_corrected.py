# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that speak first over UDP, when conntrack has forgotten: it takes them for clients, and their clients' hellos for
answers. Where interfaces or ports do not tell the two apart, the hello itself does."""
import os
import socket
import sys

import pytest

import hello as hellos
import labkit
import peers

sys.path.insert(0, os.path.join(labkit.REPO, "tests", "evade"))
import quic  # noqa: E402

POLICY = """\
timezone UTC
fail closed
for everyone
  block blocked.example
otherwise allow
"""
PATHS = {"one-armed": "client-interfaces lan wan\n", "all-udp": "inspect-udp all-udp\n"}
NAT = (False,)
SHORT = b"\x41" + bytes(60)


def initial(name):
    dcid = os.urandom(8)
    message = hellos.Tls(name).hello[5:]
    keys = quic.initial_keys(dcid, quic.V1, b"client in")
    return quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"", 0, quic.crypto(0, message).ljust(1200, b"\0"))


def bound(lab, space, address, port=0):
    with lab.inside(space):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, port))
    s.settimeout(5)
    return s


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("name,passes", [("fine.test", True), ("half.blocked.example", False)], ids=["allowed", "blocked"])
def test_a_hello_behind_a_server_that_speaks_first(lab, v6, name, passes):
    peers.add_addresses(lab, peers.PEER)
    at = peers.PEER[6 if v6 else 4]
    with bound(lab, "origin", at, 443) as there, bound(lab, "client", labkit.CLIENT[6 if v6 else 4]) as here:
        got = []

        def spoke():
            there.sendto(SHORT, here.getsockname()[:2])
            here.settimeout(0.5)
            try:
                return here.recv(100) == SHORT
            except TimeoutError:
                return False

        def sent():
            here.sendto(initial(name), (at, 443))
            for s in (here, there):
                s.settimeout(0.3)
                try:
                    got.append((s is there, s.recv(2000)))
                except TimeoutError:
                    pass
            return got

        assert labkit.until(spoke)
        assert labkit.until(sent)  # the hello there, or the refusal here
        assert any(arrived for arrived, _ in got) == passes, got
        assert labkit.until(lambda: [e for e in lab.events(name) if e["verdict"] == ("allow" if passes else "block")])


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_other_udp_flows_go_on(lab, v6):
    """Words that begin like a long header, both ways and at any port; HTTP/3 by its name."""
    peers.add_addresses(lab, peers.PEER)
    at = peers.PEER[6 if v6 else 4]
    words = [b"\x80\x60" + bytes(100), b"\xc3" + bytes(1250), b"hello", b"\xff" * 300]
    with bound(lab, "origin", at, 5004) as there, bound(lab, "client", labkit.CLIENT[6 if v6 else 4]) as here:
        for s in (here, there):
            s.settimeout(0.5)

        def echoed(word):
            here.sendto(word, (at, 5004))
            try:
                got, source = there.recvfrom(2000)
                there.sendto(word, source)
                return got == here.recv(2000) == word
            except TimeoutError:
                return False

        for word in words:
            assert labkit.until(lambda w=word: echoed(w)), word[:4]
    lab.curl("https://fine.test/", v6=v6)  # its certificate is made
    assert labkit.until(lambda: lab.quic("fine.test", v6=v6))
    assert not lab.quic("other.blocked.example", v6=v6, timeout=2)
