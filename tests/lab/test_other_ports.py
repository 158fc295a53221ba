# SPDX-License-Identifier: GPL-3.0-or-later
"""Every other flow, any port and protocol: judged at its first packet; and a path with a smaller MTU."""
import os
import socket
import struct
import time

import pytest

import labkit
import peers

PATH = "N"
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for everyone
  block port tcp/25 udp/9999
  block net 198.51.100.6 2001:db8:2::6
for two
  allow =fine.test
  block everything
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
NET6 = {4: "198.51.100.6", 6: "2001:db8:2::6"}


def family(v6):
    return 6 if v6 else 4


def tcp(lab, address, port, space="client"):
    """("open" | the error's name, seconds)"""
    with lab.inside(space):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(labkit.PATIENCE)
    begin = time.monotonic()
    try:
        with s:
            s.connect((address, port))
            word = "open"
    except OSError as e:
        word = type(e).__name__ if not e.errno else os.strerror(e.errno)
    return word, time.monotonic() - begin


def udp(lab, address, port, payload=b"hello", space="client"):
    """("answered" | the error's name | "silence", seconds). Asks again, as who speaks UDP must."""
    with lab.inside(space):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    begin = time.monotonic()
    with s:
        s.connect((address, port))
        for wait in (0.1, 0.5, 1, 2, 4, 8):
            s.settimeout(wait)
            try:
                s.send(payload)
                s.recv(2000)
                return "answered", time.monotonic() - begin
            except socket.timeout:
                pass
            except OSError as e:
                return os.strerror(e.errno), time.monotonic() - begin
    return "silence", time.monotonic() - begin


class Echo:
    """UDP echo on these ports of both of an address pair."""

    def __init__(self, lab, at, ports):
        self.socks, self.heard = [], []
        import threading
        with lab.inside("origin"):
            for kind, address in ((socket.AF_INET, at[4]), (socket.AF_INET6, at[6])):
                for port in ports:
                    s = socket.socket(kind, socket.SOCK_DGRAM)
                    s.bind((address, port))
                    self.socks.append(s)
        for s in self.socks:
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        while True:
            try:
                data, source = s.recvfrom(2000)
                self.heard.append((s.getsockname()[1], data))
                s.sendto(data, source)
            except OSError:
                return

    def close(self):
        for s in self.socks:
            s.close()


@pytest.fixture(scope="module")
def servers(lab):
    peers.add_addresses(lab, peers.PEER)
    opened = [peers.Peer(lab, p) for p in (22, 25, 853, 8080)]
    opened += [peers.Peer(lab, 22, at=NET6)]
    opened += [Echo(lab, peers.PEER, (53, 9999, 51820, 40000)), Echo(lab, NET6, (51820,))]
    yield opened
    for s in opened:
        s.close()


@BOTH
def test_tcp(lab, servers, v6):
    at = peers.PEER[family(v6)]
    for server in (servers[0], *servers[2:4]):
        server.connections.clear()
        assert tcp(lab, at, server.port)[0] == "open"
        assert labkit.until(lambda s=server: s.connections)  # or the next test would think it its own
    word, took = tcp(lab, at, 25)
    print(f"tcp/25: {word} after {took * 1000:.0f} ms")
    assert word in ("Connection refused", "No route to host", "Network is unreachable", "Permission denied") and took < labkit.AT_ONCE
    assert not servers[1].connections


@BOTH
def test_udp(lab, servers, v6):
    at = peers.PEER[family(v6)]
    for port in (53, 51820, 40000):
        assert udp(lab, at, port)[0] == "answered", port
    word, took = udp(lab, at, 9999)
    print(f"udp/9999: {word} after {took * 1000:.0f} ms")
    assert word not in ("answered", "silence") and took < labkit.AT_ONCE
    assert not [h for h in servers[5].heard if h[0] == 9999]


@BOTH
def test_a_blocked_network(lab, servers, v6):
    at = NET6[family(v6)]
    assert tcp(lab, at, 22)[0] not in ("open", "TimeoutError", "timeout")
    assert udp(lab, at, 51820)[0] not in ("answered", "silence")
    ping = lab.exec("client", ["ping", "-c1", "-W5", at])
    assert ping.returncode == 1 and b"iltered" in ping.stdout + ping.stderr or b"rohibited" in ping.stdout, ping
    assert not servers[4].connections and not servers[6].heard


