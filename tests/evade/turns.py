# SPDX-License-Identifier: GPL-3.0-or-later
"""Flights of several turns: the client says something, waits for the server's words, and then sends its hello.

tls-retry: a hello for an allowed name without a key, the server's HelloRetryRequest, then the hello of the victim.
starttls: a cleartext preamble of mail, FTP (talker.py) that turns into TLS. connect: HTTP CONNECT at a real proxy, then TLS.
A spec is as in tlsflights.py. Owns: nothing; pure.
"""
import random

import origin
import tcpforms
import tls
import tlsflights
from tcpflow import Seg, TcpFlight
from tcpforms import form

PORTS = {"smtp": 587, "smtp-keep": 25, "imap": 143, "pop3": 110, "ftp": 21}
ASK = {"smtp": b"STARTTLS", "smtp-keep": b"STARTTLS", "imap": b"x STARTTLS", "pop3": b"STLS", "ftp": b"AUTH TLS"}
USUAL = {"smtp": (b"EHLO me", b"HELO me", b"NOOP", b"RSET"), "imap": (b"a CAPABILITY", b"b NOOP", b"c ID NIL"),
         "pop3": (b"CAPA", b"NOOP"), "ftp": (b"FEAT", b"SYST", b"NOOP")}
USUAL["smtp-keep"] = USUAL["smtp"]
UNKNOWN = (b"XYZZY", b"VRFY x", b"EXPN all", b"a LOGIN x y", b"USER x", b"PASS y", b"AUTH PLAIN AAAA", b"MAIL FROM:<a@b.test>", b"HELP me", b"",
           b"GET / HTTP/1.1", b"Host: d.fine.test", b"PROXY TCP4 192.0.2.2 198.51.100.2 1 25", b"x" * 1500,
           b"\x80\x2e\1\3\1", b"QUIT?", b"\0", b"\xff\xfd\x18", b"{5}", b"TLS", b"all about SSL", b"CONNECT a:1 HTTP/1.0", b"\5\1\0", b"STARTTLS now",
           b"<stream:stream>", b"0\x0c\2\1\1")


class Talk:
    """turns: [(client's bytes, how many lines the server answers)]. The first turn waits for the greeting."""

    def __init__(self, proto):
        self.proto, self.lines, self.ask, self.ahead, self.early, self.together = proto, [], ASK[proto], b"", False, False


@form("talk-usual", 0, "talk", True, "talk")
def talk_usual(s, rng):
    s.talk.lines += [rng.choice(USUAL[s.talk.proto]) for _ in range(rng.choice((1, 1, 2, 6)))]


@form("talk-unknown", 0, "talk", True, "talk")
def talk_unknown(s, rng):
    for _ in range(rng.choice((1, 1, 2, 5))):
        s.talk.lines.insert(rng.randrange(len(s.talk.lines) + 1), rng.choice(UNKNOWN))


@form("talk-mail", 0, "talk", True, "talk")
def talk_mail(s, rng):
    """A text of many lines, as if it were a mail."""
    s.talk.lines += [rng.choice((b"word " * 12, b"about TLS and SSL", b".", b"\x17\3\3 x")) for _ in range(rng.choice((3, 30)))]


@form("talk-binary", 0, "talk-odd", False, "talk")
def talk_binary(s, rng):
    s.talk.lines.append(rng.randbytes(rng.choice((3, 40, 900))).replace(b"\n", b"x"))


@form("talk-record", 0, "talk-odd", False, "talk")
def talk_record(s, rng):
    """What begins like a record, as a word."""
    s.talk.lines.insert(rng.randrange(len(s.talk.lines) + 1), rng.choice((b"\x16\3", b"\x16\3\1", b"\x16\3\1\0\1\7", b"x\x16\3\1\0\1\1", b"\x16\3\1\0\5\1\0\0\1x",
                                                                             b"\x15\3\1\0\2\1\0", b"TLS \x16\3\1\0\2\1\0")))


@form("talk-case", 1, "talk", True, "talk")
def talk_case(s, rng):
    s.talk.ask = bytes(rng.choice((c, c ^ 0x20)) if 64 < c < 123 else c for c in s.talk.ask)


@form("talk-blanks", 1, "talk-odd", False, "talk")
def talk_blanks(s, rng):
    s.talk.ask = rng.choice((b" ", b"\t", b"", b"\r")) + s.talk.ask + rng.choice((b" ", b" x", b"\0", b"\t", b""))


