# SPDX-License-Identifier: GPL-3.0-or-later
"""Data in a SYN (TCP Fast Open, with a cookie, with none, without the option), to servers that take it from anybody: on
judged ports it stays behind, and the client sends it again at once.
"""
import itertools
import random
import socket
import struct
import time

import pytest

import forge
import labkit
import peers
import rawtcp

POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp none\nproxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
FREE = 8099  # judged by nobody
FORMS = {"no-option": b"", "no-cookie": b"\x22\2", "cookie": b"\x22\x0aabcdefgh", "experiment": b"\xfe\4\xf9\x89",
         "timestamps": b"\x08\x0a" + struct.pack("!II", 77, 0) + b"\x22\2"}
TCP_FASTOPEN, TCP_FASTOPEN_NO_COOKIE, MSG_FASTOPEN = 23, 34, 0x20000000
_number = itertools.count(1)


@pytest.fixture(name="servers", scope="module")
def servers_fixture(lab):
    """They take data in SYNs, whoever sends it."""
    lab.exec("origin", ["sysctl", "-qw", "net.ipv4.tcp_fastopen=0x602"], check=True)
    lab.exec("client", ["sysctl", "-qw", "net.ipv4.tcp_fastopen=0x5"], check=True)
    forge.mute(lab)
    servers = {port: peers.Peer(lab, port, say_and_hear) for port in (25, 80, 443, FREE)}
    for s in servers.values():
        for listener in s.listeners:
            listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 64)
    yield servers
    for s in servers.values():
        s.close()


@pytest.fixture
def inspected():
    """Marks a test of packets: on the proxy path the kernel reads the connection."""


def say_and_hear(connection):
    """Answers the first bytes with their number."""
    connection.hear(1)
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nheard")
    connection.hear()


def words(port, name):
    if port == 25:
        return b"EHLO me\r\nSTARTTLS\r\n" + rawtcp.hello(name)
    return rawtcp.hello(name) if port == 443 else f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


def syn_with(lab, port, options, data, v6):
    """What of the data the server's SYN-ACK acknowledges."""
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4], port) as raw:
        first = random.randrange(1 << 32)
        segment = forge.tcp_segment(raw.src, raw.dst, raw.sport, port, first, 0, forge.SYN, data,
                                    struct.pack("!BBH", 2, 4, 1440) + options)
        acked = []
        raw._hear = lambda seq, flags, opts, payload: None  # pylint: disable=protected-access

        def take(packet):
            at = 40 if raw.v6 else (packet[0] & 15) * 4
            if packet[6 if raw.v6 else 9] == 6 and struct.unpack_from("!HH", packet, at) == (port, raw.sport):
                ack, flags = struct.unpack_from("!I", packet, at + 8)[0], packet[at + 13]
                if flags & forge.SYN:
                    acked.append((ack - first - 1) & 0xffffffff)

        raw._take = take  # pylint: disable=protected-access
        for _ in range(5):
            raw.emit(forge.ip_header(raw.src, raw.dst, 6, segment, 64))
            if raw.poll(labkit.PATIENCE / 5, lambda: acked):
                break
        raw.first = first + 1
        assert acked, "no answer"
        return acked[0]


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_the_servers_take_it(lab, servers, form, v6):
    """Where nobody judges it reaches the server: so the others show something."""
    data = words(80, f"n{next(_number)}.free.example")
    assert syn_with(lab, FREE, FORMS[form], data, v6) == len(data)
    assert labkit.until(lambda: data in servers[FREE].heard())


@BOTH
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("port", [80, 443, 25])
def test_T46_P14_it_stays_behind(lab, servers, port, form, v6):
    name = f"n{next(_number)}.block.example"
    assert syn_with(lab, port, FORMS[form], words(port, name), v6) == 0
    time.sleep(0.2)
    assert name.encode() not in servers[port].heard()


@BOTH
@pytest.mark.parametrize("port", [80, 443])
def test_a_client_that_tries_is_served_at_once(lab, servers, port, v6):
    """Its kernel sends the data again when the answer does not acknowledge it."""
    def fetch():
        name = f"n{next(_number)}.allow.example"
        begun = time.monotonic()
        with lab.inside("client"):
            sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        with sock:
            sock.settimeout(labkit.PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
            data = words(port, name)
            sock.sendto(data, MSG_FASTOPEN, (peers.PEER[6 if v6 else 4], port))
            assert b"heard" in sock.recv(4096)
            took = time.monotonic() - begun
        assert labkit.until(lambda: data in servers[port].heard())
        assert labkit.until(lambda: lab.events(name))
        return took

    took = labkit.at_once(fetch, 0.5)
    print(f"served in {took * 1000:.1f} ms")


@BOTH
@pytest.mark.parametrize("port", [80, 443])
def test_a_client_that_tries_is_refused(lab, servers, port, v6):
    name = f"n{next(_number)}.block.example"
    with lab.inside("client"):
        sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    with sock:
        sock.settimeout(labkit.PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
        sock.sendto(words(port, name), MSG_FASTOPEN, (peers.PEER[6 if v6 else 4], port))
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 403" if port == 80 else b"\x15\3")
    assert labkit.until(lambda: [e for e in lab.events(name) if e["verdict"] == "block"])
    assert name.encode() not in servers[port].heard()


@BOTH
@pytest.mark.parametrize("same", [True, False], ids=["same-number", "other-number"])
def test_P14_one_amid_a_connection_changes_nothing(lab, inspected, same, v6):
    """Half a hello, a SYN with data that would have its beginning forgotten, the other half."""
    name = f"n{next(_number)}.block.example"
    data = rawtcp.hello(name)
    half = data.index(name.encode()) + 4
    with peers.Peer(lab, 443, at=peers.PEER8) as server, rawtcp.Wire(lab, v6, port=443, address=peers.PEER8[6 if v6 else 4]) as w:
        w.connect()
        w.send(data[:half])
        for _ in range(3):
            w.send(b"x", flags=rawtcp.SYN, seq=w.isn if same else w.isn + 7, ack=0)
        w.send(data[half:], at=half)
        time.sleep(0.3)
        w.send(b"x", flags=rawtcp.SYN, seq=w.isn if same else w.isn + 7, ack=0)
        w.send(data[half:], at=half)
        time.sleep(0.3)
        assert data[half:] not in server.heard()
    assert labkit.until(lambda: [e for e in lab.events(name) if e["verdict"] == "block"])
