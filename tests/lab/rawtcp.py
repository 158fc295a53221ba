# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP client that sends what it is told: any segment, order, overlap, flag or option; and the hellos to send.

It lives in a lab's client namespace on raw sockets. The client's own kernel knows nothing of its connections, so an
iptables rule there keeps it from resetting them. Packets leave by AF_PACKET, so that forged ones leave too.
"""
import contextlib
import random
import re
import socket
import ssl
import struct
import time

import labkit

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
GATEWAY_MAC = bytes.fromhex("00005e005301")
CLIENT_MAC = bytes.fromhex("00005e005302")


def hello(name, big=False, groups=None):
    """The bytes of a ClientHello as OpenSSL writes it; big: over 2000 bytes, as post-quantum ones are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if big:
        context.set_alpn_protocols([f"padding-{i:022d}" for i in range(60)])
    if groups:
        context.set_ecdh_curve(groups)
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def records(data, size):
    """The same handshake bytes in records of at most `size` bytes."""
    body = data[5:]
    return b"".join(data[:3] + struct.pack(">H", len(body[i:i + size])) + body[i:i + size]
                    for i in range(0, len(body), size))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Segment:
    def __init__(self, flags, seq, ack, payload, options):
        self.flags, self.seq, self.ack, self.payload, self.options = flags, seq, ack, payload, options

    def __repr__(self):
        return f"<{self.flags:02x} seq {self.seq} ack {self.ack} {self.payload[:12].hex()}>"


