# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows T of tests/catalogue.rows on both paths: hellos sent whole by an ordinary socket, to a server that only listens.

It remembers each byte, so that "passed" means exactly what the client sent, and "refused" that nothing of it came.
The client may send to names other than block.example, and without a name; client2 only with a name.
"""
import os
import socket
import struct
import subprocess
import time

import pytest

import hello as hellos
import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for two
  no-name block
  hidden-names block
for everyone
  block block.example
otherwise allow
"""
NAT = (False, True)
PATHS = {"N": "inspect-tcp 80 443 4443\nproxy-tcp none\nhello-deadline 3\n",
         "T": "inspect-tcp none\nproxy-tcp 80 443 4443\nhello-deadline 3\n"}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
ANSWER = b"heard you\r\n"


class Server(peers.Peer):
    """Answers once all is there that the test's client sends."""

    def __init__(self, lab, port):
        self.whole = b""
        super().__init__(lab, port, self.converse)

    def converse(self, c):
        whole = self.whole
        if c.hear(len(whole)):
            c.sock.sendall(ANSWER)
            c.hear()


@pytest.fixture(scope="module")
def servers(lab):
    opened = [Server(lab, port) for port in (80, 443, 4443)]
    yield opened
    for s in opened:
        s.close()


class Flow:
    """One connection that sends these bytes; what the client got and what the server heard."""

    def __init__(self, lab, servers, v6, data, space="client", port=443, fin=False, patience=labkit.PATIENCE):
        for s in servers:
            s.connections.clear()
            s.whole = data
        self.servers, self.got, self.end = servers, b"", None
        with lab.inside(space):
            self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        self.begun = time.monotonic()
        with self.sock as s:
            s.settimeout(patience)
            try:
                s.connect((peers.PEER[6 if v6 else 4], port))
                s.sendall(data)
                if fin:
                    s.shutdown(socket.SHUT_WR)
                while ANSWER not in self.got:
                    got = s.recv(65536)
                    if not got:
                        self.end = "fin"
                        break
                    self.got += got
            except socket.timeout:
                self.end = "silence"
            except OSError:
                self.end = "reset"
        self.seconds = time.monotonic() - self.begun

    def is_heard(self, data, end=None):
        """One connection brought exactly this. (Another may be the rest of an earlier test's.)"""
        return any(c.data == data and end in (None, c.end) for s in self.servers for c in s.connections)

    def heard(self):
        return b"".join(s.heard() for s in self.servers)


def passes(lab, servers, v6, data, **how):
    f = Flow(lab, servers, v6, data, **how)
    assert ANSWER in f.got and labkit.until(lambda: f.is_heard(data)), (f.end, f.got, len(f.heard()), len(data))
    return f


def refused(lab, servers, v6, data, **how):
    def attempt():
        f = Flow(lab, servers, v6, data, **how)
        assert ANSWER not in f.got and f.end in ("fin", "reset"), (f.end, f.got, f.seconds)
        assert f.heard() == b"", f.heard()[:60]
        return f.seconds

    labkit.at_once(attempt, 1)


def hello(name="fine.test", **change):
    """OpenSSL's hello for that name; change: extensions by number, None takes one away."""
    head, extensions = hellos._open(hellos.Tls("x.test").hello)
    new = {0: hellos.server_name(name if isinstance(name, bytes) else name.encode()),
           **{int(k[1:], 0): v for k, v in change.items()}}
    out = [[k, new.pop(k) if k in new else b] for k, b in extensions]
    out += [[k, b] for k, b in new.items()]
    return hellos._close(head, [e for e in out if e[1] is not None])


def entries(*names):
    body = b"".join(struct.pack("!BH", kind, len(n)) + n for kind, n in names)
    return struct.pack("!H", len(body)) + body


def cut(data, at, between):
    """The hello in two records with something between them."""
    body = data[5:]
    return hellos.record(body[:at]) + between + hellos.record(body[at:])


def twice(name):
    head, extensions = hellos._open(hello(name))
    return hellos._close(head, extensions + [[0, hellos.server_name(b"fine.test")]])


