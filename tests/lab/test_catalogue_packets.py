# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows P of tests/catalogue.rows: what happens below the stream's bytes. The judge is the server's own OpenSSL."""
import contextlib
import os
import signal
import socket
import ssl
import struct
import time

import pytest

import forge
import hello as hellos
import labkit
import peers
import tricks
from rawtcp import costs, queued

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for everyone
  block block.example
otherwise allow
"""
NAT = (False, True)
PATHS = {"N": "hello-deadline 3\nflow-limit 512\n", "T": "inspect-tcp none\nproxy-tcp 80 443\nhello-deadline 3\n"}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


@pytest.fixture(scope="module")
def bench(lab):
    tricks.prepare(lab)
    with peers.Judge(lab) as one:
        yield one


@pytest.fixture
def judge(bench):
    bench.names.clear()
    return bench


@pytest.fixture
def inspected():
    """The test is for the inspect path alone (conftest.py)."""


def blocked_seen(judge):
    return [n for n in judge.names if n and n.lower().rstrip(".").endswith("block.example")]


def split(packet, edges):
    """This IP packet as fragments whose payload is cut at these places (multiples of 8), in order."""
    if packet[0] >> 4 == 4:
        head, body = packet[:20], packet[20:]
    else:
        head, body = packet[:40], packet[40:]
    edges = [0, *edges, len(body)]
    return [fragment(head, body[a:b], a, b < len(body)) for a, b in zip(edges, edges[1:])]


def fragment(head, part, offset, more, ident=0x1234):
    if head[0] >> 4 == 4:
        head = head[:2] + struct.pack("!HHH", 20 + len(part), ident, offset // 8 | (0x2000 if more else 0)) + head[8:10] + b"\0\0" + head[12:]
        return head[:10] + struct.pack("!H", forge.checksum(head)) + head[12:] + part
    extra = struct.pack("!BBHI", head[6], 0, offset | more, ident)
    return head[:4] + struct.pack("!HB", 8 + len(part), 44) + head[7:] + extra + part


def data_packet(conn, data, flags=PSH | ACK, offset=0, options=b"", **how):
    segment = forge.tcp_segment(conn.src, conn.dst, conn.sport, conn.dport, conn.first + offset, conn.acked, flags, data,
                                options, **how)
    return forge.ip_header(conn.src, conn.dst, 6, segment, 64)


def extended(packet, *headers):
    """An IPv6 packet with extension headers (number, bytes from the second byte on) in front of its payload."""
    body, following = packet[40:], packet[6]
    for number, rest in reversed(headers):
        body, following = bytes((following,)) + rest + body, number
    return packet[:4] + struct.pack("!HB", len(body), following) + packet[7:40] + body


PAD6 = b"\0\1\4\0\0\0\0"  # of an options header of 8 bytes


def not_answered(conn, judge, seconds=1.0):
    conn.poll(seconds, lambda: conn.stream)
    assert conn.stream[:1] != b"\x16", conn.stream
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("order", ["in order", "reversed"])
def test_P01_P02_a_hello_in_fragments(lab, judge, order, v6):
    for kind in ("other", "block"):
        name = peers.fresh(kind)
        tls = hellos.Tls(name)
        with tricks.open_to_judge(lab, v6) as conn:
            parts = split(data_packet(conn, tls.hello), (64, 128, 256))
            for p in parts if order == "in order" else parts[::-1]:
                conn.emit(p)
            conn.sent = len(tls.hello)
            if kind == "other":
                assert f"origin {name}".encode() in (tls.fetch(conn) or b"")
            else:
                not_answered(conn, judge)


def test_P02_an_atomic_fragment(lab, judge):
    for kind in ("other", "block"):
        name = peers.fresh(kind)
        tls = hellos.Tls(name)
        with tricks.open_to_judge(lab, True) as conn:
            packet = data_packet(conn, tls.hello)
            conn.emit(fragment(packet[:40], packet[40:], 0, False))
            conn.sent = len(tls.hello)
            if kind == "other":
                assert f"origin {name}".encode() in (tls.fetch(conn) or b"")
            else:
                not_answered(conn, judge)


@BOTH
@pytest.mark.parametrize("first", ["allow", "block"])
def test_P03_overlapping_fragments(lab, judge, first, v6):
    """One fragment's content twice, with another name: whoever wins, the blocked name reaches nobody."""
    a = hellos.Tls(peers.fresh("allow")).hello
    b = hellos.named(a, peers.fresh("block").encode())
    one, two = (a, b) if first == "allow" else (b, a)
    with tricks.open_to_judge(lab, v6) as conn:
        p, q = (data_packet(conn, x) for x in (one, two))
        x, y = split(p, (64, 256)), split(q, (64, 256))
        size = 40 if v6 else 20
        wide = fragment(q[:size], q[size + 56:size + 264], 56, True)  # begins and ends inside its neighbours
        for f in (x[1], wide, y[1], x[2], x[0]):
            conn.emit(f)
        not_answered(conn, judge, 0.3)
        conn.put(0, b)
        conn.poll(0.2)
    assert not blocked_seen(judge)


