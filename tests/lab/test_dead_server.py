# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is not there: on the inspect path the client notices itself and tries the next address; on the proxy path, which
accepts before the server has answered, it is told as soon as we know.
"""
import contextlib
import time

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@contextlib.contextmanager
def silent(lab, v6):
    """Nobody answers at the peers' address of this family."""
    tool, at = ("ip6tables" if v6 else "iptables"), peers.PEER[6 if v6 else 4]
    rule = ["INPUT", "-d", at, "-p", "tcp", "--dport", "80", "-j", "DROP"]
    lab.exec("origin", [tool, "-w", "-A", *rule], check=True)
    try:
        yield
    finally:
        lab.exec("origin", [tool, "-w", "-D", *rule], check=True)


def answer(connection):
    connection.hear(1)
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    connection.hear()


def resolved(*addresses):
    return ("--resolve", "both.allow.example:80:" + ",".join(f"[{a}]" if ":" in a else a for a in addresses))


@BOTH
def test_a_closed_port_is_told_at_once(lab, v6):
    peers.add_addresses(lab, peers.PEER)
    took = labkit.at_once(lambda: lab.curl("http://both.allow.example/", *resolved(peers.PEER[6 if v6 else 4]), v6=v6).seconds, 1)
    print(f"{took * 1000:.0f} ms")


def test_a_client_with_two_addresses(lab):
    """curl tries IPv4 after 200 ms without an answer by IPv6; not where somebody, we that is, has answered."""
    with peers.Peer(lab, 80, answer), silent(lab, True):
        begun = time.monotonic()
        done = lab.exec("client", ["curl", "-sS", "-m", "25", *resolved(peers.PEER[6], peers.PEER[4]), "http://both.allow.example/"])
        took = time.monotonic() - begun
    print(f"curl exit {done.returncode} after {took:.1f} s")
    if lab.path == "N":
        assert done.stdout == b"ok" and took < labkit.AT_ONCE
    else:
        assert done.returncode in (52, 56) and 5 < took < 20, done.stderr


@BOTH
def test_a_silent_server_ends_in_a_reset(lab, v6):
    with peers.Peer(lab, 80, answer), silent(lab, v6):
        begun = time.monotonic()
        reply = lab.curl("http://both.allow.example/", *resolved(peers.PEER[6 if v6 else 4]), v6=v6, timeout=15)
        took = time.monotonic() - begun
    if lab.path == "T":
        assert reply.exit in (52, 56) and took < 20, reply
    else:
        assert reply.exit == 28
