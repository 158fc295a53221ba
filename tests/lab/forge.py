# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP client that says exactly what it is told: segments of any size, order and content, and forgeries.

Owns: one packet socket on the client's eth0, a source port of its own, and one rule in the client's namespace that
keeps the kernel's RSTs away from those ports. No retransmission, no congestion control: the lab loses nothing.
"""
import itertools
import os
import random
import select
import socket
import struct
import time

import labkit

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
GATEWAY_MAC = "00:00:5e:00:53:01"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PORTS = (20000, 29999)
_ports = itertools.count(PORTS[0] + os.getpid() * 37 % 5000)


def mute(lab):
    """The client's kernel knows nothing of our connections: it must not reset them."""
    for tool in ("iptables", "ip6tables"):
        rule = ["OUTPUT", "-p", "tcp", "--sport", f"{PORTS[0]}:{PORTS[1]}", "--tcp-flags", "RST", "RST", "-j", "DROP"]
        if lab.exec("client", [tool, "-w", "-C", *rule]).returncode:
            lab.exec("client", [tool, "-w", "-A", *rule], check=True)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(src, dst, proto, payload, ttl, ident=0):
    """An IPv4 or IPv6 packet around this payload."""
    if ":" in src:
        return (struct.pack("!IHBB", 6 << 28, len(payload), proto, ttl) + socket.inet_pton(socket.AF_INET6, src)
                + socket.inet_pton(socket.AF_INET6, dst) + payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident or random.randrange(1, 65535), 0x4000, ttl,
                       proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo(src, dst, proto, length):
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    head = socket.inet_pton(family, src) + socket.inet_pton(family, dst)
    return head + (struct.pack("!IxxxB", length, proto) if ":" in src else struct.pack("!xBH", proto, length))


def tcp_segment(src, dst, sport, dport, seq, ack, flags, data=b"", options=b"", bad_sum=False, window=65535):
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, (20 + len(options)) // 4 << 4,
                       flags, window, 0, 0) + options
    total = checksum(pseudo(src, dst, 6, len(head) + len(data)) + head + data)
    return head[:16] + struct.pack("!H", total ^ 0x1234 if bad_sum else total) + head[18:] + data