CHAINS = {
    "destination options": ((60, PAD6),),
    "hop-by-hop": ((0, PAD6),),
    "hop-by-hop twice": ((0, PAD6), (0, PAD6)),
    "destination options three times": ((60, PAD6), (60, PAD6), (60, PAD6)),
    "routing": ((43, b"\0\xfd\0\0\0\0\0"),),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_P04_extension_headers(lab, judge, chain):
    tls = hellos.Tls(peers.fresh("block"))
    with tricks.open_to_judge(lab, True) as conn:
        conn.emit(extended(data_packet(conn, tls.hello), *CHAINS[chain]))
        not_answered(conn, judge, 0.5)
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, True) as conn:
        conn.emit(extended(data_packet(conn, tls.hello), *CHAINS[chain]))
        conn.sent = len(tls.hello)
        got = tls.fetch(conn, 1)
    if chain == "destination options":
        assert f"origin {name}".encode() in (got or b"")


@contextlib.contextmanager
def offload(lab, on):
    for space, device in (("client", "eth0"), ("gateway", "p-client"), ("gateway", "wan")):
        lab.exec(space, ["ethtool", "-K", device, *[w for f in ("tso", "gso", "gro") for w in (f, "on" if on else "off")]])
    try:
        yield
    finally:
        for space, device in (("client", "eth0"), ("gateway", "p-client"), ("gateway", "wan")):
            lab.exec(space, ["ethtool", "-K", device, *[w for f in ("tso", "gso", "gro") for w in (f, "on")]])


def kernel_hello(lab, v6, data, mss=None, patience=labkit.PATIENCE):
    """Sent by the client's own kernel; the first byte that comes back, or None."""
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    with s:
        s.settimeout(patience)
        if mss:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            s.connect((peers.PEER[6 if v6 else 4], 443))
            s.sendall(data)
            return s.recv(100)[:1] or None
        except OSError:
            return None


@BOTH
@pytest.mark.parametrize("on", [True, False], ids=["GSO", "no GSO"])
def test_P05_super_packets(lab, judge, inspected, on, v6):
    """With offload a hello of 14 kB is one packet in the queue, without it ten."""
    with offload(lab, on):
        def used():
            before = queued(lab)
            assert kernel_hello(lab, v6, hellos.padded(hellos.Tls(peers.fresh("other")).hello, 14000)) == b"\x16"
            return queued(lab) - before

        counts = [used() for _ in range(3 if on else 1)]  # what is sent again counts as well
        assert min(counts) <= 4 if on else min(counts) >= 8, counts
        assert kernel_hello(lab, v6, hellos.padded(hellos.Tls(peers.fresh("block")).hello, 14000)) != b"\x16"
    assert not blocked_seen(judge)


@BOTH
def test_P10_P09_the_mark_is_kept(lab, judge, inspected, v6):
    """What the queue's verdict says is what conntrack holds, and later packets do not come to the queue."""
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(tls.hello)
        assert conn.poll(labkit.PATIENCE, lambda: conn.stream)
        listed = lab.exec("gateway", ["conntrack", "-L", "-f", "ipv6" if v6 else "ipv4", "-p", "tcp", "--orig-port-src",
                                      str(conn.sport)]).stdout.decode()
        assert "mark=536870912" in listed, listed  # 0x20000000: allowed, final

        def more():
            for i in range(20):
                conn.put(conn.sent + i, b"x")
            conn.poll(0.1)

        costs(lab, more, 0)


