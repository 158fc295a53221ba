# SPDX-License-Identifier: GPL-3.0-or-later
"""The inspect path against clients that cut, reorder, repeat and contradict (rows T01-T45, P12-P30)."""
import socket
import subprocess
import time

import pytest

import labkit
import peers
import rawtcp
from rawtcp import ACK, PSH, URG, Wire, costs, hello, records

POLICY = """\
timezone UTC
fail closed
for everyone
  block blocked.example
otherwise allow
"""
PATH = "N"
SETTINGS = "hello-deadline 2\ninspect-tcp 443 8443-8444\n"
V6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
NAMES = pytest.mark.parametrize("name,want", [("fine.test", "hello"), ("blocked.example", "alert")], ids=["allowed", "blocked"])
REFUSED = ("alert", "reset")


@pytest.fixture(scope="module", autouse=True)
def far_origin(lab):
    """Packets that reach the origin with few hops left are thought of as lost on the way."""
    for tool, match in (("iptables", ["-m", "ttl", "--ttl-lt", "30"]), ("ip6tables", ["-m", "hl", "--hl-lt", "30"])):
        lab.exec("origin", [tool, "-A", "INPUT", "-p", "tcp"] + match + ["-j", "DROP"], check=True)
    lab.curl("https://fine.test/")  # the origin makes its certificate when first asked


@V6
@NAMES
def test_one_segment(lab, name, want, v6):
    with Wire(lab, v6) as w:
        w.connect().send(hello(name))
        assert w.answer() == want


@V6
@NAMES
def test_T05_one_byte_a_segment(lab, name, want, v6):
    data = hello(name)
    with Wire(lab, v6) as w:
        w.connect()
        for i in range(len(data)):
            w.send(data[i:i + 1], at=i)
        assert w.answer() == want


@V6
@NAMES
@pytest.mark.parametrize("size", [1, 40, 200])
def test_T02_segments_in_reverse(lab, name, want, v6, size):
    data = hello(name)
    with Wire(lab, v6) as w:
        w.connect()
        for i in reversed(range(0, len(data), size)):
            w.send(data[i:i + size], at=i)
        assert w.answer() == want


@V6
@NAMES
@pytest.mark.parametrize("size", [1, 16, 100])
def test_T06_many_records(lab, name, want, v6, size):
    with Wire(lab, v6) as w:
        w.connect()
        data = records(hello(name), size)
        for i in range(0, len(data), 1300):
            w.send(data[i:i + 1300], at=i)
        lenient = size == 1 and want == "hello"  # this server refuses 500 records of one byte by itself
        assert w.answer() in (REFUSED + ("hello",) if lenient else (want,))


@V6
@NAMES
def test_T01_post_quantum_size(lab, name, want, v6):
    data = hello(name, big=True)
    assert len(data) > 2000

    def one():
        with Wire(lab, v6) as w:
            w.connect()
            for i in range(0, len(data), 1300):
                w.send(data[i:i + 1300], at=i)
            assert w.answer() == want

    costs(lab, one, 2)


@V6
def test_an_allowed_connection_costs_one_queued_packet(lab, v6):
    assert lab.curl("https://fine.test/", v6=v6).status == 200
    def one():
        assert lab.curl("https://fine.test/big", v6=v6, timeout=60).status == 200

    costs(lab, one, 1)


@V6
@pytest.mark.parametrize("forged", [False, True], ids=["plain", "forged-server-hello"])
def test_T43_P17_a_fake_hello_that_dies_before_the_server(lab, v6, forged):
    fake, real = hello("fine.test"), hello("blocked.example")
    with Wire(lab, v6) as w:
        w.connect().send(fake, ttl=20)
        if forged:
            server = bytes.fromhex("160303005a020000560303") + bytes(range(32)) + bytes(100)
            w.forge(server[:95], ack=len(fake))
        time.sleep(0.1)
        w.send(real)
        assert w.answer() in REFUSED
        assert not any(s.payload[:1] == b"\x16" for s in w.segments)


@V6
@pytest.mark.parametrize("cut", [0, 50])
def test_P17_the_server_ends_too_when_a_fake_died(lab, v6, cut):
    """It waits for a byte before the one that was to come next: it is reset there, and keeps no half-open connection."""
    fake, real = hello("fine.test"), hello("blocked.example")
    with peers.Peer(lab, 8444) as there, Wire(lab, v6, port=8444, address=peers.PEER[6 if v6 else 4]) as w:
        w.connect()
        if cut:
            w.send(real[:cut])
            assert labkit.until(lambda: there.heard() == real[:cut])
        w.send(fake[cut:], at=cut, ttl=20)
        time.sleep(0.1)
        w.send(real[cut:], at=cut)
        assert w.answer() in REFUSED
        assert there.connections[0].finished.wait(labkit.PATIENCE)
        assert there.connections[0].end == "reset"