class RawTcp:
    """Offsets count the bytes of our stream: 0 is the first byte after the SYN."""

    def __init__(self, lab, dst, dport=443, timestamps=False):
        self.v6 = ":" in dst
        self.src, self.dst = labkit.CLIENT[6 if self.v6 else 4], dst
        self.sport, self.dport = next(_ports), dport
        self.first = random.randrange(1 << 32)  # sequence number of offset 0
        self.timestamps, self.clock, self.echo = timestamps, random.randrange(1 << 20, 1 << 31), 0
        self.sent = 0  # offset of the next byte that `send` takes
        self.server_first = None
        self.stream = b""  # what the server said, in order
        self.fin = self.reset = False
        self.forged = []  # what we said in the server's name: a router may send it back to us
        self.ended_after = None
        self.begun = time.monotonic()
        with lab.inside("client"):
            ether = 0x86dd if self.v6 else 0x0800
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ether))
            self.sock.bind(("eth0", ether))
        # a hello of 1-byte segments is answered by hundreds of packets before the first is read
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.ether = bytes.fromhex((GATEWAY_MAC + labkit.MAC["client"]).replace(":", "")) + struct.pack("!H", ether)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.abort()

    def abort(self):
        """Ends it: a RST towards the server, so that nothing of this connection is left anywhere."""
        if self.sock:
            if not self.reset:
                self.put(self.sent, b"", flags=RST | ACK)
            self.sock.close()
            self.sock = None

    # -- out

    def emit(self, packet):
        self.sock.send(self.ether + packet)

    def options(self, clock):
        return b"\1\1\x08\x0a" + struct.pack("!II", clock & 0xffffffff, self.echo) if self.timestamps else b""

    def put(self, offset, data, flags=PSH | ACK, ttl=64, bad_sum=False, md5=False, old_clock=False, ack=0):
        """One segment. ack is added to the right acknowledgement number."""
        self.clock += 1
        options = self.options(self.clock - (1 << 24 if old_clock else 0))
        if md5:
            options += b"\1\1\x13\x12" + os.urandom(16)
        segment = tcp_segment(self.src, self.dst, self.sport, self.dport, self.first + offset, self.acked + ack, flags,
                              data, options, bad_sum)
        self.emit(ip_header(self.src, self.dst, 6, segment, ttl))

    @property
    def acked(self):
        return 0 if self.server_first is None else self.server_first + len(self.stream) + self.fin

    def send(self, data, size=1400):
        for i in range(0, len(data), size):
            self.put(self.sent, data[i:i + size])
            self.sent += len(data[i:i + size])

    def forge_from_server(self, data, client_offset):
        """A segment in the server's name, sent from the client's side."""
        self.forged.append(data)
        segment = tcp_segment(self.dst, self.src, self.dport, self.sport, self.acked, self.first + client_offset,
                              PSH | ACK, data, self.options(self.echo))
        self.emit(ip_header(self.dst, self.src, 6, segment, 64))

    def connect(self, seconds=labkit.PATIENCE):
        options = struct.pack("!BBH", 2, 4, 1440) + self.options(self.clock)
        segment = tcp_segment(self.src, self.dst, self.sport, self.dport, self.first - 1, 0, SYN, b"", options)
        end = time.monotonic() + seconds
        while self.server_first is None and not self.reset and time.monotonic() < end:
            self.emit(ip_header(self.src, self.dst, 6, segment, 64))
            self.poll(0.5, lambda: self.server_first is not None)
        if self.server_first is not None:
            self.put(0, b"", flags=ACK)
        return self.server_first is not None and not self.reset

    # -- in

    def poll(self, seconds, enough=lambda: False):
        """Takes what comes until enough(), the end of the connection, or the time is over; whether enough()."""
        end = time.monotonic() + seconds
        while not enough() and not (self.fin or self.reset):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                break
            self._take(self.sock.recv(70000)[14:])
        return bool(enough())

    def _take(self, packet):
        if self.v6:
            if packet[6] != 6 or socket.inet_ntop(socket.AF_INET6, packet[8:24]) != self.dst:
                return
            tcp = packet[40:40 + struct.unpack_from("!H", packet, 4)[0]]
        else:
            if packet[9] != 6 or socket.inet_ntoa(packet[12:16]) != self.dst:
                return
            tcp = packet[(packet[0] & 15) * 4:struct.unpack_from("!H", packet, 2)[0]]
        sport, dport, seq, _, offset, flags = struct.unpack_from("!HHIIBB", tcp)
        if (sport, dport) != (self.dport, self.sport):
            return
        self._hear(seq, flags, tcp[20:(offset >> 4) * 4], tcp[(offset >> 4) * 4:])

    def _hear(self, seq, flags, options, data):
        if data and data in self.forged:
            return
        if flags & SYN:
            if self.server_first is None:
                self.server_first = seq + 1
                self.timestamps = self.timestamps and b"\x08\x0a" in options
        at = options.find(b"\x08\x0a")
        if self.timestamps and at >= 0 and len(options) >= at + 10:
            self.echo = struct.unpack_from("!I", options, at + 2)[0]
        if flags & RST:
            self.reset = True
        elif self.server_first is not None and not flags & SYN:
            new = (self.server_first + len(self.stream) - seq) & 0xffffffff
            if new <= len(data):
                self.stream += data[new:]
                self.fin = self.fin or bool(flags & FIN)
            if data or flags & FIN:
                self.put(self.sent, b"", flags=ACK)
        if self.reset or self.fin:
            self.ended_after = self.ended_after or time.monotonic() - self.begun