class Sniff:
    """Packets from the client that reach the origin's wire."""

    def __init__(self, lab, v6):
        self.v6 = v6
        with lab.inside("origin"):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd if v6 else 0x0800))
            self.sock.bind(("eth0", 0x86dd if v6 else 0x0800))

    def first(self, flag, seconds=labkit.PATIENCE):
        """(flags, options, payload) of the first TCP segment to port 443 with this flag"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                packet = self.sock.recv(70000)[14:]
            except OSError:
                break
            at, proto = (40, packet[6]) if self.v6 else ((packet[0] & 15) * 4, packet[9])
            if proto == 6 and packet[at + 2:at + 4] == struct.pack("!H", 443):
                start = at + (packet[at + 12] >> 4) * 4
                if packet[at + 13] & flag:
                    return packet[at + 13], packet[at + 20:start], packet[start:]
        return None


def raw_syn(conn, options=b"", data=b"", flags=SYN, shift=-1):
    segment = forge.tcp_segment(conn.src, conn.dst, conn.sport, conn.dport, conn.first + shift, 0, flags, data,
                                struct.pack("!BBH", 2, 4, 1440) + options)
    conn.emit(forge.ip_header(conn.src, conn.dst, 6, segment, 64))


OPTIONS = pytest.mark.parametrize("option", [
    pytest.param(b"\x1e\x0c\0\1" + bytes(8), id="P12 MPTCP"), pytest.param(b"\x22\x0a" + bytes(8), id="P13 fast open"),
    pytest.param(b"\xfe\x0c\xf9\x89" + bytes(8), id="P13 fast open, experimental")])


@BOTH
@OPTIONS
@pytest.mark.parametrize("kind", ["other", "block"])
def test_bytes_of_the_SYN_are_not_the_streams(lab, judge, option, kind, v6):
    """With an option that would let them be: what comes behind the handshake is the hello, and is judged as ever."""
    name = peers.fresh(kind)
    tls = hellos.Tls(name)
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4]) as conn:
        raw_syn(conn, option, hellos.Tls(peers.fresh("allow")).hello[:200])
        assert conn.poll(3, lambda: conn.server_first is not None)
        conn.put(0, b"", flags=ACK)
        conn.send(tls.hello)
        if kind == "other":
            assert f"origin {name}".encode() in (tls.fetch(conn) or b"")
        else:
            not_answered(conn, judge, 0.4)


@BOTH
@OPTIONS
def test_options_that_let_bytes_past_are_taken_off(lab, judge, inspected, option, v6):
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4]) as conn:
        sniff = Sniff(lab, v6)
        raw_syn(conn, option, b"x" * 20)
        syn = sniff.first(SYN)
    assert syn and option not in syn[1], syn


@BOTH
def test_P14_P13_data_in_the_SYN_hides_nothing(lab, judge, v6):
    fine, real = hellos.Tls(peers.fresh("allow")).hello, hellos.Tls(peers.fresh("block")).hello
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4]) as conn:
        raw_syn(conn, b"\x22\2\1\1", fine)
        assert conn.poll(labkit.PATIENCE, lambda: conn.server_first is not None)
        conn.put(0, b"", flags=ACK)
        conn.put(0, real)
        not_answered(conn, judge)


ENDS = {
    "P15 RST that dies": {"flags": RST, "ttl": 3},
    "P15 RST-ACK that dies": {"flags": RST | ACK, "ttl": 3},
    "P15 RST far away": {"flags": RST, "offset": 500000},
    "P15 RST, bad checksum": {"flags": RST, "bad_sum": True},
    "P15 FIN that dies": {"flags": FIN | ACK, "ttl": 3},
    "P15 FIN, bad checksum": {"flags": FIN | ACK, "bad_sum": True},
    "P16 SYN-ACK": {"flags": SYN | ACK},
    "P16 SYN-ACK that dies": {"flags": SYN | ACK, "ttl": 3},
    "P16 SYN that dies": {"flags": SYN, "ttl": 3},
    "P22 no flags": {"flags": 0},
    "P22 all flags": {"flags": 0x3f},
    "P23 urgent": {"flags": PSH | ACK | URG, "data": b"x"},
}


@BOTH
@pytest.mark.parametrize("where", ["before", "inside"])
@pytest.mark.parametrize("what", ENDS)
def test_a_packet_that_means_an_end_hides_nothing(lab, judge, what, where, v6):
    """Before a blocked hello, or in the middle of it."""
    real = hellos.Tls(peers.fresh("block")).hello
    how = dict(ENDS[what])
    data, offset = how.pop("data", b""), how.pop("offset", 0)
    with tricks.open_to_judge(lab, v6) as conn:
        sent = 0 if where == "before" else 100
        conn.put(0, real[:sent])
        conn.put(sent + offset, data, **how)
        conn.poll(0.05)
        conn.reset = conn.fin = False
        conn.put(sent, real[sent:])
        conn.poll(0.3, lambda: conn.stream)
        conn.reset = conn.fin = False
        conn.put(0, real)
        not_answered(conn, judge, 0.3)


@BOTH
def test_P24_a_header_that_lies(lab, judge, v6):
    """A data offset beyond the packet, an IP length beyond and short of it; then the blocked hello."""
    fine, real = hellos.Tls(peers.fresh("allow")).hello, hellos.Tls(peers.fresh("block")).hello
    with tricks.open_to_judge(lab, v6) as conn:
        whole = data_packet(conn, fine)
        at = 40 if v6 else 20
        short = data_packet(conn, b"")
        conn.emit(short[:at + 12] + b"\xf0" + short[at + 13:])
        conn.emit(whole[:at + 12] + b"\x40" + whole[at + 13:])
        conn.emit(whole[:-100])
        conn.put(0, real)
        not_answered(conn, judge, 0.5)


@BOTH
def test_P24_padding_behind_a_packet_is_no_data(lab, judge, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6) as conn:
        conn.emit(data_packet(conn, b"", ACK) + bytes(6))
        conn.emit(data_packet(conn, tls.hello[:100]) + bytes(9))
        conn.sent = 100
        conn.send(tls.hello[100:])
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")


@BOTH
def test_P25_keep_alive_probes_change_nothing(lab, judge, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6) as conn:
        conn.put(-1, b"", flags=ACK)
        conn.send(tls.hello[:200])
        conn.put(199, b"\0", flags=ACK)
        conn.put(199, b"", flags=ACK)
        conn.send(tls.hello[200:])
        conn.put(conn.sent - 1, b"\0", flags=ACK)
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")


@BOTH
def test_P26_many_packets_first(lab, judge, v6):
    """Empty ones, probes and 1-byte segments: there is no number of packets after which nobody looks."""
    real = hellos.Tls(peers.fresh("block")).hello
    with tricks.open_to_judge(lab, v6) as conn:
        for i in range(60):
            conn.put(0, b"", flags=ACK)
            conn.put(i, real[i:i + 1])
            conn.put(i, real[i:i + 1])
        conn.put(60, real[60:])
        not_answered(conn, judge)


@BOTH
def test_P27_nothing_is_offloaded_before_it_is_decided(lab, judge, inspected, v6):
    """The rules use no flow table of the kernel: packets of an undecided flow all come to the queue."""
    rules = lab.exec("gateway", ["ip6tables-save" if v6 else "iptables-save"]).stdout.decode()
    assert "FLOWOFFLOAD" not in rules and "NFQUEUE" in rules
    real = hellos.Tls(peers.fresh("other")).hello
    with tricks.open_to_judge(lab, v6) as conn:
        before = queued(lab)
        for i in range(50):
            conn.put(i, real[i:i + 1])
        conn.poll(0.2)
        assert labkit.until(lambda: queued(lab) - before >= 50), queued(lab) - before


class OtherWayBack(forge.RawTcp):
    """Says what it says to the gateway, and hears on a link that the gateway does not see."""

    def __init__(self, lab, dst):
        forge.RawTcp.__init__(self, lab, dst)
        self.way_out = self.sock
        with lab.inside("client"):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd if self.v6 else 0x0800))
            self.sock.bind(("short", 0x86dd if self.v6 else 0x0800))

    def emit(self, packet):
        self.way_out.send(self.ether + packet)

    def abort(self):
        forge.RawTcp.abort(self)
        self.way_out.close()


@BOTH
@pytest.mark.parametrize("kind", ["other", "block"])
def test_P28_only_the_clients_packets_come_this_way(lab, judge, inspected, kind, v6):
    """The server's answers take a road of their own, with NAT too: what cannot be followed does not pass, whatever its name."""
    family, space = ("-6" if v6 else "-4"), f"{lab.prefix}-"
    back = labkit.CLIENT[6] if v6 else "198.51.100.1" if lab.nat else labkit.CLIENT[4]  # whom the server answers
    lab.exec("origin", ["ip", "link", "add", "short", "type", "veth", "peer", "name", "short", "netns", space + "client"], check=True)
    try:
        for s in ("origin", "client"):
            lab.exec(s, ["ip", "link", "set", "short", "up"], check=True)
        mac = lab.exec("client", ["cat", "/sys/class/net/short/address"]).stdout.decode().strip()
        lab.exec("origin", ["ip", family, "route", "add", back, "dev", "short"], check=True)
        lab.exec("origin", ["ip", "neigh", "replace", back, "lladdr", mac, "dev", "short"], check=True)
        hello = hellos.Tls(peers.fresh(kind)).hello
        with OtherWayBack(lab, peers.PEER[6 if v6 else 4]) as conn:
            assert conn.connect(), "the server's answer did not come by the other road"
            for _ in range(3):
                conn.put(0, hello)
                conn.poll(0.2, lambda: conn.stream)
            assert conn.stream == b"" and judge.names == []
    finally:
        lab.exec("origin", ["ip", "link", "del", "short"])