FINE = hello("fine.test")
EVASIVE = {
    "T08 an empty record inside": cut(FINE, 60, hellos.record(b"")),
    "T08 an empty record first": hellos.record(b"") + FINE,
    "T09 a change of cipher inside": cut(FINE, 60, b"\x14\3\1\0\1\1"),
    "T09 an alert inside": cut(FINE, 60, b"\x15\3\1\0\2\1\0"),
    "T09 data inside": cut(FINE, 60, b"\x17\3\1\0\2ab"),
    "T11 a record too long": b"\x16\3\1\x48\1" + bytes(200),
    "T16 two final dots": hello("fine.test.."),
    "T18 raw UTF-8": hello("b\u00fccher.test"),
    "T19 a blank in the name": hello("fine .test"),
    "T19 a star": hello("*.fine.test"),
    "T19 a NUL, the allowed name first": hello("fine.test\0.block.example"),
    "T19 a NUL, the blocked name first": hello("block.example\0.fine.test"),
    "T19 an empty name": hello(""),
    "T20 two names": hello(_0=entries((0, b"fine.test"), (0, b"n.block.example"))),
    "T21 the extension twice": twice("n.block.example"),
    "T40 PROXY version 1": b"PROXY TCP4 192.0.2.2 198.51.100.7 1000 443\r\n" + FINE,
    "T40 PROXY version 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + FINE,
    "T40 SOCKS 5": b"\5\1\0",
    "T40 SOCKS 4a": b"\4\1\1\xbb\0\0\0\1me\0fine.test\0",
    "T23 a session id of 33": FINE[:43] + b"\x21" + FINE[44:],
    "T22 a name longer than its list": hello(_0=b"\0\x05\0\0\x09fine.test"),
}
NO_NAME = {
    "T14 no server name": hello(_0=None),
    "T14 no extensions": hellos.record(b"\1\0\0\x29\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0"),
    "T15 an IPv4 literal": hello("198.51.100.7"),
    "T15 an IPv6 literal": hello("[2001:db8:2::7]"),
    "T24 an SSLv2 hello": bytes((0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16, 1, 0, 0x80)) + bytes(range(16)),
    "T25 SSH on 443": b"SSH-2.0-x\r\n",
    "T25 noise on 443": bytes(range(200, 256)) + bytes(range(200)),
    "T34 draft ESNI, no server name": hello(_0=None, _0xffce=b"\x13\1" + bytes(60)),
    "T40 junk in front of a hello": b"junk!" + FINE,
}
NAMED = {
    "plain": lambda n: hello(n),
    "T10 version 3.0 in the record": lambda n: b"\x16\3\0" + hello(n)[3:],
    "T10 version 3.255 in the record": lambda n: b"\x16\3\xff" + hello(n)[3:],
    "T13 grease": lambda n: hello(n, _0x0a0a=b"", _0xfafa=b"\0"),
    "T16 a final dot": lambda n: hello(n + "."),
    "T17 upper case": lambda n: hello(n.upper()),
    "T18 an A-label": lambda n: hello("xn--bcher-kva." + n),
    "T19 an underscore, a hyphen at the edge": lambda n: hello("-a_b-." + n),
    "T20 an unknown type first": lambda n: hello(_0=entries((7, b"zz"), (0, n.encode()))),
    "T29 early data behind it": lambda n: hello(n) + b"\x14\3\3\0\1\1" + b"\x17\3\3\1\0" + bytes(256),
    "T31 ECH as grease": lambda n: hello(n, _0xfe0d=b"\0\0\1\0\1\x20\0\x20" + bytes(32) + b"\0\x90" + bytes(144)),
    "T34 draft ESNI and a server name": lambda n: hello(n, _0xffce=b"\x13\1" + bytes(60)),
    "T44 ALPN of another protocol": lambda n: hello(n, _16=b"\0\4\3dot"),
}


@BOTH
@pytest.mark.parametrize("what", EVASIVE)
def test_what_no_client_sends_is_refused(lab, servers, what, v6):
    refused(lab, servers, v6, EVASIVE[what])


@BOTH
@pytest.mark.parametrize("what", NO_NAME)
def test_without_a_name_the_policy_answers(lab, servers, what, v6):
    passes(lab, servers, v6, NO_NAME[what])
    refused(lab, servers, v6, NO_NAME[what], space="client2")


@BOTH
@pytest.mark.parametrize("what", NAMED)
def test_the_name_decides(lab, servers, what, v6):
    passes(lab, servers, v6, NAMED[what]("fine.test"), space="client2")
    refused(lab, servers, v6, NAMED[what]("n.block.example"))


@BOTH
@pytest.mark.parametrize("port", [80, 4443])
def test_T25_TLS_on_another_port(lab, servers, port, v6):
    passes(lab, servers, v6, FINE, port=port, space="client2")
    refused(lab, servers, v6, hello("n.block.example"), port=port)


@BOTH
def test_T40_a_hello_behind_CONNECT(lab, servers, v6):
    """The target is judged, and then the name inside."""
    def to(target, name):
        return f"CONNECT {target}:443 HTTP/1.1\r\nHost: {target}:443\r\n\r\n".encode() + hello(name)
    passes(lab, servers, v6, to("fine.test", "fine.test"))
    f = Flow(lab, servers, v6, to("n.block.example", "fine.test"))
    assert f.heard() == b"" and ANSWER not in f.got
    f = Flow(lab, servers, v6, to("fine.test", "n.block.example"))
    assert b"n.block.example" not in f.heard()


