# SPDX-License-Identifier: GPL-3.0-or-later
"""ClientHellos: made by OpenSSL, then shaped: other records, other segments, other names, more bytes. Pure.

A segmented hello is a list of (offset in the stream, bytes).
"""
import os
import ssl
import struct

SERVER_HELLO = b"\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03" + bytes(range(32)) + b"\x20" + bytes(32) + b"\x13\x01" + bytes(13)


class Tls:
    """A TLS client in memory: bytes in, bytes out."""

    def __init__(self, name, max_version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if max_version:
            context.maximum_version = max_version
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.into, self.out, server_hostname=name)
        self.hello = self._try(self.object.do_handshake) or self.out.read()
        self.fed = 0

    @staticmethod
    def _try(what):
        try:
            what()
        except ssl.SSLWantReadError:
            pass

    def fetch(self, conn, seconds=30):
        """Once the hello went out over this RawTcp: the rest of the handshake and one request; the answer, or None."""
        for step in (self.object.do_handshake, lambda: self.object.write(b"GET / HTTP/1.0\r\n\r\n"), None):
            if step is None:
                return self._read(conn, seconds)
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    conn.send(self.out.read())
                    if not self._feed(conn, seconds):
                        return None
                    continue
                except ssl.SSLError:
                    return None
                conn.send(self.out.read())
                break

    def _feed(self, conn, seconds):
        conn.poll(seconds, lambda: len(conn.stream) > self.fed)
        new, self.fed = conn.stream[self.fed:], len(conn.stream)
        self.into.write(new)
        return new

    def _read(self, conn, seconds):
        while True:
            try:
                return self.object.read(65536)
            except ssl.SSLWantReadError:
                if not self._feed(conn, seconds):
                    return None
            except ssl.SSLError:
                return None


def handshake(hello):
    """The handshake bytes of a hello that is one record."""
    assert hello[0] == 22 and len(hello) == 5 + struct.unpack_from("!H", hello, 3)[0]
    return hello[5:]


def record(payload):
    return b"\x16\x03\x01" + struct.pack("!H", len(payload)) + payload


def records(hello, *sizes):
    """The same hello in records of these sizes, the last size again and again."""
    left, out, sizes = handshake(hello), b"", list(sizes)
    while left:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        out += record(left[:size])
        left = left[size:]
    return out


def pieces(data, size):
    return [(i, data[i:i + size]) for i in range(0, len(data), size)]


def cuts(data, *places):
    edges = [0, *places, len(data)]
    return [(a, data[a:b]) for a, b in zip(edges, edges[1:])]


# -- other content (OpenSSL's own handshake cannot go on from these: look for a ServerHello only)

def _open(hello):
    """(head up to the extensions, [[type, body], ...])"""
    body = handshake(hello)[4:]
    at = 35 + body[34]
    at += 2 + struct.unpack_from("!H", body, at)[0]
    at += 1 + body[at]
    head, out = body[:at], []
    at += 2
    while at < len(body):
        kind, size = struct.unpack_from("!HH", body, at)
        out.append([kind, body[at + 4:at + 4 + size]])
        at += 4 + size
    return head, out


def _close(head, extensions):
    tail = b"".join(struct.pack("!HH", k, len(b)) + b for k, b in extensions)
    body = head + struct.pack("!H", len(tail)) + tail
    return record(b"\x01" + len(body).to_bytes(3, "big") + body)


def server_name(name):
    return struct.pack("!HBH", len(name) + 3, 0, len(name)) + name


def named(hello, name):
    """The same hello for another name, as bytes."""
    head, extensions = _open(hello)
    return _close(head, [[k, server_name(name) if k == 0 else b] for k, b in extensions])


def post_quantum(hello):
    """With a key share of X25519MLKEM768 in front, as today's browsers send."""
    head, extensions = _open(hello)
    for e in extensions:
        if e[0] == 51:  # key_share
            shares = struct.pack("!HH", 0x11ec, 1216) + os.urandom(1216) + e[1][2:]
            e[1] = struct.pack("!H", len(shares)) + shares
        elif e[0] == 10:  # supported_groups
            groups = struct.pack("!H", 0x11ec) + e[1][2:]
            e[1] = struct.pack("!H", len(groups)) + groups
    return _close(head, extensions)


def padded(hello, size):
    """With a padding extension that makes the handshake message this long."""
    head, extensions = _open(hello)
    extensions = [e for e in extensions if e[0] != 21]
    now = len(handshake(_close(head, extensions)))
    return _close(head, extensions + [[21, bytes(size - now - 4)]])


def carrying(hello, inner):
    """The same hello with another whole hello inside it, in an extension that nobody knows."""
    head, extensions = _open(hello)
    return _close(head, extensions + [[0xfafa, inner]])
