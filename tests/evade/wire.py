# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames by hand: Ethernet, IPv4 and IPv6 with fragments and extension headers, TCP and UDP; and the reading of them.

Owns: nothing; pure. Every lie that a sender may tell (checksum, length, option, order) is a field here.
See: RFC 791, 8200, 9293, 768.
"""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
M32 = 0xFFFFFFFF
TCP, UDP = 6, 17


def checksum(data):
    """The Internet checksum: a sum modulo 65535 is what RFC 1071 calls end-around carry."""
    if len(data) & 1:
        data += b"\0"
    rest = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - rest if rest else 0


class Ends:
    """Two addresses of one family as bytes, with what does not change from packet to packet."""

    __slots__ = ("v6", "src", "dst", "pair")

    def __init__(self, src, dst):
        self.src, self.dst = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
        self.v6 = len(self.src) == 16
        self.pair = self.src + self.dst

    def back(self):
        other = Ends.__new__(Ends)
        other.v6, other.src, other.dst = self.v6, self.dst, self.src
        other.pair = other.src + other.dst
        return other


def pseudo(ends, proto, length):
    return ends.pair + (struct.pack("!IHBB", length, 0, 0, proto) if ends.v6 else struct.pack("!BBH", 0, proto, length))


def tcp(ends, sport, dport, seq, ack, flags, data=b"", options=b"", window=64240, urgent=0, sumdelta=0, doff=None):
    options += b"\1" * (-len(options) % 4)
    words = 5 + len(options) // 4 if doff is None else doff
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & M32, ack & M32, words << 4, flags, window, 0, urgent)
    body = head + options + data
    total = (checksum(pseudo(ends, TCP, len(body)) + body) + sumdelta) & 0xFFFF
    return body[:16] + total.to_bytes(2, "big") + body[18:]


def udp(ends, sport, dport, data, sumdelta=0, behind=b""):
    """behind: bytes of the packet that the length in the header leaves out."""
    body = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    total = ((checksum(pseudo(ends, UDP, len(body)) + body) or 0xFFFF) + sumdelta) & 0xFFFF
    return body[:6] + total.to_bytes(2, "big") + body[8:] + behind


def ip4(ends, proto, body, ttl=64, ident=0, fragment=0, options=b"", tos=0):
    options += b"\0" * (-len(options) % 4)
    ihl = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | ihl, tos, ihl * 4 + len(body), ident, fragment, ttl, proto, 0)
    head += ends.pair + options
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + body


def ip6(ends, proto, body, hlim=64, flow=0):
    return struct.pack("!IHBB", 0x60000000 | flow, len(body), proto, hlim) + ends.pair + body


def extend(proto, body, headers):
    """(next header, bytes) with IPv6 extension headers before them. A header is ("hop" | "dest", option bytes) or
    ("route", b"") (type 0, no segment left)."""
    number = {"hop": 0, "dest": 60, "route": 43}
    for kind, content in reversed(headers):
        if kind == "route":
            content = b"\0\0" + b"\0" * 4
        size = 2 + len(content)
        pad = -size % 8
        content += b"" if pad == 0 else b"\0" if pad == 1 else bytes((1, pad - 2)) + b"\0" * (pad - 2)
        body = bytes((proto, (2 + len(content)) // 8 - 1)) + content + body
        proto = number[kind]
    return proto, body


def pieces(body, cuts):
    """Byte ranges of a body cut at multiples of eight: [(begin, end, more)]."""
    edges = sorted({0, len(body), *(c - c % 8 for c in cuts if 0 < c - c % 8 < len(body))})
    return [(a, b, b < len(body)) for a, b in zip(edges, edges[1:])]


def packets(ends, proto, body, ttl=64, ident=0, cuts=None, order=None, extension=(), options=b"", behind=()):
    """IP packets for one transport segment: one, or its fragments in that order (a list of indices).

    extension: IPv6 headers before the fragment header; behind: those after it (IPv6 only).
    """
    if ends.v6:
        proto, body = extend(proto, body, behind)
    if cuts is None:
        if ends.v6:
            return [ip6(ends, *extend(proto, body, extension), ttl)]
        return [ip4(ends, proto, body, ttl, ident & 0xFFFF, options=options)]
    parts = pieces(body, cuts)
    out = []
    for i in order if order is not None else range(len(parts)):
        begin, end, more = parts[i % len(parts)]
        if ends.v6:
            head = struct.pack("!BBHI", proto, 0, begin | more, ident)
            out.append(ip6(ends, *extend(44, head + body[begin:end], extension), ttl))
        else:
            out.append(ip4(ends, proto, body[begin:end], ttl, ident & 0xFFFF, begin // 8 | (0x2000 if more else 0)))
    return out


def read(packet):
    """(protocol, source, destination, transport bytes) of a whole IP packet, None for any other."""
    if packet[0] >> 4 == 4:
        ihl = (packet[0] & 15) * 4
        if packet[6] & 0x3F or packet[7]:
            return None
        return packet[9], packet[12:16], packet[16:20], packet[ihl:int.from_bytes(packet[2:4], "big") or len(packet)]
    length = int.from_bytes(packet[4:6], "big")
    return packet[6], packet[8:24], packet[24:40], packet[40:40 + length if length else len(packet)]


def stamp(value, echo):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value & M32, echo & M32)


def read_stamp(options):
    """TSval of a TCP header's options, None without."""
    i = 0
    while i < len(options):
        kind = options[i]
        if kind == 0:
            return None
        if kind == 1:
            i += 1
            continue
        if i + 1 >= len(options) or options[i + 1] < 2:
            return None
        if kind == 8 and options[i + 1] == 10:
            return int.from_bytes(options[i + 2:i + 6], "big")
        i += options[i + 1]
    return None
