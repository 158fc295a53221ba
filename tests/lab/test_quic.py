# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/3 by hand: allowed, refused at once and recorded, and a second connection on the ports of the first."""
import contextlib
import socket

import labkit
import peers
from quicends import BOTH, POLICY  # noqa: F401 pylint: disable=unused-import (the lab's POLICY)

PATH = "N"


def family(v6):
    return 6 if v6 else 4


def ask(lab, name, v6, seconds):
    """What the client printed: its own log of one connection. It stays that long, refused or not."""
    one = () if v6 else ("env", "RES_OPTIONS=no-aaaa")
    done = lab.exec("client", [*one, "timeout", str(seconds), "gtlsclient", "--exit-on-all-streams-close",
                               "--handshake-timeout", f"{seconds}s", name, "443", f"https://{name}/"])
    return (done.stdout + done.stderr).decode(errors="replace")


@BOTH
def test_allowed(lab, v6):
    name = f"a{family(v6)}.fine.test"
    assert lab.quic(name, v6=v6) and lab.arrived(name)[-1]["proto"] == "HTTP/3.0"


@BOTH
def test_ten_in_a_row(lab, v6):
    for i in range(10):
        assert lab.quic(f"row{i}.fine.test", v6=v6), i


@BOTH
def test_Q24_a_refusal_is_a_close_and_comes_at_once(lab, v6):
    name = f"b{family(v6)}.tracker.example"
    stays = iter((3, 10, 10, 20))

    def attempt():
        words = ask(lab, name, v6, next(stays))
        line = next((w for w in words.splitlines() if "CONNECTION_CLOSE" in w and " rx " in w), None)
        if not line:
            print(words[-2000:])
            return float("inf")
        after = int(line.split()[0].lstrip("I"))  # "I00000012 0x... frm rx 0 Initial CONNECTION_CLOSE..."
        print(f"closed after {after} ms: {line.split('rx', 1)[1]}")
        return after / 1000

    labkit.at_once(attempt, 1)
    assert not lab.asked(name)
    seen = labkit.until(lambda: [e for e in lab.events(f'"{name}"') if e.get("verdict") == "block"])
    assert seen and "quic" in str(seen[0])


@BOTH
def test_Q16_a_second_connection_on_the_same_ports(lab, v6):
    """The ports of an allowed connection do not open the way for another name: long headers are always looked at."""
    # gtlsclient cannot bind: the client's own namespace rewrites what it sends to one port
    tool = "ip6tables" if v6 else "iptables"
    rule = ["POSTROUTING", "-t", "nat", "-p", "udp", "--dport", "443", "-j", "MASQUERADE", "--to-ports", "39999"]
    lab.exec("client", [tool, "-w", "-I", *rule], check=True)
    try:
        assert lab.quic(f"s{family(v6)}.fine.test", v6=v6)
        lab.exec("client", ["conntrack", "-D", "-p", "udp", "--dport", "443", "-f", "ipv6" if v6 else "ipv4"])
        name = f"s{family(v6)}.tracker.example"
        assert lab.quic(name, v6=v6, timeout=2) is None
        assert not lab.asked(name)
        lab.exec("client", ["conntrack", "-D", "-p", "udp", "--dport", "443", "-f", "ipv6" if v6 else "ipv4"])
        assert lab.quic(f"s2-{family(v6)}.fine.test", v6=v6)
    finally:
        lab.exec("client", [tool, "-w", "-D", *rule])


@BOTH
def test_Q20_udp_443_that_is_no_quic_follows_otherwise(lab, v6):
    """Calls and games use the port too."""
    peers.add_addresses(lab, peers.PEER)
    kind = socket.AF_INET6 if v6 else socket.AF_INET
    with lab.inside("origin"):
        server = socket.socket(kind, socket.SOCK_DGRAM)
        server.bind((peers.PEER[family(v6)], 443))
    with lab.inside("client"):
        client = socket.socket(kind, socket.SOCK_DGRAM)
    with server, client:
        server.settimeout(3)
        client.settimeout(3)

        def exchange(word):
            client.sendto(word, (peers.PEER[family(v6)], 443))
            with contextlib.suppress(TimeoutError):
                data, source = server.recvfrom(2000)
                server.sendto(data, source)
                return client.recv(2000) == word
            return False

        for i in range(3):
            assert labkit.until(lambda: exchange(b"\x00\x01\x00\x00!\x12\xa4B%d" % i + bytes(10)))