@BOTH
@pytest.mark.parametrize("size", [2000, 14000])
def test_T12_a_long_hello(lab, servers, size, v6):
    """On the inspect path its first segments go on; the one that completes it does not."""
    passes(lab, servers, v6, hellos.padded(FINE, size), space="client2")
    long = hellos.padded(hello("n.block.example"), size)
    f = Flow(lab, servers, v6, long)
    assert f.end in ("fin", "reset") and not f.is_heard(long)
    # the RST comes behind what was let through, or the server would keep the connection
    assert labkit.until(lambda: all(c.end == "reset" for s in servers for c in s.connections))


@BOTH
def test_T42_the_end_right_behind_the_hello(lab, servers, v6):
    f = Flow(lab, servers, v6, FINE, fin=True)
    assert labkit.until(lambda: f.is_heard(FINE, "fin")), \
        (f.end, f.got, [(c.end, len(c.data), c.source) for s in servers for c in s.connections])
    f = Flow(lab, servers, v6, hello("n.block.example"), fin=True)
    assert f.heard() == b"" and f.end in ("fin", "reset")


@BOTH
def test_T30_T33_ECH_again_and_again(lab, servers, v6):
    """A client that gets new keys comes back with the same outer name: the same answer each time, at once."""
    data = NAMED["T31 ECH as grease"]("cloudflare-ech.com")
    for _ in range(3):
        refused(lab, servers, v6, data, space="client2")
        passes(lab, servers, v6, data)


@BOTH
@pytest.mark.parametrize("second", ["another name", "no name"])
def test_T39_a_second_hello_in_the_clear_is_judged(lab, servers, second, v6):
    """The proxy may have passed the first one on before it sees the second."""
    more = hello("n.block.example") if second == "another name" else hello(_0=None)
    f = Flow(lab, servers, v6, FINE + more)
    assert ANSWER not in f.got and f.end in ("fin", "reset") and f.heard() in (b"", FINE) and (lab.path == "T" or not f.heard())


@pytest.fixture(scope="module")
def s_server(lab, tmp_path_factory):
    """openssl's server on port 4443 of the third address: TLS 1.2, renegotiation as often as a client likes."""
    path = str(tmp_path_factory.mktemp("again"))
    peers.add_addresses(lab, peers.PEER9)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=x", "-keyout", path + "/key", "-out", path + "/cert"], check=True, capture_output=True)
    running = [lab.popen("origin", ["openssl", "s_server", "-accept", f"{a}:4443", "-cert", path + "/cert", "-key", path + "/key",
                                    "-tls1_2", "-client_renegotiation", "-rev", "-quiet"])
               for a in (peers.PEER9[4], f"[{peers.PEER9[6]}]")]
    yield
    for p in running:
        p.kill()
        p.wait()


@BOTH
def test_T39_an_honest_renegotiation_goes_on(lab, s_server, v6):
    """Inside the encryption: nothing of it is to be read, nothing to be refused."""
    where = f"[{peers.PEER9[6]}]:4443" if v6 else f"{peers.PEER9[4]}:4443"

    def ask(name):
        p = lab.popen("client", ["timeout", "10", "openssl", "s_client", "-connect", where, "-servername", name, "-tls1_2"],
                      stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = b""
        try:
            for say, want in ((b"abc\n", b"cba"), (b"R\n", b""), (b"def\n", b"fed"), (b"R\n", b""), (b"ghi\n", b"ihg")):
                p.stdin.write(say)
                p.stdin.flush()
                while want not in seen:
                    got = os.read(p.stdout.fileno(), 65536)
                    if not got:
                        return seen
                    seen += got
                if not want:
                    time.sleep(0.2)  # s_client takes a line for the command only if it comes alone
            return b"all of it" if p.poll() is None else seen
        except OSError:
            return seen
        finally:
            p.kill()
            p.communicate()

    assert labkit.until(lambda: ask("fine.test") == b"all of it", 20), ask("fine.test")
    assert b"cba" not in ask("n.block.example")


@BOTH
def test_P37_a_refusal_is_quick_and_leaves_nothing_at_the_server(lab, servers, v6):
    refused(lab, servers, v6, hello("n.block.example"))
    assert labkit.until(lambda: all(c.end in ("reset", "fin") for s in servers for c in s.connections))
    look = ["ss", "-Htn", "state", "established", "( sport = :443 )"]
    assert labkit.until(lambda: not lab.exec("origin", look).stdout.strip()), lab.exec("origin", look).stdout


@BOTH
def test_T27_a_server_that_speaks_first(lab, v6):
    def first(c):
        c.sock.sendall(b"220 hello\r\n")
        c.hear(6)
        c.sock.sendall(b"250 " + c.data)
    with peers.Peer(lab, 4443, first, at=peers.PEER8), lab.inside("client"):
        def attempt():
            begin = time.monotonic()
            with socket.create_connection((peers.PEER8[6 if v6 else 4], 4443), timeout=labkit.PATIENCE) as s:
                assert s.recv(100) == b"220 hello\r\n"
                took = time.monotonic() - begin
                s.sendall(b"EHLO\r\n")
                assert s.recv(100) == b"250 EHLO\r\n"
            return took

        labkit.at_once(attempt, 1)
