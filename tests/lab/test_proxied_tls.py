# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy path by setting: port 443 proxied as well, nothing inspected, and the gateway's own address as the source."""
import socket

import pytest

import hello as hellos
import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for two
  block secret.test
for everyone
  block tracker.example because "Known"
otherwise allow
"""
SETTINGS = "proxy-tcp 80 443 8000-8005\ninspect-tcp none\nsource gateway\n"
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
KINDS = pytest.mark.parametrize("kind", ["http", "https"])


def family(v6):
    return 6 if v6 else 4


@BOTH
@KINDS
def test_allowed_and_the_client_is_hidden(lab, kind, v6):
    name = f"{kind}{family(v6)}.fine.test"
    reply = lab.curl(f"{kind}://{name}/", v6=v6)
    assert reply.status == 200 and reply.version == ("2" if kind == "https" else "1.1"), reply
    assert lab.arrived(name)[-1]["client"] == ("2001:db8:2::1" if v6 else "198.51.100.1")


@BOTH
@KINDS
def test_blocked(lab, kind, v6):
    name = f"{kind}{family(v6)}.tracker.example"
    reply = lab.curl(f"{kind}://{name}/", v6=v6)
    assert reply.seconds < labkit.AT_ONCE and (reply.status == 403 and b"Known" in reply.body if kind == "http" else reply.exit == 35), reply
    if kind == "https":
        assert "alert" in reply.error or "unrecognized" in reply.error, reply
    assert not lab.asked(name)


@BOTH
@KINDS
def test_by_who_asks(lab, kind, v6):
    """On the proxy path a device is known by the neighbour table."""
    name = f"{kind}{family(v6)}.secret.test"
    assert lab.curl(f"{kind}://{name}/", v6=v6, ns="client2").status in (0, 403)
    assert not lab.asked(name)
    assert lab.curl(f"{kind}://{name}/", v6=v6).status == 200


@BOTH
@KINDS
def test_big_both_ways(lab, kind, v6, tmp_path):
    (tmp_path / "up").write_bytes(bytes(range(256)) * 20000)
    sent = lab.curl(f"{kind}://up.fine.test/upload", "-T", str(tmp_path / "up"), v6=v6, timeout=60)
    assert sent.body == b"received 5120000\n", sent
    assert len(lab.curl(f"{kind}://up.fine.test/big", v6=v6, timeout=60).body) == 10_000_000


@BOTH
@pytest.mark.parametrize("shape", ["records of 1 byte", "small records in small segments", "post-quantum"])
@pytest.mark.parametrize("kind", ["other", "block"])
def test_odd_hellos(lab, shape, kind, v6):
    """The bytes are the same whatever the segments: written in small pieces over a real socket."""
    name = "other.test" if kind == "other" else "odd.tracker.example"
    hello = hellos.Tls(name).hello
    data, size = {"records of 1 byte": (hellos.records(hello, 1), 1400), "post-quantum": (hellos.post_quantum(hello), 1400),
                  "small records in small segments": (hellos.records(hello, 7), 3)}[shape]
    with peers.Judge(lab) as judge:
        with lab.inside("client"):
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        with s:
            s.settimeout(labkit.PATIENCE)
            s.connect((peers.PEER[family(v6)], 443))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(data), size):
                s.sendall(data[i:i + size])
            answer = s.recv(1)
        assert answer == (b"\x16" if kind == "other" else b"\x15"), answer
        assert judge.names == ([name] if kind == "other" else [])


@BOTH
def test_http_on_a_proxied_port_of_another_kind(lab, v6):
    """What a connection is, is read from its bytes: a request on port 8000 is judged by its Host."""
    def serve(c):
        c.hear(20)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")

    with peers.Peer(lab, 8000, serve) as peer:
        at = f"fine.test:8000:{f'[{peers.PEER[6]}]' if v6 else peers.PEER[4]}"
        assert lab.curl("http://fine.test:8000/", "--resolve", at, v6=v6).body == b"ok"
        reply = lab.curl("http://x.tracker.example:8000/", "--resolve", at.replace("fine.test", "x.tracker.example"), v6=v6)
        assert reply.status == 403 and b"x.tracker.example" not in peer.heard(), reply