@BOTH
def test_P29_a_connection_whose_start_nobody_saw(lab, judge, inspected, v6):
    """Its entry in conntrack is gone, as after a restart of the gateway: `fail closed` refuses the rest of it."""
    name = peers.fresh("other")
    real = hellos.Tls(name).hello
    with tricks.open_to_judge(lab, v6) as conn:
        lab.exec("gateway", ["conntrack", "-D", "-f", "ipv6" if v6 else "ipv4", "-p", "tcp", "--orig-port-src", str(conn.sport)])
        conn.put(0, real)
        conn.poll(1, lambda: conn.stream or conn.reset)
        assert conn.stream[:1] != b"\x16"
    assert name not in judge.names


@BOTH
@pytest.mark.parametrize("kind", ["other", "block"])
def test_P29_half_a_hello_when_the_dataplane_dies(lab, judge, kind, v6):
    """The next dataplane has not seen the first half: under `fail closed` the whole is not served, whatever its name."""
    first = peers.fresh(kind)
    hello = hellos.Tls(first).hello
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(hello[:200])
        conn.poll(0.1)
        before = lab.processes()["dataplane"]
        os.kill(before, signal.SIGKILL)
        assert labkit.until(lambda: lab.processes().get("dataplane") not in (None, before))
        for _ in range(3):
            conn.put(200, hello[200:])
            conn.poll(0.3, lambda: conn.stream or conn.reset)
        assert conn.stream[:1] != b"\x16" and first not in judge.names
    # and the new one judges as ever
    name = peers.fresh("other")
    assert labkit.until(lambda: kernel_hello(lab, v6, hellos.Tls(name).hello, patience=2) == b"\x16", 60)
    assert kernel_hello(lab, v6, hellos.Tls(peers.fresh("block")).hello) != b"\x16" and not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("mss", [88, 536])
