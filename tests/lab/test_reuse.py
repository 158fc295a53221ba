# SPDX-License-Identifier: GPL-3.0-or-later
"""What one connection won must not serve another: the same tuple and numbers again, a connection that the kernel's
tracking forgot and takes up again the wrong way round.
"""
import contextlib
import socket
import time

import pytest

import labkit
import peers
import rawtcp

NAT = (False, True)
POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
HELLO = rawtcp.hello("a.allow.example")
AT = HELLO.index(b"\0\x2b\0") + 5
OLD = HELLO[:AT] + b"\3\1" * (HELLO[AT - 1] // 2) + HELLO[AT + HELLO[AT - 1]:]  # versions that nobody speaks
FIRST = {"answered": HELLO, "refused-by-the-server": OLD}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@BOTH
@pytest.mark.parametrize("other", [0, 77], ids=["same-number", "other-number"])
@pytest.mark.parametrize("first", FIRST)
def test_a_tuple_used_again(lab, v6, other, first):
    with rawtcp.Wire(lab, v6=v6) as w:
        isn, sport = w.isn, w.sport
        w.connect().send(FIRST[first])
        assert w.answer() not in ("reset", None)
        time.sleep(0.3)
        w.send(b"", flags=rawtcp.RST | rawtcp.ACK, at=w.end)
        w.segments.clear()
        w.isn, w.end = isn + other, 0
        w.connect().send(rawtcp.hello("again.block.example"))
        assert w.answer(2) != "hello"
    assert sport == w.sport
    assert not [e for e in lab.events("again.block.example") if e.get("verdict") == "allow"]


@contextlib.contextmanager
def prober(lab, v6):
    """A server that has its kernel probe silent clients after two seconds."""
    peers.add_addresses(lab, peers.PEER)
    with lab.inside("origin"):
        listener = socket.create_server((peers.PEER[6 if v6 else 4], 443),
                                        family=socket.AF_INET6 if v6 else socket.AF_INET)
    for option, value in ((socket.TCP_KEEPIDLE, 3), (socket.TCP_KEEPINTVL, 3)):
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.settimeout(labkit.PATIENCE)
    with listener:
        yield listener


@BOTH
def test_taken_up_the_wrong_way_round(lab, v6):
    """A RST that dies at the gateway's next hop ends the connection for its tracking only; what the server says next
    would make the server the client of a new one."""
    lab.exec("gateway", ["sh", "-c", "echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close"], check=True)
    peers_address = peers.PEER[6 if v6 else 4]
    with prober(lab, v6) as listener, rawtcp.Wire(lab, v6=v6, address=peers_address) as w:
        w.connect()
        server, _ = listener.accept()
        with server:
            w.send(b"", flags=rawtcp.RST, ttl=1)
            w.wait(lambda s: False, 4.5)  # the server's probe passes, and passes the dataplane, here
            data = rawtcp.hello("wrong.block.example")
            for _ in range(3):
                w.send(data)
                w.wait(lambda s: s.payload or s.flags & rawtcp.RST, 0.4)
            server.settimeout(0.5)
            got = b""
            with contextlib.suppress(OSError):
                got = server.recv(4096)
    assert b"wrong.block" not in got



@BOTH
def test_a_forgotten_udp_server_waits_for_its_client(lab, v6):
    lab.exec("gateway", ["sh", "-c", "for f in /proc/sys/net/netfilter/nf_conntrack_udp_timeout*; do echo 1 >$f; done"],
             check=True)
    peers.add_addresses(lab, peers.PEER)
    family, server, client = socket.AF_INET6 if v6 else socket.AF_INET, None, None
    with lab.inside("origin"):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((peers.PEER[6 if v6 else 4], 443))
    with lab.inside("client"):
        client = socket.socket(family, socket.SOCK_DGRAM)
        client.connect((peers.PEER[6 if v6 else 4], 443))
    with server, client:
        server.settimeout(2)
        client.settimeout(1)

        def exchange(word, answer):
            """The client's word, the server's answer while the gateway still knows of it: for a second."""
            client.send(word)
            with contextlib.suppress(TimeoutError):
                source = server.recvfrom(99)[1]
                server.sendto(answer, source)
                if client.recv(99) == answer:
                    return source
            return None

        source = labkit.until(lambda: exchange(b"\x01 a word", b"\x01 its answer"))
        assert source
        time.sleep(2.5)
        server.sendto(b"\x01 late", source)
        with pytest.raises(TimeoutError):
            client.recv(99)
        assert labkit.until(lambda: exchange(b"\x01 a word", b"\x01 in time"))