class Wire:
    """One connection from the client to the origin. Offsets count from the first byte of each side."""

    def __init__(self, lab, v6=False, port=443, address=None, timestamps=False, sport=None):
        self.lab, self.v6, self.port, self.timestamps = lab, v6, port, timestamps
        self.family = socket.AF_INET6 if v6 else socket.AF_INET
        self.src = socket.inet_pton(self.family, labkit.CLIENT[6 if v6 else 4])
        self.dst = socket.inet_pton(self.family, address or labkit.ORIGIN[6 if v6 else 4])
        self.sport = sport or random.randint(20000, 30000)
        self.isn = random.getrandbits(32)
        self.server_isn, self.tsval, self.ts_server = 0, 100000, 0
        self.segments, self.end = [], 0

    def __enter__(self):
        tool = "ip6tables" if self.v6 else "iptables"
        rule = ["OUTPUT", "-p", "tcp", "--sport", str(self.sport), "--tcp-flags", "RST", "RST", "-j", "DROP"]
        self.rule = [tool, "-w", "-D"] + rule
        self.lab.exec("client", [tool, "-w", "-A"] + rule, check=True)
        with self.lab.inside("client"):
            self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd if self.v6 else 0x0800))
            self.link.bind(("eth0", 0x86dd if self.v6 else 0x0800))
        # a hello of 1-byte segments is answered by hundreds of packets before the first is read
        self.link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        return self

    def __exit__(self, *_):
        self.send(b"", flags=RST | ACK, at=self.end)
        self.link.close()
        self.lab.exec("client", self.rule)

    # -- out

    def _ip(self, src, dst, proto, body, ttl):
        if self.v6:
            return struct.pack(">IHBB", 6 << 28, len(body), proto, ttl) + src + dst + body
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), random.getrandbits(16), 0, ttl, proto, 0, src, dst)
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body

    def _tcp(self, src, dst, sport, dport, seq, ack, flags, payload, options, urgent=0, bad=False):
        options += b"\1" * (-len(options) % 4)
        offset = (5 + len(options) // 4) << 4
        body = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, offset, flags, 64000, 0, urgent)
        body += options + payload
        pseudo = src + dst + (struct.pack(">II", len(body), 6) if self.v6 else struct.pack(">BBH", 0, 6, len(body)))
        right = checksum(pseudo + body)
        return body[:16] + struct.pack(">H", right ^ (0x5555 if bad else 0)) + body[18:]

    def packet(self, ip):
        self.link.send(GATEWAY_MAC + CLIENT_MAC + struct.pack(">H", 0x86dd if self.v6 else 0x0800) + ip)

    def send(self, payload, at=0, flags=PSH | ACK, ttl=64, options=b"", seq=None, ack=None, ts=None, urgent=0, bad=False):
        """One segment: payload at stream offset `at`, or at an absolute sequence number."""
        if self.timestamps and b"\x08\x0a" not in options:
            self.tsval += 1
            options += struct.pack(">BBBBII", 1, 1, 8, 10, self.tsval if ts is None else ts, self.ts_server)
        self.end = max(self.end, at + len(payload)) if at < 1 << 16 else self.end
        seq = self.isn + 1 + at if seq is None else seq
        if ack is None:
            ack = self.server_isn + 1 + len(self.received())
        tcp = self._tcp(self.src, self.dst, self.sport, self.port, seq, ack, flags, payload, options, urgent, bad)
        self.packet(self._ip(self.src, self.dst, 6, tcp, ttl))

    def forge(self, payload, at=0, ack=0):
        """A segment in the server's name, from the client's side of the gateway."""
        tcp = self._tcp(self.dst, self.src, self.port, self.sport, self.server_isn + 1 + at, self.isn + 1 + ack,
                        PSH | ACK, payload, b"")
        self.packet(self._ip(self.dst, self.src, 6, tcp, 64))

    def connect(self):
        options = struct.pack(">BBH", 2, 4, 1400)
        for _ in range(labkit.PATIENCE):
            if self.timestamps:
                options = struct.pack(">BBH", 2, 4, 1400) + struct.pack(">BBBBII", 1, 1, 8, 10, self.tsval, 0)
            self.send(b"", flags=SYN, seq=self.isn, ack=0, options=options)
            answer = self.wait(lambda s: s.flags & (SYN | RST), 1)
            if answer and answer.flags & SYN:
                self.server_isn = answer.seq
                self.send(b"", flags=ACK)
                return self
        raise OSError("no SYN-ACK")

    # -- in

    def _take(self, timeout):
        self.link.settimeout(max(timeout, 0.001))
        frame = self.link.recv(65535)[14:]
        if self.v6:
            src, dst, proto, body = frame[8:24], frame[24:40], frame[6], frame[40:40 + struct.unpack(">H", frame[4:6])[0]]
        else:
            size = struct.unpack(">H", frame[2:4])[0]
            src, dst, proto, body = frame[12:16], frame[16:20], frame[9], frame[(frame[0] & 15) * 4:size]
        if (src, dst, proto) != (self.dst, self.src, 6):
            return None
        sport, dport, seq, ack, offset, flags = struct.unpack(">HHIIBB", body[:14])
        if (sport, dport) != (self.port, self.sport):
            return None
        start = (offset >> 4) * 4
        return Segment(flags, seq, ack, body[start:], body[20:start])

    def wait(self, what, timeout=labkit.PATIENCE):
        """The first segment from now on for which what(segment) is true; None when the time is over."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                got = self._take(end - time.monotonic())
            except (TimeoutError, socket.timeout):
                return None
            if not got:
                continue
            self.segments.append(got)
            self._timestamp(got)
            if what(got):
                return got
        return None

    def _timestamp(self, got):
        at = got.options.find(b"\x08\x0a")
        if at >= 0:
            self.ts_server = struct.unpack(">I", got.options[at + 2:at + 6])[0]

    def received(self):
        """The server's bytes so far, in order."""
        out = b""
        for s in sorted(self.segments, key=lambda s: (s.seq - self.server_isn) & 0xffffffff):
            at = (s.seq - self.server_isn - 1) & 0xffffffff
            if s.payload and at <= len(out) < at + len(s.payload):
                out = out[:at] + s.payload + out[at + len(s.payload):]
        return out

    def answer(self, timeout=labkit.PATIENCE):
        """What became of the hello: "hello" (a ServerHello), "alert", "reset", "fin", bytes, or None (silence). Where silence
        is right as well, a short timeout will do."""
        got = self.wait(lambda s: s.payload or s.flags & (RST | FIN), timeout)
        if not got:
            return None
        if got.payload[:2] == b"\x16\x03" and got.payload[5:6] == b"\x02":
            return "hello"
        if got.payload[:2] == b"\x15\x03":
            return "alert"
        return got.payload or ("reset" if got.flags & RST else "fin")


def costs(lab, what, packets, tries=6):
    """what() puts so many packets into the queues. More when something is sent again (a busy machine, an earlier test's
    connection that ends): then it is done once more, and not each time."""
    seen = []
    while packets not in seen:
        assert len(seen) < tries, f"queued packets: {seen}, not {packets}"
        before = queued(lab)
        what()
        seen.append(queued(lab) - before)


def queued(lab):
    """Packets of others that the rules have put into the lab's queues so far (the supervisor's probes come another way)."""
    text = "".join(lab.exec("gateway", [tool, "-c", "-t", "security"]).stdout.decode()
                   for tool in ("iptables-save", "ip6tables-save"))
    return sum(int(n) for n in re.findall(r"^\[(\d+):\d+\] -A DURWARD-QUEUE .*-j NFQUEUE", text, flags=re.M))