@form("talk-telnet", 1, "talk-odd", False, "talk")
def talk_telnet(s, rng):
    at = rng.randrange(len(s.talk.ask) + 1)
    s.talk.ask = s.talk.ask[:at] + b"\xff\xf1" + s.talk.ask[at:]


@form("talk-ahead", 1, "talk-odd", False, "talk")
def talk_ahead(s, rng):
    """Behind the request for TLS, and thrown away by the server when it turns to TLS."""
    s.talk.ahead = rng.choice((b"NOOP\r\n", b"NOO", b"x" * 300, b"MAIL FROM:<a>\r\nDATA\r\n", b"\x16", b"\x16\3\1", b"\x16\3\1\0\5\1", b"\r\n", b"\0\0\0\0", b"\x17\3\3\0\1x", b"decoy"))


@form("talk-twice", 1, "talk-odd", False, "talk")
def talk_twice(s, rng):
    """One request that the server declines, more words, then the one that counts."""
    s.talk.lines += [s.talk.ask + b" declined", rng.choice(UNKNOWN)]


@form("talk-early", 1, "talk-odd", False, "talk")
def talk_early(s, rng):
    """The hello does not wait for the server's word."""
    s.talk.early = True


@form("talk-together", 1, "talk", True, "talk")
def talk_together(s, rng):
    """All lines at once."""
    s.talk.together = True


TALKS = ("segments", "order", "gaps", "records", "hello")
GROUPS = {
    "tls-retry": ("blocked", ("segments", "order", "records", "hello", "names", "gaps", "overlap", "fake-ttl", "records-odd"),
                  ("segments", "order", "records", "records-odd", "names", "overlap", "gaps", "fake-ttl")),
    "tls-retry-valid": ("allowed", ("segments", "order", "records", "hello", "gaps", "probes"), ("segments", "order", "records", "gaps")),
    "starttls": ("blocked", ("talk", "talk-odd"), ("talk", "talk-odd", "talk-odd", *TALKS)),
    "starttls-valid": ("allowed", ("talk",), ("talk", *TALKS)),
    "connect": ("blocked", TALKS, (*TALKS, "records-odd", "names", "overlap")),
    "connect-valid": ("allowed", TALKS, TALKS),
    "proxy-line": ("blocked", TALKS, TALKS),
}
FAMILIES = tuple(GROUPS)
INSPECT_ONLY = ("starttls", "starttls-valid")


def spec_for(family, n, rng, proxied):
    kind, first, more = GROUPS[family]
    v6 = rng.random() < 0.5
    spec = {"layer": "turns", "family": family, "n": n, "kind": kind, "v6": v6, "proxied": proxied, "stamps": rng.random() < 0.7,
            "seed": rng.getrandbits(32), "version": 13 if "retry" in family else rng.choice((13, 12)),
            "steps": tlsflights.steps_for(rng, first, more, kind, v6, "tls" if "starttls" not in family else "talk")}
    if "starttls" in family:
        spec["server"], spec["proto"] = "talker", rng.choice(tuple(PORTS))
    elif family.startswith("connect"):
        spec["server"] = "apache2"
    elif family == "proxy-line":
        spec["server"] = "haproxy"
    else:
        spec["server"] = rng.choice([s for s in origin.TLS if s not in origin.ONE_AT_A_TIME])
    spec["early"] = spec["kind"] == "blocked" and rng.random() < 0.3
    return spec


def hello_shape(spec, steps, name, seed, **more):
    """The hello of that name with its transformations: a Shape whose segments begin at 0."""
    rng = random.Random(seed)
    s = tcpforms.Shape(name, spec["v6"], spec["stamps"])
    s.options["version"] = spec["version"]
    tcpforms.apply(s, steps, (0,))
    s.options.update(more)
    s.shown = s.options.pop("name", s.name)
    if more.get("single"):
        s.options.pop("grease", None)  # a second hello has the one share that it was asked for
    s.options.pop("single", None)
    s.early = b""
    s.hello = tls.hello(rng, s.shown, **s.options)
    s.decoy = tls.hello(random.Random(seed), "d.fine.test", **{**s.options, "name_extension": None, "pad": 0})
    s.pieces = tls.records(s.hello, ())
    tcpforms.apply(s, steps, (1, 2))
    s.stream, s.fake_stream = b"".join(s.pieces), b"".join(tls.records(s.decoy, ()))
    return tcpforms.finish(s, steps)


