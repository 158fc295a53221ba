# SPDX-License-Identifier: GPL-3.0-or-later
"""QUIC by hand: Initial packets sealed and opened, frames, and what a server's first datagrams say.

Owns: nothing; pure. See: RFC 9000 (12, 14, 17, 19), RFC 9001 (5), RFC 9369.
"""
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import tls

V1, V2, D29 = 1, 0x6B3343CF, 0xFF00001D
SALT = {V1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), V2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
        D29: bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")}
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = range(4)


def varint(n, size=None):
    size = size or (1 if n < 64 else 2 if n < 16384 else 4)
    return (n | {1: 0, 2: 1, 4: 2, 8: 3}[size] << (8 * size - 2)).to_bytes(size, "big")


def read_varint(b, at):
    size = 1 << (b[at] >> 6)
    return int.from_bytes(b[at:at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


class Keys:
    def __init__(self, secret, version=V1):
        p = b"quicv2 " if version == V2 else b"quic "
        self.aead = AESGCM(tls.expand(secret, p + b"key", b"", 16))
        self.iv = int.from_bytes(tls.expand(secret, p + b"iv", b"", 12), "big")
        self.hp = Cipher(algorithms.AES(tls.expand(secret, p + b"hp", b"", 16)), modes.ECB()).encryptor()

    def mask(self, sample):
        return self.hp.update(sample)

    def nonce(self, pn):
        return (self.iv ^ pn).to_bytes(12, "big")


def initial_keys(dcid, version, side):
    secret = hmac.digest(SALT.get(version, SALT[V1]), dcid, "sha256")
    return Keys(tls.expand(secret, side, b"", 32), version)


def type_bits(kind, version):
    return (kind + 1) % 4 if version == V2 else kind


def seal(keys, version, kind, dcid, scid, pn, payload, token=b"", pnlen=2, fixed=0x40):
    """A protected long-header packet."""
    first = 0x80 | fixed | type_bits(kind, version) << 4 | (pnlen - 1)
    payload += b"\0" * max(0, 4 - pnlen - len(payload))
    head = bytes((first,)) + version.to_bytes(4, "big") + bytes((len(dcid),)) + dcid + bytes((len(scid),)) + scid
    if kind == INITIAL:
        head += varint(len(token)) + token
    head += varint(pnlen + len(payload) + 16, 2) + (pn & (1 << 8 * pnlen) - 1).to_bytes(pnlen, "big")
    sealed = keys.aead.encrypt(keys.nonce(pn), payload, head)
    mask = keys.mask(sealed[4 - pnlen:20 - pnlen])
    out = bytearray(head + sealed)
    out[0] ^= mask[0] & 0x0F
    for i in range(pnlen):
        out[len(head) - pnlen + i] ^= mask[1 + i]
    return bytes(out)


def crypto(offset, data):
    return b"\6" + varint(offset) + varint(len(data)) + data


def transport(scid, rng):
    """Transport parameters of an ordinary client, in any order."""
    one = [(1, varint(30000)), (3, varint(1472)), (4, varint(1 << 20)), (5, varint(1 << 18)), (6, varint(1 << 18)), (7, varint(1 << 18)),
           (8, varint(100)), (9, varint(100)), (0x0F, scid), (31 * rng.randrange(1, 100) + 27, rng.randbytes(rng.randrange(8)))]
    rng.shuffle(one)
    return b"".join(varint(k) + varint(len(v)) + v for k, v in one)


def packets(datagram):
    """(kind, version, dcid, scid, header up to the packet number, whole packet) of each long-header packet."""
    while len(datagram) > 7 and datagram[0] & 0x80:
        version = int.from_bytes(datagram[1:5], "big")
        at = 5
        dcid, at = datagram[at + 1:at + 1 + datagram[at]], at + 1 + datagram[at]
        scid, at = datagram[at + 1:at + 1 + datagram[at]], at + 1 + datagram[at]
        kind = (datagram[0] >> 4 & 3) + (3 if version == V2 else 0) & 3
        if version == 0:
            yield "version", version, dcid, scid, at, datagram
            return
        if kind == RETRY:
            yield kind, version, dcid, scid, at, datagram
            return
        if kind == INITIAL:
            n, at = read_varint(datagram, at)
            at += n
        n, at = read_varint(datagram, at)
        yield kind, version, dcid, scid, at, datagram[:at + n]
        datagram = datagram[at + n:]


def unseal(keys, packet, at):
    """The plain payload, None if the keys are others."""
    mask = keys.mask(packet[at + 4:at + 20])
    first = packet[0] ^ mask[0] & 0x0F
    pnlen = (first & 3) + 1
    pn = bytes(a ^ b for a, b in zip(packet[at:at + pnlen], mask[1:]))
    try:
        return keys.aead.decrypt(keys.nonce(int.from_bytes(pn, "big")), packet[at + pnlen:], bytes((first,)) + packet[1:at] + pn)
    except Exception:  # pylint: disable=broad-except
        return None


def frames(payload):
    """(type, offset, data) of PADDING, PING, ACK, CRYPTO, CONNECTION_CLOSE; ends at any other."""
    at = 0
    while at < len(payload):
        kind = payload[at]
        at += 1
        if kind in (0, 1):
            continue
        if kind in (2, 3):
            _, at = read_varint(payload, at)
            _, at = read_varint(payload, at)
            n, at = read_varint(payload, at)
            for _ in range(1 + 2 * n + (3 if kind == 3 else 0)):
                _, at = read_varint(payload, at)
        elif kind == 6:
            offset, at = read_varint(payload, at)
            n, at = read_varint(payload, at)
            yield kind, offset, payload[at:at + n]
            at += n
        elif kind in (0x1C, 0x1D):
            code, at = read_varint(payload, at)
            yield kind, code, b""
            return
        else:
            return


class Conn:
    """One connection attempt of a flight: its keys, and what the server said to it."""

    def __init__(self, rng, hellos, blocked, version=V1, dcid=None, scid=None):
        self.dcid = rng.randbytes(rng.choice((8, 8, 8, 16, 18, 20))) if dcid is None else dcid
        self.scid = rng.randbytes(rng.choice((0, 0, 3, 8, 20))) if scid is None else scid
        self.version, self.hellos, self.blocked = version, hellos, blocked
        self.token, self.pnlen, self.fixed = b"", rng.choice((1, 2, 4, 4)), 0x40
        self.client, self.server = initial_keys(self.dcid, version, b"client in"), None
        self.hello, self.understood, self.closed, self.owner, self.secret, self.plain = b"", None, None, None, None, {}
        self.retry, self.spoken, self.server_cid = b"", {}, None  # a HelloRetryRequest; the server's CRYPTO of its Initials

    def packet(self, payload, pn, kind=INITIAL, **kw):
        kw = {"token": self.token, "pnlen": self.pnlen, "fixed": self.fixed, **kw}
        return seal(self.client, self.version, kind, self.dcid, self.scid, pn, payload, **kw)

    def initial(self, packet, at):
        """True if this packet was sealed for this connection."""
        self.server = self.server or initial_keys(self.dcid, self.version, b"server in")
        plain = unseal(self.server, packet, at)
        for kind, offset, data in frames(plain or b""):
            if kind == 6:
                self.spoken[offset] = data
                self.hear()
            elif kind in (0x1C, 0x1D):
                self.closed = offset
        return plain is not None

    def hear(self):
        """The ServerHello, and the HelloRetryRequest that may come before it."""
        text = b""
        for offset in sorted(self.spoken):
            if offset <= len(text):
                text = text[:offset] + self.spoken[offset]
        first = text[:4 + int.from_bytes(text[1:4], "big")]
        if text[:1] == b"\2" and text[6:38] == tls.HRR:
            self.retry, text = first, text[len(first):]
        if text[:1] == b"\2":
            self.hello = text[:4 + int.from_bytes(text[1:4], "big")]

    def handshake(self, packet, at):
        """Whose certificate it is, and which hello the server read."""
        share = tls.server_share(self.hello) if self.hello else None
        if share is None:
            return
        if self.secret is None:
            for i, h in enumerate(self.hellos):
                before = tls.retried(self.first, self.retry) if self.retry else b""
                keys = Keys(tls.server_secret(h, self.hello, share, before), self.version)
                if unseal(keys, packet, at) is not None:
                    self.secret, self.understood = keys, i
        plain = unseal(self.secret, packet, at) if self.secret else None
        for kind, offset, data in frames(plain or b""):
            if kind == 6:
                self.plain[offset] = data
        self.owner = tls.whose(b"".join(self.plain[k] for k in sorted(self.plain)))


class Answer:
    """Reads datagrams from the server for all the connections of a flight."""

    def __init__(self, conns, wait_for_all):
        self.conns, self.wait, self.version, self.retry, self.seen = conns, wait_for_all, False, None, 0

    def turn(self):
        """Datagrams that what was heard makes the client send, None for nothing."""

    def feed(self, datagram):
        self.seen += 1
        try:
            for kind, _, _, scid, at, packet in packets(datagram):
                if kind == "version":
                    self.version = True
                elif kind == RETRY:
                    self.retry = scid, packet[at:-16]
                elif kind == INITIAL:
                    for c in self.conns:
                        if c.initial(packet, at):
                            c.server_cid = scid
                            break
                elif kind == HANDSHAKE:
                    for c in self.conns:
                        c.handshake(packet, at)
        except IndexError:
            pass
        return self.state()

    def state(self):
        if any(c.hello and c.owner == "blocked" for c in self.conns):
            return "blocked"
        if any(c.hello and c.blocked and c.owner is None and c.understood is None for c in self.conns):
            return None  # more to come: whose certificate
        if all(c.owner or c.closed is not None for c in self.conns):
            return "other" if any(c.owner for c in self.conns) else "closed"
        if not self.wait and any(c.owner for c in self.conns):
            return "other"
        if not self.wait and any(c.closed is not None for c in self.conns):
            return "closed"
        return None

    def final(self, outcome):
        if outcome != "silent":
            return outcome
        for c in self.conns:
            if c.hello and c.blocked and c.owner != "other":
                return "hello"
        if any(c.owner for c in self.conns):
            return "other"
        return "closed" if any(c.closed is not None for c in self.conns) else "version" if self.version else \
            "retry" if self.retry else "silent"
