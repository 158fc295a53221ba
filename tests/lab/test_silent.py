# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections on which nobody speaks, as browsers keep some in spare: no row tells of one until somebody does.
"""
import socket
import time

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
for client2
  no-name block
for everyone
  block block.example
otherwise allow
device client2 mac 00:00:5e:00:53:03
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def connect(lab, v6, space="client"):
    with lab.inside(space):
        return socket.create_connection((peers.PEER[6 if v6 else 4], 80), timeout=labkit.PATIENCE)


def rows(lab, port):
    return [e for e in lab.events() if e["sport"] == port]


@BOTH
def test_a_spare_connection_is_no_row(lab, v6):
    with peers.Peer(lab, 80) as peer:
        with connect(lab, v6) as s:
            port = s.getsockname()[1]
            assert labkit.until(lambda: len(peer.connections) == 1)  # the proxy has given up waiting, too
            time.sleep(0.5)
        assert labkit.until(lambda: peer.connections[0].end)
        with connect(lab, v6) as marker:  # what is recorded of a later one is there
            marker.sendall(b"GET / HTTP/1.1\r\nHost: marker.allow.example\r\n\r\n")
            assert labkit.until(lambda: rows(lab, marker.getsockname()[1]))
        assert rows(lab, port) == []


@BOTH
def test_one_that_is_used_after_all_is_one_row(lab, v6):
    with peers.Peer(lab, 80) as peer, connect(lab, v6) as s:
        assert labkit.until(lambda: len(peer.connections) == 1)
        time.sleep(0.5)
        s.sendall(b"GET / HTTP/1.1\r\nHost: spare.allow.example\r\n\r\n")
        assert labkit.until(lambda: b"spare.allow" in peer.heard())
        assert labkit.until(lambda: rows(lab, s.getsockname()[1]))
        assert [(e["name"], e["anomaly"]) for e in rows(lab, s.getsockname()[1]) if e["duration_ms"] is None] == [("spare.allow.example", None)]


@BOTH
def test_a_server_that_speaks_first_is_told_of(lab, v6):
    def talk(c):
        time.sleep(1)
        c.sock.sendall(b"220 hello\r\n")
        c.hear()

    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        assert s.recv(100) == b"220 hello\r\n"
        assert labkit.until(lambda: [e for e in rows(lab, s.getsockname()[1]) if e["anomaly"] == "server-first" and e["verdict"] == "allow"])


@BOTH
def test_where_it_is_refused_the_row_says_why(lab, v6):
    """Only the proxy ends one that nobody has spoken on; on the inspect path the server's first word does."""
    def talk(c):
        time.sleep(1)
        c.sock.sendall(b"220 hello\r\n")
        c.hear()

    with peers.Peer(lab, 80, talk), connect(lab, v6, "client2") as s:
        with pytest.raises(ConnectionResetError):
            s.recv(100)
        odd = "silent" if lab.path == "T" else "server-first"
        port = s.getsockname()[1]
        assert labkit.until(lambda: [e for e in rows(lab, port) if e["anomaly"] == odd and e["verdict"] == "block"])
