# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks of the proxy path's packets: the owner's mark of a client's connection is on our connection to the server, too, and what
we send ourselves bears our own, so that the owner's firewall can know it.
"""
import contextlib
import re

import pytest

import labkit

POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
SETTINGS = "inspect-tcp 443\nproxy-tcp 80\n"
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
OWN, TPROXY = "0x2000000/0x2000000", "0x8000000/0x8000000"


@contextlib.contextmanager
def rules(lab, v6, *lines):
    """The owner's, in the gateway; in front of all others."""
    tool = "ip6tables" if v6 else "iptables"
    for line in lines:
        lab.exec("gateway", [tool, "-w", *line.split()], check=True)
    try:
        yield
    finally:
        for line in lines:
            undo = re.sub(r"-P (\w+) DROP", r"-P \1 ACCEPT", re.sub(r"-I (\w+) 1 ", r"-D \1 ", line))
            lab.exec("gateway", [tool, "-w", *undo.split()], check=True)


def packets(lab, v6, comment):
    """How many packets the rule with this comment has seen."""
    saved = lab.exec("gateway", ["ip6tables-save" if v6 else "iptables-save", "-c", "-t", "mangle"]).stdout.decode()
    return int(re.search(rf"\[(\d+):\d+\][^\n]*{comment}", saved)[1])


@BOTH
def test_the_owners_mark_is_on_both_legs(lab, v6):
    client = labkit.CLIENT[6 if v6 else 4]
    with rules(lab, v6, f"-t mangle -I PREROUTING 1 -s {client} -j MARK --set-xmark 0x55/0xffff",
               "-t mangle -I OUTPUT 1 -p tcp --dport 80 -m mark --mark 0x55/0xffff -m comment --comment marked",
               "-t mangle -I OUTPUT 1 -p tcp --dport 80 -m mark --mark 0x0/0xffff -m comment --comment bare"):
        assert lab.curl("http://a.allow.example/", v6=v6).status == 200
        seen = packets(lab, v6, "marked")
        assert seen >= 4 and packets(lab, v6, "bare") == 0
        assert lab.curl("http://b.allow.example/", v6=v6, ns="client2").status == 200
        assert packets(lab, v6, "marked") == seen and packets(lab, v6, "bare") >= 4


@BOTH
def test_a_routing_rule_by_mark_holds(lab, v6):
    """The way that the owner has closed for this client is closed on our leg."""
    family, client = ("-6" if v6 else "-4"), labkit.CLIENT[6 if v6 else 4]
    rule = ["fwmark", "0x55/0xffff", "iif", "lo", "prohibit"]
    lab.exec("gateway", ["ip", family, "rule", "add", "pref", "50", *rule], check=True)
    try:
        with rules(lab, v6, f"-t mangle -I PREROUTING 1 -s {client} -j MARK --set-xmark 0x55/0xffff"):
            assert lab.curl("http://c.allow.example/", v6=v6).status == 0
        assert lab.curl("http://d.allow.example/", v6=v6).status == 200
    finally:
        lab.exec("gateway", ["ip", family, "rule", "del", "pref", "50"], check=True)


@BOTH
def test_our_mark_opens_a_closed_firewall(lab, v6):
    icmp = "ipv6-icmp" if v6 else "icmp"
    with rules(lab, v6, f"-I INPUT 1 -m mark --mark {TPROXY} -j ACCEPT", f"-I OUTPUT 1 -m mark --mark {OWN} -j ACCEPT",
               f"-I INPUT 1 -p {icmp} -j ACCEPT", f"-I OUTPUT 1 -p {icmp} -j ACCEPT", "-I INPUT 1 -p udp -j ACCEPT",
               "-I OUTPUT 1 -p udp -j ACCEPT", "-P INPUT DROP", "-P OUTPUT DROP"):
        reply = lab.curl("http://e.allow.example/", v6=v6)
        assert reply.status == 200
        assert lab.curl("http://f.block.example/", v6=v6).status == 403
    print(f"{reply.seconds * 1000:.0f} ms")


@BOTH
def test_the_end_of_a_refused_connection_bears_it_too(lab, v6):
    """On the inspect path: the RST goes to the server by the way of the connection's other packets."""
    client = labkit.CLIENT[6 if v6 else 4]
    rst = "-t mangle -I OUTPUT 1 -p tcp --dport 443 --tcp-flags RST RST"
    with rules(lab, v6, f"-t mangle -I PREROUTING 1 -s {client} -j MARK --set-xmark 0x55/0xffff",
               f"{rst} -m mark --mark 0x2000055/0x200ffff -m comment --comment marked",
               f"{rst} -m mark --mark 0x0/0xffff -m comment --comment bare"):
        assert lab.curl("https://g.block.example/", v6=v6).status == 0
        assert labkit.until(lambda: packets(lab, v6, "marked"))
        assert packets(lab, v6, "bare") == 0