@BOTH
def test_block_everything_holds_for_every_protocol(lab, servers, v6):
    at, space = peers.PEER[family(v6)], "client2"
    for s in servers[:4]:
        s.connections.clear()
    for port in (22, 25, 853, 8080):
        word, took = tcp(lab, at, port, space)
        assert word not in ("open", "TimeoutError", "timeout") and took < labkit.AT_ONCE, (port, word, took)
    for port, payload in ((53, bytes(12) + b"\x03two\x04test\0\0\1\0\1"), (51820, b"\1\0\0\0" + bytes(144)), (40000, b"two")):
        word, took = udp(lab, at, port, payload, space)
        assert word not in ("answered", "silence") and took < labkit.AT_ONCE, (port, word, took)
        assert (port, payload) not in servers[5].heard
    ping = lab.exec(space, ["ping", "-c1", "-W5", at])
    assert ping.returncode == 1 and b"1 received" not in ping.stdout
    for kind in ("http", "https"):
        assert lab.curl(f"{kind}://other.test/", v6=v6, ns=space).status in (0, 403)
        assert lab.curl(f"{kind}://fine.test/", v6=v6, ns=space).status == 200
    assert lab.quic("fine.test", ns=space, v6=v6) and lab.quic("other.test", ns=space, v6=v6, timeout=2) is None
    assert not any(s.connections for s in servers[:4])
    assert not lab.asked("other.test")


@BOTH
def test_block_everything_leaves_the_gateway_itself(lab, v6):
    """Its DNS and its neighbours' discovery are no forwarded flows."""
    assert lab.exec("client2", ["getent", "ahosts", "fine.test"]).returncode == 0
    assert lab.exec("client2", ["ping", "-c1", "-W20", "2001:db8:1::1" if v6 else "192.0.2.1"]).returncode == 0
    assert lab.exec("client2", ["ping", "-c1", "-W20", labkit.CLIENT[family(v6)]]).returncode == 0


@BOTH
def test_a_refused_flow_stays_refused(lab, servers, v6):
    """Each packet of a refused flow is refused again, whatever it carries."""
    at = peers.PEER[family(v6)]
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        for i in range(50):
            s.sendto(struct.pack("!I", i) + bytes(i * 20), (at, 9999))
    time.sleep(0.3)
    assert not [h for h in servers[5].heard if h[0] == 9999]


@BOTH
def test_an_error_follows_its_flow(lab, servers, v6):
    """A closed UDP port's ICMP error reaches the client at once."""
    word, took = udp(lab, peers.PEER[family(v6)], 40001)
    assert word == "Connection refused" and took < labkit.AT_ONCE


@pytest.fixture(scope="module")
def far(lab):
    """Servers behind another router and a link of 1300 bytes: its "too big" comes from beyond the gateway."""
    one = peers.Far(lab)
    yield one
    one.close()


@BOTH
@pytest.mark.parametrize("space", ["client", "client2"])
@pytest.mark.parametrize("kind", ["http", "https"])
def test_P35_an_upload_over_a_narrow_link(lab, far, kind, space, v6, tmp_path):
    """3 MB, on the proxy path and on the inspect path. To client2 "too big" must come through `block everything`."""
    (tmp_path / "up").write_bytes(os.urandom(3_000_000))
    port, at = (443 if kind == "https" else 80), peers.Far.AT[family(v6)]
    reply = lab.curl(f"{kind}://fine.test/upload", "-k", "-T", str(tmp_path / "up"), "-H", "Expect:", "--resolve",
                     f"fine.test:{port}:{f'[{at}]' if v6 else at}", v6=v6, ns=space, timeout=60)
    print(f"3 MB over a link of 1300 bytes, {kind}: {reply.seconds:.2f} s")
    assert reply.body == b"received 3000000\n", reply


@BOTH
def test_P35_too_big_reaches_the_client(lab, far, v6):
    """UDP of 1400 bytes, not to be fragmented: the far router's answer comes."""
    with lab.inside("far"):
        server = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((peers.Far.AT[family(v6)], 40000))
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    with s, server:
        s.connect((peers.Far.AT[family(v6)], 40000))
        # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: always "do not fragment"
        s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 23 if v6 else 10, 2)
        with pytest.raises(OSError) as e:
            for _ in range(100):
                s.send(bytes(1400))
                time.sleep(0.1)
        assert e.value.errno == 90  # EMSGSIZE