def plain_segs(data):
    return [Seg(i, data[i:i + tcpforms.SIZE]) for i in range(0, len(data), tcpforms.SIZE)]


class Retry(tls.Answer):
    """Reads the HelloRetryRequest, sends the second hello, reads whose certificate comes."""

    def __init__(self, first, second, ccs):
        tls.Answer.__init__(self, [first])
        self.second, self.ccs, self.asked, self.sent = second, ccs, False, False

    def feed(self, data):
        state = tls.Answer.feed(self, data)
        if state != "hrr" or self.asked:
            return state
        self.asked, self.state = True, None
        self.before, self.hellos = tls.retried(self.hellos[0], self.server_hello), [self.second.hello, self.second.decoy]
        self.server_hello = None
        return tls.Answer.feed(self, b"") if self.sent else "next"

    def turn(self):
        self.sent = True
        head = tls.record(b"\1", 20, 0x0303) if self.ccs else b""
        return plain_segs(head) + [x.copy(off=x.off + len(head)) for x in self.second.segs], head + self.second.stream


class Words(tls.Answer):
    """Turns of plain words, each of which waits for lines or a text of the server's; then TLS."""

    def __init__(self, turns, shape):
        tls.Answer.__init__(self, [shape.hello, shape.decoy])
        self.turns, self.heard, self.shape = turns, b"", shape

    def feed(self, data):
        if not self.turns:
            return tls.Answer.feed(self, data)
        self.heard += data
        want = self.turns[0][0]
        at = len(b"\n".join(self.heard.split(b"\n", want)[:want])) + 1 if isinstance(want, int) else self.heard.find(want) + len(want)
        if (self.heard.count(b"\n") < want) if isinstance(want, int) else (want not in self.heard):
            return None
        rest, self.heard = self.heard[at:], b""
        if len(self.turns) == 1 and rest:
            self.buf += rest
        return "next"

    def turn(self):
        _, segs, data = self.turns.pop(0)
        return segs, data

    def final(self, outcome):
        return outcome


def retry_flight(engine, spec):
    blocked = spec["kind"] == "blocked"
    rng = random.Random(spec["seed"])
    name = tlsflights.name_of(spec)
    seed, ccs, again = rng.getrandbits(32), rng.random() < 0.6, rng.random() < 0.2
    second = hello_shape(spec, spec["steps"], name, seed, single=True)
    # the first hello: all of the second's extensions but another name; sometimes none at all
    options = {k: v for k, v in second.options.items() if k != "name_extension"}
    if blocked:
        options["name_extension"] = b"" if again else None
    first = tls.hello(random.Random(seed), "d.fine.test" if blocked else second.shown, share=False, **options)
    stream = tls.records(first, ())
    data = b"".join(stream)
    reader = Retry(first, second, ccs)
    segs = plain_segs(data)
    if spec["early"]:  # the second hello does not wait for the server's word
        more, bytes_ = reader.turn()
        segs += [x.copy(off=x.off + len(data)) for x in more]
        data += bytes_
    f = TcpFlight(engine, spec, origin.address(spec["server"], spec["v6"]), origin.port(spec["server"], "tls", spec["proxied"]),
                  segs, data, reader, stamps=spec["stamps"], syn=second.syn if blocked else None, patience=patience(spec))
    return f


