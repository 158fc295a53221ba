# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS by hand: hellos, records, and what a server's first flight says about the hello that it understood.

The server's certificate tells the name: plain in TLS 1.2; in TLS 1.3 under keys that follow from our key share and
the very hello that the server read, so that of several hellos on one connection the one that opens its records is
the one that it understood.
Owns: nothing; pure but for the run's key pair. See: RFC 8446 4.1.2, 5.1, 7.1, RFC 5246.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"evade").digest())
SHARE = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
HRR = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
BLOCKED, OTHER = b"evade-blocked", b"evade-other"


def u16(b):
    return len(b).to_bytes(2, "big") + b


def u24(b):
    return len(b).to_bytes(3, "big") + b


def ext(kind, body):
    return kind.to_bytes(2, "big") + u16(body)


def names(*entries):
    """A server_name extension of (type, bytes) entries."""
    return ext(0, u16(b"".join(bytes((kind,)) + u16(name) for kind, name in entries)))


def sni(name):
    return names((0, name if isinstance(name, bytes) else name.encode()))


def hello(rng, server_name, version=13, pad=0, grease=False, shuffle=True, quic=None, alpn=(b"http/1.1",), sid=32,
          extra=(), name_extension=None, groups=b"\0\x1d\0\x17", share=True, psk=0, early=False):
    """A ClientHello handshake message. extra: further extensions; name_extension replaces the server_name one
    (b"" leaves it out); psk: bytes of a ticket that no server knows; early: announces early data; share: False offers no key, so that a server of TLS 1.3 asks for one (HelloRetryRequest); quic: (number, content) of the transport parameters."""
    g = rng.randrange(16) * 0x1010 + 0x0A0A
    exts = [sni(server_name) if name_extension is None else name_extension,
            ext(10, u16((g.to_bytes(2, "big") if grease else b"") + groups)),
            ext(13, u16(bytes.fromhex("040308040401050308050501080606010203"))),
            ext(16, u16(b"".join(bytes((len(a),)) + a for a in alpn)))]
    if version == 13 or quic is not None:
        exts += [ext(43, b"\2\3\4" if quic is not None else b"\4\3\4\3\3"), ext(45, b"\1\1"),
                 ext(51, u16((g.to_bytes(2, "big") + u16(b"\0") if grease else b"") + b"\0\x1d" + u16(SHARE)) if share else u16(b""))]
    if quic is None:
        exts += [ext(11, b"\1\0"), ext(23, b""), ext(35, b""), ext(0xFF01, b"\0")]
    else:
        exts.append(ext(*quic))
    exts += extra
    if shuffle:
        rng.shuffle(exts)
    if grease:
        exts.insert(0, g.to_bytes(2, "big") + b"\0\0")
    if pad:
        exts.append(ext(21, bytes(pad)))
    if psk and version == 13 and quic is None:
        exts += [ext(42, b"")] if early else []
        exts.append(ext(41, u16(u16(rng.randbytes(psk)) + rng.randbytes(4)) + u16(b"\x20" + rng.randbytes(32))))
    ciphers = (g.to_bytes(2, "big") if grease else b"")
    ciphers += b"\x13\x01" if version == 13 or quic is not None else b""
    ciphers += b"" if quic is not None else bytes.fromhex("c02bc02cc02fc030c009c013009c")
    session = b"" if quic is not None else rng.randbytes(sid)
    return b"\1" + u24(b"\3\3" + rng.randbytes(32) + bytes((len(session),)) + session + u16(ciphers) + b"\1\0" +
                       u16(b"".join(e for e in exts if e)))


def record(body, kind=22, version=0x0301):
    return struct.pack("!BHH", kind, version, len(body)) + body


def records(message, cuts, version=0x0301):
    """The message as records, cut at those places; each at most 2^14 bytes."""
    edges = sorted({0, len(message), *(c for c in cuts if 0 < c < len(message)), *range(0, len(message), 16384)})
    return [record(message[a:b], version=version) for a, b in zip(edges, edges[1:])]


# ---- the keys of TLS 1.3

def expand(secret, label, context, length):
    info = struct.pack("!H", length) + bytes((6 + len(label),)) + b"tls13 " + label + bytes((len(context),)) + context
    out, block, i = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes((i,)), "sha256")
        out += block
        i += 1
    return out[:length]


