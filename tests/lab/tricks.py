# SPDX-License-Identifier: GPL-3.0-or-later
"""The tricks: ways to send one hello so that a careless inspector reads another name than the server, or none.

test_generators.py shows over plain forwarding that each works against a server behind a router that does not look;
test_tricks.py that Durward is not fooled.
"""
import hello as hellos
import peers
import forge


def _twice(h):
    return [p for pair in zip(hellos.pieces(h, 90), hellos.pieces(h, 90)) for p in pair] + hellos.pieces(h, 130)


# one hello, all of it, in segments: (offset, bytes)
SHAPES = {
    "whole": lambda h: hellos.pieces(h, 1400),
    "T05 1-byte segments": lambda h: hellos.pieces(h, 1),
    "T02 reversed segments": lambda h: hellos.pieces(h, 40)[::-1],
    "T02 T05 reversed 1-byte segments": lambda h: hellos.pieces(h, 1)[::-1],
    "T02 the last byte first": lambda h: hellos.cuts(h, len(h) - 1)[::-1],
    "cut inside the name": lambda h: hellos.cuts(h, h.index(b".example") - 3),
    "cut inside the name, reversed": lambda h: hellos.cuts(h, h.index(b".example") - 3)[::-1],
    "T07 record header cut": lambda h: hellos.cuts(h, 1, 2, 3, 4, 5, 6),
    "T03 every segment twice, then all again": _twice,
    "T06 two records": lambda h: hellos.pieces(hellos.records(h, 100, 16000), 1400),
    "T06 a record of 1 byte first": lambda h: hellos.pieces(hellos.records(h, 1, 16000), 1400),
    "T07 records of 1 byte": lambda h: hellos.pieces(hellos.records(h, 1), 1400),
    "T06 small records in small segments": lambda h: hellos.pieces(hellos.records(h, 7), 3),
    "T02 T06 small records, reversed segments": lambda h: hellos.pieces(hellos.records(h, 16), 50)[::-1],
}

# how a segment is made so that the gateway sees it and the server does not take it
FAKES = {
    "P06 bad checksum": {"bad_sum": True},
    "P18 MD5 option": {"md5": True},
    "P19 old timestamp": {"old_clock": True},
    "T43 P17 low TTL": {"ttl": 3},
    "P20 sequence too low": {"shift": -10000},
    "P20 sequence too high": {"shift": 200000},
    "P20 acknowledgement too old": {"ack": -2000000},
    "P22 no ACK flag": {"flags": forge.PSH},
}

# two hellos of one length that differ in the name only; a, b -> segments
OVERLAPS = {
    "T04 all but the last byte, then the other whole": lambda a, b: [(0, a[:-1]), (0, b)],
    "T04 the tail, then the other whole": lambda a, b: [(60, a[60:]), (0, b)],
    "T04 the tail, the other tail, the common head": lambda a, b: [(60, a[60:]), (60, b[60:]), (0, a[:60])],
    "T04 the name, then the other around it": lambda a, b: [(_at(a), a[_at(a):_at(a) + 30]), (0, b[:_at(b) + 10]),
                                                       (_at(b) + 10, b[_at(b) + 10:])],
    "T04 whole, then the other whole": lambda a, b: [(0, a), (0, b)],
    "T04 1-byte segments, each with its other": lambda a, b: [p for i in range(len(a) - 1, -1, -1)
                                                          for p in ((i, a[i:i + 1]), (i, b[i:i + 1]))],
}


def _at(h):
    return h.index(b".example") - 14


def drop_low_ttl(lab):
    """The origin's side has one router more than the lab draws: what has little TTL left dies on the way."""
    for tool, match in (("iptables", ["-m", "ttl", "--ttl-lt", "10"]), ("ip6tables", ["-m", "hl", "--hl-lt", "10"])):
        # not a dropped neighbour advertisement: those have 255
        rule = ["PREROUTING", "-t", "raw", "-p", "tcp", *match, "-j", "DROP"]
        if lab.exec("origin", [tool, "-w", "-C", *rule]).returncode:
            lab.exec("origin", [tool, "-w", "-A", *rule], check=True)


def prepare(lab):
    forge.mute(lab)
    drop_low_ttl(lab)
    # a forged packet makes the gateway send redirects, and the origin is its neighbour here: it would believe them
    lab.exec("origin", ["sh", "-c", "for f in /proc/sys/net/ipv?/conf/*/accept_redirects; do echo 0 >$f; done"])


def put_all(conn, segments):
    for offset, data in segments:
        conn.put(offset, data)
    conn.sent = max(offset + len(data) for offset, data in segments)


def fake_then_real(conn, fake, real, forged=False, shift=0, **how):
    """A hello that dies, perhaps a server's answer that nobody gave, then the hello that is meant."""
    conn.put(shift, fake, **how)
    if forged:
        conn.poll(0.02)
        conn.forge_from_server(hellos.SERVER_HELLO, len(real))
        conn.poll(0.02)
    conn.put(0, real)
    conn.sent = len(real)


def before_the_window(conn, fine, real):
    """One segment that begins before the stream does: an allowed hello for who takes its start for the stream's, the
    other one, which it carries, for a server, which throws away what it never asked for."""
    whole = hellos.carrying(fine, real)
    at = whole.index(real)
    conn.put(-at, whole)
    conn.sent = len(whole) - at


def open_to_judge(lab, v6, **how):
    conn = forge.RawTcp(lab, peers.PEER[6 if v6 else 4], 443, **how)
    assert conn.connect(), "no connection"
    return conn