@V6
def test_P20_a_fake_in_the_middle_of_a_cut_hello(lab, v6):
    """The first half passes; a hello far outside the window must not make the second half a stream of its own."""
    inner, outer = hello("fine.test"), hello("blocked.example", big=True)
    cut = 700
    with Wire(lab, v6) as w:
        w.connect().send(outer[:cut])
        w.send(inner, at=1 << 20, ttl=20)
        w.send(inner, at=cut)
        w.send(outer[cut + len(inner):], at=cut + len(inner))
        assert w.answer(2) != "hello"


@V6
@pytest.mark.parametrize("junk", [b"SSH-2.0-junk\r\n", b"\x17\x03\x03\x00\x20" + bytes(32)], ids=["ssh", "appdata"])
def test_T43_junk_that_dies_then_a_hello(lab, v6, junk):
    """Junk is allowed as a flow without a name; the hello that takes its place contradicts it."""
    with Wire(lab, v6) as w:
        w.connect().send(junk, ttl=20)
        time.sleep(0.5)
        w.send(hello("blocked.example"))
        assert w.answer(2) != "hello"


@V6
def test_T04_contradicting_overlap(lab, v6):
    data = hello("blocked.example")
    at = data.index(b"blocked")
    with Wire(lab, v6) as w:
        w.connect()
        w.send(b"allowed", at=at, ttl=20)
        w.send(data[:at])
        w.send(data[at:], at=at)
        assert w.answer() in REFUSED


@V6
def test_T03_equal_copies_are_no_contradiction(lab, v6):
    data = hello("fine.test")
    with Wire(lab, v6) as w:
        w.connect()
        for a, b in ((0, 100), (50, 300), (0, 200), (100, len(data))):
            w.send(data[a:b], at=a)
        assert w.answer() == "hello"


FAKES = {"P18 md5": {"options": b"\x13\x12" + bytes(16)}, "P06 checksum": {"bad": True}, "P22 no-ack": {"flags": PSH},
         "P20 old-seq": {"at": -10000}, "P21 just-before": {"at": -600}, "P19 old-timestamp": {"ts": (100000 - 600000) % (1 << 32)}}


@V6
@pytest.mark.parametrize("how", FAKES)
def test_a_fake_that_the_server_ignores_hides_nothing(lab, v6, how):
    with Wire(lab, v6, timestamps=how == "P19 old-timestamp") as w:
        fake = hello("fine.test")
        if how == "P21 just-before":  # the real hello would be the rest of a record
            fake = (fake + b"\x17\x03\x03\x04\x00").ljust(600, b"x")
        w.connect().send(fake, **FAKES[how])
        w.send(hello("blocked.example"))
        assert w.answer() in REFUSED


@V6
@pytest.mark.parametrize("how", [how for how in FAKES if how != "P19 old-timestamp"])
def test_a_fake_that_the_server_ignores_harms_nobody(lab, v6, how):
    with Wire(lab, v6) as w:
        w.connect().send(hello("other.test"), **FAKES[how])
        w.send(hello("fine.test"))
        assert w.answer() == "hello"


@V6
def test_two_syns_with_different_numbers(lab, v6):
    """Nobody knows which one the server took: the second one's number makes a fake hello look right."""
    with Wire(lab, v6) as w:
        real = w.isn
        w.send(b"", flags=rawtcp.SYN, seq=real, ack=0)
        w.send(b"", flags=rawtcp.SYN, seq=real - 600, ack=0, ttl=20)
        w.server_isn = w.wait(lambda s: s.flags & rawtcp.SYN).seq
        w.send(b"", flags=ACK)
        w.send((hello("fine.test") + b"\x17\x03\x03\x04\x00").ljust(600, b"x"), at=-600)
        w.send(hello("blocked.example"))
        assert w.answer(2) != "hello"


@V6
def test_a_syn_in_the_middle_changes_nothing(lab, v6):
    """Half a blocked hello, a SYN whose number would make the other half a stream of its own, the other half."""
    outer, cut = hello("blocked.example", big=True), 700
    with Wire(lab, v6) as w:
        w.connect().send(outer[:cut])
        time.sleep(0.1)
        w.send(b"", flags=rawtcp.SYN, seq=w.isn + cut, ack=0)
        time.sleep(0.1)
        w.send(hello("fine.test"), at=cut)
        w.send(outer[cut:1400], at=cut)
        w.send(outer[1400:], at=1400)
        assert w.answer(2) != "hello"


