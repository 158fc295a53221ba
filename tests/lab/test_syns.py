# SPDX-License-Identifier: GPL-3.0-or-later
"""T48: a SYN sent again with another number before the handshake completes. The number that the server answered counts.

A client on raw sockets; SYNs that are "lost" pass the gateway and do not reach the server (peers.lose_far_syns).
"""
import struct

import pytest

import labkit
import peers
import rawtcp

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block blocked.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp none\nproxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
FAR, NEAR = 7777777, 40  # how far the other number is: beyond any window; inside the very request
#         SYNs in this order: (distance from ours, whether it is lost on its way)
ORDERS = {"a lost one first": ((FAR, True), (0, False)), "a lost one behind": ((0, False), (FAR, True)),
          "below": ((-FAR, True), (0, False)), "inside the request": ((NEAR, True), (0, False)),
          "both arrive": ((FAR, False), (0, False)), "many": tuple((FAR * k, True) for k in range(1, 9)) + ((0, False),)}
EACH = pytest.mark.parametrize("order", ORDERS)


@pytest.fixture(scope="module")
def lost(lab):
    peers.lose_far_syns(lab)


def open_by(w, order):
    """Sends the SYNs; w goes on with the number that was answered. The numbers that were not."""
    numbers = [(w.isn + distance) & 0xffffffff for distance, _ in ORDERS[order]]
    for number, (_, is_lost) in zip(numbers, ORDERS[order]):
        w.send(b"", flags=rawtcp.SYN, seq=number, ack=0, ttl=peers.LOST_TTL if is_lost else 64,
               options=struct.pack(">BBH", 2, 4, 1400))
    answer = w.wait(lambda s: s.flags & rawtcp.SYN and s.flags & rawtcp.ACK)
    assert answer, "no SYN-ACK"
    w.isn, w.server_isn = (answer.ack - 1) & 0xffffffff, answer.seq
    w.send(b"", flags=rawtcp.ACK)
    return [n for n in numbers if n != w.isn]


def request(name):
    return b"GET / HTTP/1.0\r\nHost: " + name.encode() + b"\r\n\r\n"


@BOTH
@EACH
def test_T48_no_decoy_behind_another_number_is_judged_instead(lab, lost, order, v6):
    for port, words in ((80, request), (443, rawtcp.hello)):
        for first in (True, False):  # the decoy before or behind what the server takes
            with rawtcp.Wire(lab, v6, port=port) as w:
                others = open_by(w, order)
                for step in ("decoy", "real") if first else ("real", "decoy"):
                    if step == "real":
                        w.send(words("blocked.example"))
                    for number in others if step == "decoy" else ():
                        w.send(words("fine.example"), seq=number + 1)
                got = w.answer(1)
                assert got in (None, "alert", "reset", "fin") or got[9:13] in (b"403 ", b"400 "), got
    assert not lab.asked("blocked.example")


@BOTH
@EACH
def test_T48_who_means_no_harm_is_served_or_refused(lab, lost, order, v6):
    """On the inspect path nobody can say which number the server took, so the flow contradicts itself: it is refused (a
    number below an earlier one is no connection's to conntrack at all), and the next connection is served."""
    with rawtcp.Wire(lab, v6, port=80) as w:
        open_by(w, order)
        w.send(request("fine.example"))
        got = w.answer(labkit.PATIENCE if lab.path == "T" or order == "below" else 1)
        served = isinstance(got, bytes) and got.startswith(b"HTTP/1.1 200")
        assert served or (lab.path == "N" and got in (None, "reset")), got
        assert got or order != "below", "the SYN's number went up, as that of a port used again: an answer at once"
    assert lab.curl("http://fine.example/", v6=v6).status == 200