EMPTY = hashlib.sha256(b"").digest()
EARLY = expand(hmac.digest(bytes(32), bytes(32), "sha256"), b"derived", EMPTY, 32)


def server_secret(client_hello, server_hello, share, before=b""):
    """The server's handshake traffic secret, given the hello that it read. before: the transcript in front of it."""
    shared = KEY.exchange(X25519PublicKey.from_public_bytes(share))
    handshake = hmac.digest(EARLY, shared, "sha256")
    return expand(handshake, b"s hs traffic", hashlib.sha256(before + client_hello + server_hello).digest(), 32)


def retried(first_hello, retry):
    """The transcript in front of the second hello (RFC 8446 4.4.1)."""
    return b"\xfe" + u24(hashlib.sha256(first_hello).digest()) + retry


def server_share(server_hello):
    """The server's x25519 share, None in TLS 1.2 or for another group."""
    at = 4 + 34
    at += 1 + server_hello[at] + 3
    end = at + 2 + int.from_bytes(server_hello[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, size = struct.unpack_from("!HH", server_hello, at)
        if kind == 51 and size >= 36:
            return server_hello[at + 8:at + 8 + 32]
        at += 4 + size
    return None


def open_record(secret, n, head, body):
    nonce = int.from_bytes(expand(secret, b"iv", b"", 12), "big") ^ n
    try:
        return AESGCM(expand(secret, b"key", b"", 16)).decrypt(nonce.to_bytes(12, "big"), body, head)
    except Exception:  # pylint: disable=broad-except  # InvalidTag: another hello's keys
        return None


def whose(text):
    return "blocked" if BLOCKED in text else "other" if OTHER in text else None


class Answer:
    """Reads a server's bytes. state: None (more is needed), "alert", "hello" (a ServerHello whose certificate is not
    to be read), "blocked" or "other" (the certificate's owner), "hrr", "strange"."""

    def __init__(self, hellos):
        self.hellos, self.buf, self.state, self.understood, self.alert = hellos, b"", None, None, None
        self.plain, self.server_hello, self.secret, self.sealed, self.opened = b"", None, None, 0, b""
        self.before = b""

    def feed(self, data):
        self.buf += data
        while self.state is None and len(self.buf) >= 5:
            kind, _, size = struct.unpack_from("!BHH", self.buf)
            if kind not in (20, 21, 22, 23):
                self.state = "strange"
            elif len(self.buf) >= 5 + size:
                head, body, self.buf = self.buf[:5], self.buf[5:5 + size], self.buf[5 + size:]
                self.take(kind, head, body)
            else:
                break
        return self.state

    def take(self, kind, head, body):
        if kind == 21 and body[:1] == b"\1" and body[1:] != b"\0":
            return  # a warning (s_server's unrecognized_name): the hello was read
        if kind == 21:
            self.alert = body[1] if len(body) > 1 else None
            self.state = "alert" if self.server_hello is None else "hello"
        elif kind == 22:
            self.plain += body
            self.handshake()
        elif kind == 23:
            self.sealed_record(head, body)

    def handshake(self):
        if self.server_hello is None:
            if len(self.plain) < 4 or len(self.plain) < 4 + int.from_bytes(self.plain[1:4], "big"):
                return
            if self.plain[0] != 2:
                self.state = "strange"
                return
            size = 4 + int.from_bytes(self.plain[1:4], "big")
            self.server_hello, self.plain = self.plain[:size], self.plain[size:]
            if self.server_hello[6:38] == HRR:
                self.state = "hrr"
        if server_share(self.server_hello) is None:
            self.state = self.state or whose(self.plain)
            if self.state is None and b"\x0e\0\0\0" in self.plain:
                self.state = "hello"

    def sealed_record(self, head, body):
        share = server_share(self.server_hello) if self.server_hello else None
        if share is None:
            self.state = "hello" if self.server_hello else "strange"
            return
        if self.secret is None:
            for i, h in enumerate(self.hellos):
                secret = server_secret(h, self.server_hello, share, self.before)
                if open_record(secret, 0, head, body) is not None:
                    self.secret, self.understood = secret, i
                    break
            else:
                self.state = "hello"
                return
        text = open_record(self.secret, self.sealed, head, body)
        self.sealed += 1
        self.opened += (text or b"").rstrip(b"\0")[:-1]
        self.state = "hello" if text is None else whose(self.opened)
