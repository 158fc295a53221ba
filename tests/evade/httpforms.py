# SPDX-License-Identifier: GPL-3.0-or-later
"""Flights of HTTP/1: the grammar of requests, bent; and what the answers say.

A flight is a list of requests; one is the victim (the blocked name), the others are decoys. Transformations bend the
victim's request line, its Host lines, its framing, or hide it behind or inside another request.
Owns: nothing; pure. See: RFC 9110, RFC 9112 (2.2, 3.2, 5.1, 5.2, 6, 7.1).
"""
import random
import re

import origin
import tcpforms
import tlsflights
from tcpflow import TcpFlight
from tcpforms import form

DECOY = b"d.fine.test"


class Request:
    def __init__(self, name, path):
        self.method, self.target, self.version, self.gap = b"GET", path, b"HTTP/1.1", b" "
        self.name, self.host = name, [b"Host: " + name]
        self.lines, self.body, self.eol, self.before = [], b"", b"\r\n", b""

    def bytes(self):
        line = self.method + self.gap + self.target + (self.gap + self.version if self.version else b"")
        lines = [line, *self.lines[:len(self.lines) // 2], *self.host, *self.lines[len(self.lines) // 2:], b"", b""]
        return self.before + self.eol.join(lines) + self.body


def odd_hosts(n, d):
    """Values of a Host line that may be read as the name n, or beside d."""
    return [n + b":80", n + b":", n + b":0", n + b":99999", n + b":80:90", n + b".", n + b"..", b"." + n, n.upper(), b"u@" + n,
            d + b"@" + n, n + b"@" + d, n + b"/", n + b"/" + d, n + b"#", n + b"?", n + b"\\", b"[" + n + b"]", b'"' + n + b'"',
            n.replace(b".", b"%2e"), n.replace(b"b", b"%62", 1), n + b"\0", n + b"\0." + d, d + b"\0." + n, n + b" " + d,
            d + b" " + n, d + b", " + n, n + b", " + d, d + b"," + n, d + b";" + n, n + b"\t", b"\t" + n, n + b"\x0b", n + b"\x0c",
            n + b"\xa0", b"\x0b" + n, b"\xc2\xa0" + n, b"http://" + n, b"//" + n, n.replace(b".", b"\xe3\x80\x82"), b"*." + n,
            b"", n + b"%00", n + b"%", n + b"|", d + b":80@" + n, d + b"\r" + n, n + b"\r", b"\r" + n, n + b"\x7f",
            d + b"#@" + n, d + b"?" + n, d + b"\\" + n, b"::1", b"127.0.0.1"]


def host_lines(rng, n, d):
    """Ways to write or repeat Host."""
    good, bad = b"Host: " + n, b"Host: " + d
    return rng.choice((
        [bad, good], [good, bad], [good, good], [bad, b"X: y", good], [b"hOsT:" + n], [b"HOST: " + n], [b"Host:\t" + n + b"\t "],
        [b"Host:" + b" " * 200 + n], [b"Host : " + n], [b"Host\t: " + n], [b" Host: " + n], [b"\tHost: " + n], [b"Host:\r\n " + n],
        [b"Host:\r\n\t" + n], [b"Host: " + d + b"\r\n " + n], [b"X: y\r\n Host: " + d, good], [b"X: y\r\n Host: " + n], [b"Host:\n " + n],
        [b"Host: " + d + b"\nHost: " + n], [b"Host: " + d + b"\rHost: " + n], [b"X:\rHost: " + n], [b"X: y\nHost: " + n], [b"\0Host: " + n],
        [b"Host\0: " + n], [b"Host\xa0: " + n, bad], [b"H\0ost: " + n, bad], [b"Host_: " + d, good], [b":authority: " + n],
        [b"X-Forwarded-Host: " + n, bad], [b"Host " + n], [b"Host", good], [b"Host:" + d + b"\r\r\nHost: " + n], [b"Hos", b"t: " + n],
        [b": x", good], [b"Host; " + n], [b"Host=" + n], [b"\x0bHost: " + n], [b"Host: ", good], [b"Host:", b"Host: " + n], [], [bad],
        [b"Host : " + d, good], [good, b"Host : " + d], [b"Host\t:" + n, bad], [b" Host: " + d, good], [good, b" Host: " + d],
        [b"Host: " + n + b"\r\n" + b" " + d], [b"Connection: Host", good], [b"Forwarded: host=" + d, good]))


@form("http-host-value", 0, "http-host", False, "http")
def http_host_value(s, rng):
    s.victim.host = [b"Host: " + rng.choice(odd_hosts(s.victim.name, DECOY))]


@form("http-host-lines", 0, "http-host", False, "http")
def http_host_lines(s, rng):
    s.victim.host = host_lines(rng, s.victim.name, DECOY)


@form("http-host-both", 1, "http-host", False, "http")
def http_host_both(s, rng):
    """Whatever the Host lines are: one with an odd value beside them."""
    s.victim.host.insert(rng.randrange(len(s.victim.host) + 1), b"Host: " + rng.choice(odd_hosts(s.victim.name, DECOY)))


@form("http-target", 0, "http-target", False, "http")
def http_target(s, rng):
    n, d, p = s.victim.name, DECOY, s.victim.target
    s.victim.target = rng.choice((
        b"http://" + n + p, b"http://" + d + p, b"HTTP://" + n + p, b"https://" + n + p, b"//" + n + p, b"http:/" + n + p, b"http:" + p,
        b"http://u@" + n + p, b"http://" + d + b"@" + n + p, b"http://" + n + b":80" + p, b"http://" + n, b"http://" + n + b"?x", b"*",
        n + b":80", b"http://" + n + b"\\@" + d + p, b"ftp://" + n + p, b"http:///" + n + p, b" " + p, p + b" " + p, b"http://" + d + b"\t" + p,
        b"/" + b"A" * 9000, p + b"?http://" + d, b"h2c://" + n + p, b"http://" + n + b"." + p, b"http://" + n.upper() + p, b"", b"ws://" + n + p,
        b"http://[" + n + b"]" + p, b"/\x80\xff", b"http://" + n + b"#" + p, b"x" + p, b"http://" + n.replace(b"b", b"%62", 1) + p))
    if rng.random() < 0.6:
        s.victim.host = rng.choice(([b"Host: " + d], [b"Host: " + n], [], [b"Host:"]))


@form("http-method", 0, "http-target", False, "http")
def http_method(s, rng):
    s.victim.method = rng.choice((b"get", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"FOO", b"G", b"A" * 100, b"GET\0",
                                  b"M-SEARCH", b"\"GET", b"PRI", b"HEAD", b"CONNECT", b"PATCH", b"GET:", b"Host:", b"@"))
    if s.victim.method == b"CONNECT":
        s.victim.target = s.victim.name + b":80"


@form("http-line", 0, "http-target", False, "http")
def http_line(s, rng):
    s.victim.gap = rng.choice((b"  ", b"\t", b" \t ", b"\x0b", b"\x0c", b"\xa0", b"\r", b"\0", b" " * 3000))
    if rng.random() < 0.3:
        s.victim.version += rng.choice((b" ", b"\t", b" x", b"\0"))


@form("http-version", 0, "http-target", False, "http")
def http_version(s, rng):
    s.victim.version = rng.choice((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b"HTTP/01.1",
                                   b"HTTP/1", b"HTTP", b"", b"ICY", b"HTTP /1.1", b"HTTP/1.1\0", b"HTTP/1,1", b"XTTP/1.1"))


@form("http-before", 0, "http-target", False, "http")
def http_before(s, rng):
    s.victim.before = rng.choice((b"\r\n", b"\n", b"\r\n\r\n\r\n", b"\n" * 30, b"\r", b" ", b"\0", b"\t", b" \r\n", b"x\r\n", b"\r\n" * 600,
                                  b"\xef\xbb\xbf", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", b"\5\1\0"))


@form("http-eol", 2, "http-target", False, "http")
def http_eol(s, rng):
    s.victim.eol = rng.choice((b"\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\t", b"\r\n "))


@form("http-lines", 1, "http-host", True, "http")
def http_lines(s, rng):
    s.victim.lines += rng.choice(([b"Accept: */*"] * 3, [b"Cookie: " + b"c=1; " * rng.choice((10, 400, 1400))],
                                  [b"X-%d: y" % i for i in range(rng.choice((20, 60)))],
                                  [b"X-Long: " + b"h" * rng.choice((500, 3000, 7000))], [b"Referer: http://" + DECOY + b"/"]))


@form("http-big-lines", 1, "http-host", False, "http")
def http_big_lines(s, rng):
    s.victim.lines += rng.choice(([b"X-Long: " + b"h" * rng.choice((15000, 30000, 64000))], [b"X-%d: y" % i for i in range(rng.choice((101, 400, 3000)))],
                                  [b"X%d: Host: " % i + DECOY for i in range(99)]))


@form("http-upgrade", 1, "http-framing", False, "http")
def http_upgrade(s, rng):
    s.victim.lines += rng.choice(([b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", b"Connection: Upgrade, HTTP2-Settings"],
                                  [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
                                  [b"Expect: 100-continue", b"Content-Length: 0"], [b"Connection: close"], [b"Upgrade: TLS/1.0", b"Connection: Upgrade"]))


def front(s, rng, **kw):
    d = Request(DECOY, b"/d")
    for k, v in kw.items():
        setattr(d, k, v)
    s.requests.insert(s.requests.index(s.victim), d)
    return d


@form("http-after-decoy", 3, "http-pipeline", False, "http")
def http_after_decoy(s, rng):
    """Allowed requests first, on the same connection."""
    for _ in range(rng.choice((1, 1, 2, 8, 30))):
        d = front(s, rng)
        kind = rng.random()
        if kind < 0.15:
            d.method, d.body = b"POST", b"x" * 10
            d.lines = [b"Content-Length: 10"]
        elif kind < 0.3:
            d.method, d.body, d.lines = b"POST", b"5\r\nhello\r\n0\r\n\r\n", [b"Transfer-Encoding: chunked"]
        elif kind < 0.4:
            d.method = b"HEAD"


@form("http-before-decoy", 3, "http-pipeline", False, "http")
def http_before_decoy(s, rng):
    s.requests += [Request(DECOY, b"/d") for _ in range(rng.choice((1, 3)))]


LENGTHS = (b"Content-Length: %d", b"Content-Length:%d", b"Content-Length: +%d", b"Content-Length: 0%d", b"Content-Length: %d, %d",
           b"Content-Length: %d\r\nContent-Length: 0", b"Content-Length: 0\r\nContent-Length: %d", b"Content-Length : %d", b"Content-Length: %d \t",
           b"Content-Length: -%d", b"Content-Length: %d.0", b"Content-Length: 0x%x", b"Content-Length: %d\0", b"Content-Length: \x0b%d",
           b"Content-Length: %d_", b"Content_Length: %d", b"Content-Length: 1844674407370955161%d", b"content-length: %d", b"Content-Length\t: %d",
           b" Content-Length: %d", b"Content-Length:\r\n %d", b"Content-Length: 0, %d", b"Content-Length: %d e", b"\0Content-Length: %d")
CODINGS = (b"Transfer-Encoding: chunked", b"Transfer-Encoding:chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: Chunked",
           b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
           b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding:\x0bchunked",
           b"Transfer-Encoding: \tchunked", b"Transfer-Encoding: chunked\0", b" Transfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
           b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;x=1", b"Transfer-Encoding: identity", b"Transfer_Encoding: chunked",
           b"Transfer-Encoding\t: chunked", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
           b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunk", b"Transfer-Encoding: chunked\r", b"TE: chunked")


def sized(rng, form_, n):
    return form_ % ((n,) * form_.count(b"%"))


@form("http-smuggle-length", 4, "http-framing", False, "http")
def http_smuggle_length(s, rng):
    """The victim stands where one reading of Content-Length ends, or inside what the other takes for a body."""
    hidden = s.victim.bytes()
    d = front(s, rng, method=rng.choice((b"POST", b"GET", b"PUT")))
    d.lines = [sized(rng, rng.choice(LENGTHS), len(hidden))]
    if rng.random() < 0.3:
        d.version = b"HTTP/1.0"
        d.lines.append(b"Connection: keep-alive")


@form("http-smuggle-coding", 4, "http-framing", False, "http")
def http_smuggle_coding(s, rng):
    hidden = s.victim.bytes()
    d = front(s, rng, method=rng.choice((b"POST", b"GET", b"PUT")))
    d.lines = [rng.choice(CODINGS)]
    kind = rng.random()
    if kind < 0.4:  # chunks first, the victim behind them; a length says otherwise
        d.body = b"0\r\n\r\n"
        d.lines.insert(rng.randrange(2), sized(rng, rng.choice(LENGTHS), len(d.body) + rng.choice((0, len(hidden)))))
    elif kind < 0.7:  # the victim inside a chunk, or behind it for one that reads no chunks
        d.body = b"%x\r\n" % len(hidden)
        s.requests.insert(s.requests.index(s.victim) + 1, RAW(b"\r\n0\r\n\r\n"))
        if rng.random() < 0.6:
            d.lines.insert(rng.randrange(2), sized(rng, rng.choice(LENGTHS), len(d.body)))
    else:
        d.body = b"0\r\n\r\n"


@form("http-smuggle-chunk", 4, "http-framing", False, "http")
def http_smuggle_chunk(s, rng):
    """Odd chunk sizes, extensions, ends and trailers before the victim."""
    hidden = s.victim.bytes()
    n = len(hidden)
    d = front(s, rng, method=b"POST")
    d.lines = [b"Transfer-Encoding: chunked"]
    d.body = rng.choice((
        b"0\r\n\r\n", b"0;x=\"\r\n\r\n\"\r\n\r\n", b"0;\n\r\n", b"0\n\n", b"0\r\r\n\r\n", b"00000\r\n\r\n", b"0x0\r\n\r\n", b" 0\r\n\r\n", b"0 \r\n\r\n",
        b"0\r\nHost: " + s.victim.name + b"\r\n\r\n", b"0\r\nX: y\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n", b"+0\r\n\r\n", b"-0\r\n\r\n",
        b"10000000000000000\r\n\r\n", b"100000000\r\n\r\n", b"%x\r\n" % (n + 5), b"0%x\r\n" % n, b"%x;\n" % n, b"%x\n" % n, b"0x%x\r\n" % n, b"%x \r\n" % n, b"%d\r\n" % n,
        b"5\r\nhello\r\n0\r\n", b"0\r\n", b"2\r\nxx\r\n0\r\nA: b\r\n c\r\n\r\n", b"\r\n0\r\n\r\n", b"0\r\n \r\n\r\n", b"5;\rx\r\nhello\r\n0\r\n\r\n", b"0_\r\n\r\n", b"0\0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n", b"0;" + b"a" * 5000 + b"\r\n\r\n"))
    if rng.random() < 0.3:
        s.requests.append(RAW(rng.choice((b"\r\n0\r\n\r\n", b"\r\n", b"0\r\n\r\n"))))


@form("http-body", 4, "http-framing", False, "http")
def http_body(s, rng):
    """An honest body of a decoy; the victim behind it."""
    d = front(s, rng, method=b"POST")
    text = rng.choice((b"Host: d.fine.test\r\n\r\n", b"GET / HTTP/1.1\r\nHost: d.fine.test\r\n\r\n", b"x" * 5000, b"", b"\r\n\r\n"))
    if rng.random() < 0.5:
        d.lines, d.body = [b"Content-Length: %d" % len(text)], text
    else:
        d.lines = [b"Transfer-Encoding: chunked"]
        d.body = (b"%x\r\n%s\r\n" % (len(text), text) if text else b"") + b"0\r\n\r\n"
    if rng.random() < 0.3:
        d.lines.append(rng.choice((b"Expect: 100-continue", b"Connection: close", b"Connection: Keep-Alive", b"Upgrade: websocket\r\nConnection: upgrade")))


class RAW(Request):
    def __init__(self, data):
        Request.__init__(self, DECOY, b"/")
        self.data = data

    def bytes(self):
        return self.data


def frame(kind, flags, stream, body):
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def h2_request(name, path, stream):
    """A request of HTTP/2, its fields as literals (RFC 7541 6.2.2)."""
    return frame(1, 5, stream, b"\x82\x86\x04" + bytes((len(path),)) + path + b"\x01" + bytes((len(name),)) + name)


H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def stand_in(s, data):
    """These bytes in the victim's place."""
    raw = RAW(data)
    raw.name, raw.target = s.victim.name, s.victim.target
    s.requests[s.requests.index(s.victim)] = s.victim = raw


@form("http-h2-prior", 5, "http-h2", False, "http")
def http_h2_prior(s, rng):
    """HTTP/2 at once, or behind requests of HTTP/1."""
    data = H2_PREFACE + h2_request(s.victim.name, s.victim.target[:100], 1)
    if rng.random() < 0.4:
        data = H2_PREFACE + h2_request(DECOY, b"/d", 1) + h2_request(s.victim.name, s.victim.target[:100], 3)
    stand_in(s, rng.choice((b"", b"", b"\r\n")) + data)


@form("http-h2-upgrade", 5, "http-h2", False, "http")
def http_h2_upgrade(s, rng):
    """An allowed request asks for HTTP/2, the victim is the second stream; or the victim itself asks."""
    ask = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"]
    if rng.random() < 0.3:
        s.victim.lines += ask
        return
    d = front(s, rng)
    d.lines = ask
    stand_in(s, H2_PREFACE + h2_request(s.victim.name, s.victim.target[:100], 3))


@form("http-decoy-upgrade", 4, "http-h2", False, "http")
def http_decoy_upgrade(s, rng):
    """An allowed request asks for a tunnel, which the server may decline; then junk as of a tunnel, then the victim."""
    d = front(s, rng)
    d.lines = rng.choice(([b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
                          [b"Upgrade: TLS/1.0", b"Connection: Upgrade"], [b"Upgrade: x", b"Connection: upgrade"], [b"Connection: Upgrade"]))
    if rng.random() < 0.2:
        d.method, d.target = b"CONNECT", DECOY + b":80"
    s.victim.before = rng.choice((b"", b"\r\n", b"\0", b"\x81\5", b" ", b"\x82\x85\1\2\3\4\r\n", b"\n", b"\x16\3\1", b"\r", b"@", b"{}\n"))


# ---- valid requests

@form("http-ok-host", 0, "http-ok", True, "http")
def http_ok_host(s, rng):
    n = s.victim.name
    s.victim.host = [rng.choice((b"Host:" + n, b"host: " + n, b"HOST:   " + n + b"  ", b"hOsT:   " + n, b"Host: " + n.upper(), b"Host: " + n + b":80"
                                 if s.port80 else b"Host: " + n + b":8080"))]


@form("http-ok-target", 0, "http-ok", True, "http")
def http_ok_target(s, rng):
    s.victim.target = rng.choice((b"http://" + s.victim.name + s.victim.target, b"/" + b"a" * 200, b"/a?b=c&d=%20#", b"/?http://d.test/"))


@form("http-ok-empty-lines", 0, "http-ok", True, "http")
def http_ok_empty_lines(s, rng):
    if s.server not in ("caddy", "lighttpd"):  # these refuse what RFC 9112 2.2 asks servers to ignore
        s.victim.before = b"\r\n"


@form("http-ok-post", 0, "http-ok", True, "http")
def http_ok_post(s, rng):
    s.victim.method = b"POST"
    text = b"a=b&" * rng.choice((1, 50, 800))
    if rng.random() < 0.5:
        s.victim.lines.append(b"Content-Length: %d" % len(text))
        s.victim.body = text
        return
    s.victim.lines.append(b"Transfer-Encoding: chunked")
    cut = rng.randrange(1, len(text))
    more = rng.choice((b"", b";a=b", b";a"))
    s.victim.body = b"".join(b"%x%s\r\n%s\r\n" % (len(t), more, t) for t in (text[:cut], text[cut:])) + b"0\r\n" + \
        rng.choice((b"", b"X-Sum: 1\r\n")) + b"\r\n"


@form("http-ok-pipeline", 3, "http-ok", True, "http")
def http_ok_pipeline(s, rng):
    if s.server in ("lighttpd", "haproxy") and s.victim.method == b"POST":
        return  # they close behind a body that nobody reads
    for i in range(rng.choice((1, 2, 8))):
        s.requests.append(Request(b"p%d." % i + s.victim.name, b"/p%d" % i))


@form("http-ok-10", 0, "http-ok", True, "http")
def http_ok_10(s, rng):
    s.victim.version = b"HTTP/1.0"
    s.victim.lines.append(b"Connection: keep-alive")


# ---- flights

GROUPS = {
    "http-host": ("blocked", ("http-host",), ("http-host", "http-target", "http-pipeline")),
    "http-request-line": ("blocked", ("http-target",), ("http-host", "http-target", "http-pipeline")),
    "http-framing": ("blocked", ("http-framing",), ("http-host", "http-framing", "http-pipeline", "http-target")),
    "http-switch": ("blocked", ("http-h2",), ("http-pipeline", "http-host", "segments", "gaps")),
    "http-pipeline": ("blocked", ("http-pipeline",), ("http-pipeline", "segments", "http-host", "gaps")),
    "http-tcp": ("blocked", ("segments", "order", "overlap", "fake-ttl", "fake-md5", "fake-sum", "fake-stamp", "fake-seq", "fake-flags", "inject", "urgent",
                             "syn-data", "fragments", "fragments-odd", "extension", "extension-odd"),
                 ("segments", "order", "gaps", "inject", "overlap", "http-pipeline", "http-host")),
    "http-mixed": ("blocked", None, None),
    "http-valid": ("allowed", ("http-ok", "http-host"), ("http-ok", "http-host", "segments", "order", "gaps", "probes", "fragments")),
}
FAMILIES = tuple(GROUPS)


class Answer:
    """Reads HTTP answers. state: "blocked" (the blocked site answered), "other" (the expected number of answers of
    the other site came)."""

    def __init__(self, expected):
        self.expected, self.buf, self.understood, self.alert = expected, b"", None, None

    def feed(self, data):
        self.buf += data
        if b"vhost-blocked" in self.buf:
            return "blocked"
        return "other" if self.expected and self.buf.count(b"vhost-other") >= self.expected else None

    def final(self, outcome):
        if outcome in ("blocked", "other"):
            return outcome
        found = re.match(rb"HTTP/1\.[01] (\d+)", self.buf)
        return found[1].decode() if found else outcome


def spec_for(family, n, rng, proxied):
    kind, first, more = GROUPS[family]
    v6 = rng.random() < 0.5
    return {"layer": "http", "family": family, "n": n, "kind": kind, "v6": v6, "server": rng.choice(origin.HTTP), "proxied": proxied,
            "stamps": rng.random() < 0.7, "seed": rng.getrandbits(32), "steps": tlsflights.steps_for(rng, first, more, kind, v6, "http")}


def shape(spec):
    name = tlsflights.site_of(spec["n"], spec["kind"] != "allowed")
    s = tcpforms.Shape(name, spec["v6"], spec["stamps"])
    s.victim = Request(name.encode(), b"/f%d" % spec["n"])
    s.requests, s.port80, s.server = [s.victim], spec["proxied"], spec["server"]
    tcpforms.apply(s, [x for x in spec["steps"] if x[0].startswith("http-")], range(0, 6))
    if spec["kind"] == "allowed" and any(b"chunked" in x for x in s.victim.lines):
        s.victim.version = b"HTTP/1.1"  # chunks in HTTP/1.0 are faulty (RFC 9112 6.1)
    s.stream = b"".join(r.bytes() for r in s.requests)[:120000]
    s.fake_stream = s.stream.replace(s.victim.name, (DECOY + b" " * len(s.victim.name))[:len(s.victim.name)])
    rest = [x for x in spec["steps"] if not x[0].startswith("http-")]
    tcpforms.apply(s, rest, (0,))
    return tcpforms.finish(s, rest)


def flight(engine, spec):
    s = shape(spec)
    expected = len(s.requests) if spec["kind"] == "allowed" else 0
    f = TcpFlight(engine, spec, origin.address(spec["server"], spec["v6"]), origin.port(spec["server"], "http", spec["proxied"]),
                  s.segs, s.stream, Answer(expected), stamps=spec["stamps"], syn=s.syn, patience=8.0 if expected else 0.7)
    f.ambiguous = f.only = False
    return f


def judge(spec, f):
    if spec["kind"] == "allowed":
        return None if f.outcome == "other" else f"an allowed request was not served: {f.outcome}, {f.reader.buf[:60]!r}"
    return "the blocked site answered" if f.outcome == "blocked" else None