@V6
def test_P23_urgent_byte(lab, v6):
    data = hello("blocked.example")
    with Wire(lab, v6) as w:
        w.connect().send(data[:60] + b"x" + data[60:], flags=PSH | ACK | URG, urgent=61)
        assert w.answer() in REFUSED


@V6
def test_T05_half_a_hello_times_out(lab, v6):
    with Wire(lab, v6) as w:
        w.connect().send(hello("fine.test")[:50])
        begin = time.monotonic()
        assert w.answer() in REFUSED
        assert time.monotonic() - begin > 1, "not at its deadline"


@pytest.fixture(scope="module")
def retrying(lab, tmp_path_factory):
    """A TLS server on an inspected port that takes no key share it is offered."""
    path = str(tmp_path_factory.mktemp("retry"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=x", "-keyout", path + "/key", "-out", path + "/cert"], check=True, capture_output=True)
    servers = [lab.popen("origin", ["openssl", "s_server", "-accept", f"{a}:8443", "-cert", path + "/cert", "-key",
                                    path + "/key", "-groups", "P-384", "-www", "-quiet"])
               for a in (labkit.ORIGIN[4], f"[{labkit.ORIGIN[6]}]")]
    yield
    for s in servers:
        s.terminate()
        s.wait()


def ask_retrying(lab, name, v6):
    where = f"[{labkit.ORIGIN[6]}]:8443" if v6 else f"{labkit.ORIGIN[4]}:8443"
    return lab.exec("client", ["openssl", "s_client", "-connect", where, "-servername", name, "-groups", "X25519:P-384"],
                    stdin=b"GET / HTTP/1.0\r\n\r\n").stdout


@V6
def test_T28_hello_retry_request(lab, retrying, v6):
    """Three packets are queued: the hello, the server's HelloRetryRequest, the second hello."""
    assert labkit.until(lambda: b"TLSv1.3" in ask_retrying(lab, "fine.test", v6))

    def one():
        assert b"TLSv1.3" in ask_retrying(lab, "fine.test", v6)

    costs(lab, one, 3)
    assert b"TLSv1.3" not in ask_retrying(lab, "blocked.example", v6)


@V6
def test_P30_the_tuple_used_again(lab, v6):
    """After a refusal, and after an allowed connection, the same ports are judged anew."""
    with Wire(lab, v6) as w:
        w.connect().send(hello("blocked.example"))
        assert w.answer() == "alert"
        port = w.sport
    for name, want in (("fine.test", "hello"), ("blocked.example", "alert"), ("fine.test", "hello")):
        with Wire(lab, v6, sport=port) as w:
            w.connect().send(hello(name))
            assert w.answer() == want, name


@V6
def test_T27_a_server_that_speaks_first(lab, v6):
    """A flow without a name: `no-name` answers, which says what `otherwise` says here."""
    with lab.inside("origin"):
        server = socket.create_server((labkit.ORIGIN[6 if v6 else 4], 8444), family=socket.AF_INET6 if v6 else socket.AF_INET)
    with server, lab.inside("client"):
        client = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 8444), timeout=labkit.PATIENCE)
        with client, server.accept()[0] as there:
            there.sendall(b"220 hello\r\n")
            assert client.recv(100) == b"220 hello\r\n"
            client.sendall(b"EHLO x\r\n")
            assert there.recv(100) == b"EHLO x\r\n"


@V6
def test_H01_H25_plain_http_on_an_inspected_port(lab, v6):
    """Each request of a connection is judged by its own Host, and the refusal is a page."""
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with lab.inside("origin"):
        server = socket.create_server((labkit.ORIGIN[6 if v6 else 4], 8444), family=family)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with server, lab.inside("client"):
        client = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 8444), timeout=labkit.PATIENCE)
        with client, server.accept()[0] as there:
            for _ in range(3):
                client.sendall(b"GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n")
                assert there.recv(1000).startswith(b"GET / ")
                there.sendall(answer)
                assert client.recv(1000) == answer
            client.sendall(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
            page = b""
            while True:
                more = client.recv(65536)
                if not more:
                    break
                page += more
            assert page.startswith(b"HTTP/1.1 403") and page.endswith(b"</html>\n"), page[-200:]
            there.settimeout(labkit.PATIENCE)
            with pytest.raises(ConnectionResetError):
                assert there.recv(1000) == b""