def test_P34_tiny_segments_both_ways(lab, judge, mss, v6):
    name = peers.fresh("other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    with s:
        s.settimeout(labkit.PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        s.connect((peers.PEER[6 if v6 else 4], 443))
        with context.wrap_socket(s, server_hostname=name) as tls:
            tls.write(b"GET / HTTP/1.0\r\n\r\n")
            got = b""
            with contextlib.suppress(ssl.SSLError, OSError):
                while b"\n" not in got[-1:] or b"origin" not in got:
                    got += tls.read(1000)
        assert f"origin {name}".encode() in got
    assert kernel_hello(lab, v6, hellos.Tls(peers.fresh("block")).hello, mss) != b"\x16"
    assert not blocked_seen(judge)


@BOTH
def test_P36_many_half_hellos_of_one_client_harm_no_other(lab, judge, inspected, v6):
    """The table of this lab holds 512 flows, a client a quarter of them."""
    half = hellos.Tls(peers.fresh("other")).hello[:100]
    with lab.inside("client"):
        many = [socket.socket(socket.AF_INET6 if v6 else socket.AF_INET) for _ in range(400)]
    try:
        for s in many:
            s.setblocking(False)
            s.connect_ex((peers.PEER[6 if v6 else 4], 443))
        time.sleep(0.3)
        for s in many:
            with contextlib.suppress(OSError):
                s.send(half)
        for i in range(10):
            assert lab.curl(f"https://p36-{i}.fine.test/", ns="client2", v6=v6).status == 200
    finally:
        for s in many:
            s.close()
    assert labkit.until(lambda: kernel_hello(lab, v6, hellos.Tls(peers.fresh("other")).hello, patience=2) == b"\x16", 60)