def talk_flight(engine, spec):
    rng = random.Random(spec["seed"])
    name = tlsflights.name_of(spec)
    talking = [x for x in spec["steps"] if x[0].startswith("talk-")]
    rest = [x for x in spec["steps"] if not x[0].startswith("talk-")]
    s = hello_shape(spec, rest, name, rng.getrandbits(32))
    s.talk = Talk(spec["proto"])
    for step, seed in sorted(talking, key=lambda x: tcpforms.FORMS[x[0]].layer):
        tcpforms.FORMS[step].apply(s, random.Random(seed))
    t, lines = s.talk, s.talk.lines
    ahead = b"" if spec["kind"] == "allowed" or t.proto == "smtp-keep" else t.ahead
    if ahead == b"decoy":
        ahead = s.fake_stream
    said = [line + b"\r\n" for line in lines]
    turns, count = [], 1  # the greeting
    if t.together and said:
        said = [b"".join(said)]
    for one in said:
        turns.append((count, plain_segs(one), one))
        count = one.count(b"\n")
    ask = t.ask + b"\r\n" + ahead
    turns.append((count, plain_segs(ask), ask))
    if t.early and spec["kind"] == "blocked":
        segs = plain_segs(ask) + [x.copy(off=x.off + len(ask)) for x in s.segs]
        turns[-1] = (count, segs, ask + s.stream)
        turns.append((1, [], b""))
    else:
        turns.append((1, s.segs, s.stream))
    return TcpFlight(engine, spec, origin.address("talker", spec["v6"]), PORTS[spec["proto"]], [], b"", Words(turns, s),
                     stamps=spec["stamps"], patience=patience(spec))


def connect_flight(engine, spec):
    """A CONNECT to nginx by Apache's mod_proxy_connect."""
    rng = random.Random(spec["seed"])
    s = hello_shape(spec, spec["steps"], tlsflights.name_of(spec), rng.getrandbits(32))
    at = origin.address("nginx", spec["v6"])
    where = (f"[{at}]" if spec["v6"] else at) + ":443"
    version = rng.choice((b"1.1", b"1.1", b"1.0"))
    request = b"CONNECT %s HTTP/%s\r\nHost: %s\r\n%s\r\n" % (where.encode(), version, where.encode(),
                                                           rng.choice((b"", b"User-Agent: x\r\n", b"Proxy-Connection: keep-alive\r\n")))
    segs, data = plain_segs(request), request
    early = spec["early"]
    if early:
        segs += [x.copy(off=x.off + len(data)) for x in s.segs]
        data += s.stream
    turns = [(b"\r\n\r\n", [], b"")] if early else [(b"\r\n\r\n", s.segs, s.stream)]
    return TcpFlight(engine, spec, origin.address("apache2", spec["v6"]), origin.CONNECT[spec["proxied"]], segs, data, Words(turns, s),
                     stamps=spec["stamps"], patience=patience(spec))


def proxy_line_flight(engine, spec):
    """The PROXY protocol, as HAProxy takes it, in front of the hello."""
    rng = random.Random(spec["seed"])
    s = hello_shape(spec, spec["steps"], tlsflights.name_of(spec), rng.getrandbits(32))
    v2 = b"\r\n\r\n\0\r\nQUIT\n"
    head = rng.choice((b"PROXY TCP4 192.0.2.2 198.51.100.2 1000 443\r\n", b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 443\r\n", b"PROXY UNKNOWN\r\n",
                       b"PROXY UNKNOWN x y\r\n", v2 + b"\x21\x11\0\x0c" + rng.randbytes(12), v2 + b"\x20\0\0\0", v2 + b"\x21\x21\0\x24" + rng.randbytes(36),
                       v2 + b"\x21\x11\0\x0f" + rng.randbytes(12) + b"\4\0\0", v2 + b"\x21\0\0\0", v2 + b"\x20\x11\1\0" + bytes(256)))
    segs = [x.copy(off=x.off + len(head)) for x in s.segs]
    first = [Seg(0, head)]
    if rng.random() < 0.4:
        k = rng.randrange(1, len(head))
        first = [Seg(0, head[:k]), Seg(k, head[k:], gap=rng.choice((0, 0.02)))]
    return TcpFlight(engine, spec, origin.address("haproxy", spec["v6"]), origin.PROXY_LINE[spec["proxied"]], first + segs, head + s.stream,
                     tls.Answer([s.hello, s.decoy]), stamps=spec["stamps"], patience=patience(spec))


def flight(engine, spec):
    kind = spec["family"].split("-")[0]
    make = {"tls": retry_flight, "starttls": talk_flight, "connect": connect_flight, "proxy": proxy_line_flight}[kind]
    f = make(engine, spec)
    f.ambiguous = f.only = False
    return f


def patience(spec):
    return 8.0 if spec["kind"] == "allowed" else 1.2


def judge(spec, f):
    if spec["kind"] == "allowed":
        return None if f.outcome in ("other", "hello") else f"an allowed name was not served: {f.outcome}"
    return "the server answered for a blocked name" if f.outcome == "blocked" else None
