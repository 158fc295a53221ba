# SPDX-License-Identifier: GPL-3.0-or-later
"""T26, T27: TLS behind a cleartext preamble, on each protocol's own port. The preamble passes, the hello behind it is judged by
its name; a server that speaks first never stalls; what leaves the preamble is a flow without a name; and what no name can
save is refused at the first packet, not after the server's greeting.
"""
import socket
import ssl
import time

import pytest

import labkit
import peers

PATH = "N"
POLICY = """\
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
group clients one two
for two
  block port tcp/25 because "Mail goes through the mail server"
for clients
  block blocked.example because "Not here"
  block port tcp/5222
  allow =chat.example
otherwise allow
"""
NAME = {"allow": "mail.fine.example", "block": "mail.blocked.example"}
LDAP = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
# port: (server's greeting, [(client says, server answers)...])
PREAMBLES = {
    "smtp": (25, b"220 origin\r\n", [(b"EHLO me\r\n", b"250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    "submission": (587, b"220 origin\r\n", [(b"STARTTLS\r\n", b"220 go\r\n")]),
    "imap": (143, b"* OK origin\r\n", [(b"a CAPABILITY\r\n", b"a OK\r\n"), (b"b STARTTLS\r\n", b"b OK\r\n")]),
    "pop3": (110, b"+OK origin\r\n", [(b"CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n"), (b"STLS\r\n", b"+OK\r\n")]),
    "ftp": (21, b"220 origin\r\n", [(b"AUTH TLS\r\n", b"234 go\r\n")]),
    "ldap": (389, b"", [(LDAP, bytes.fromhex("300c02010178070a010004000400"))]),
    "postgresql": (5432, b"", [(bytes.fromhex("0000000804d2162f"), b"S")]),
    "mysql": (3306, b"\x0a\0\0\0\x0a8.0\0etc.\0", [(b"\x20\0\0\x01\0\x0a" + bytes(30), b"")]),
}
V = pytest.mark.parametrize("v", [4, 6], ids=["v4", "v6"])


def hello(name):
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


DECOY = hello(NAME["allow"]) + b"\r\n"
BIND = bytes.fromhex("300c020101600702010304008000")
# words that are no usual preamble: the server does not know them, or says no, and agrees to TLS all the same
LATE = {
    "an unknown word first": (587, b"220 o\r\n", [(b"XYZZY\r\n", b"500 what\r\n"), (b"EHLO me\r\n", b"250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    "a mail first": (25, b"220 o\r\n", [(b"EHLO me\r\nMAIL FROM:<a@b>\r\n", b"250 ok\r\n"), (b"RSET\r\nSTARTTLS\r\n", b"220 go\r\n")]),
    "a request first": (25, b"220 o\r\n", [(b"GET / HTTP/1.1\r\nHost: fine.example\r\n\r\n", b"500 what\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    "read ahead": (587, b"220 o\r\n", [(b"STARTTLS\r\nNOO", b"220 go\r\n")]),
    "read ahead, behind an unknown word": (587, b"220 o\r\n", [(b"FOO\r\nSTARTTLS\r\nNOO", b"220 go\r\n")]),
    "a login that fails": (143, b"* OK o\r\n", [(b"a LOGIN {1}\r\nx y\r\n", b"a NO\r\n"), (b"b STARTTLS\r\n", b"b OK\r\n")]),
    "a user": (110, b"+OK o\r\n", [(b"USER x\r\n", b"-ERR\r\n"), (b"STLS\r\n", b"+OK\r\n")]),
    "a user of FTP": (21, b"220 o\r\n", [(b"USER x\r\n", b"530 no\r\n"), (b"AUTH SSL\r\n", b"234 go\r\n")]),
    "a bind": (389, b"", [(BIND, bytes.fromhex("300c02010161070a010004000400")), (LDAP, bytes.fromhex("300c02010178070a010004000400"))]),
    "more behind the SSLRequest": (5432, b"", [(bytes.fromhex("0000000a04d2162f7878"), b"S")]),
    "a long SSLRequest": (3306, b"\x0a\0\0\0\x0a8.0\0etc.\0", [(b"\x24\0\0\x01\0\x0a" + bytes(34), b"")]),
}


class Server(peers.Judge):
    """Speaks one preamble, then TLS with the name that it was asked for."""

    def __init__(self, lab, port, greeting, turns):
        self.greeting, self.turns, self.plain = greeting, turns, []
        super().__init__(lab, port)

    def _talk(self, connection):
        if self.greeting:
            connection.sock.sendall(self.greeting)
        for says, answers in self.turns:
            got = b""
            while len(got) < len(says):
                more = connection.sock.recv(len(says) - len(got))
                if not more:
                    return
                got += more
            if got != says:
                self.plain.append(got)
                connection.sock.sendall(b"250 plain\r\n")
                return
            connection.sock.sendall(answers)
        super()._talk(connection)


def client(lab, v, port, ns="client"):
    with lab.inside(ns):
        return socket.create_connection((peers.PEER[v], port), timeout=labkit.PATIENCE)


def talk(sock, greeting, turns):
    if greeting:
        assert sock.recv(4096)
    for says, answers in turns:
        sock.sendall(says)
        if answers:
            assert sock.recv(4096)


def secure(sock, name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(sock, server_hostname=name) as tls:
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return tls.recv(4096)


def judge_behind(lab, v, port, greeting, turns):
    """The preamble twice, once with each name behind it: one is served, the other refused at once and not seen by the server."""
    with Server(lab, port, greeting, turns) as server:
        with client(lab, v, port) as sock:
            talk(sock, greeting, turns)
            assert b"200" in secure(sock, NAME["allow"])
        with client(lab, v, port) as sock:
            talk(sock, greeting, turns)
            begin = time.monotonic()
            with pytest.raises(OSError):
                secure(sock, NAME["block"])
            assert time.monotonic() - begin < labkit.AT_ONCE
        assert server.names == [NAME["allow"]]


@V
@pytest.mark.parametrize("proto", PREAMBLES)
def test_T26_the_hello_behind_the_preamble_is_judged(lab, proto, v):
    port, greeting, turns = PREAMBLES[proto]
    judge_behind(lab, v, port, greeting, turns)
    assert labkit.until(lambda: [e for e in lab.events(f'"{NAME["block"]}"') if "block" in str(e)])


@V
@pytest.mark.parametrize("what", LATE)
def test_T26_words_in_front_hide_no_hello(lab, what, v):
    """They make it a flow without a name, which `otherwise` allows; the name that comes after all is judged."""
    port, greeting, turns = LATE[what]
    judge_behind(lab, v, port, greeting, turns)


HALF = bytes.fromhex("160301400001003ffc0303") + b"\r\n"  # a hello that would end in the far future
EARLY = {
    "a hello": [(DECOY, b"500 what\r\n")],
    "a hello behind words": [(b"EHLO me\r\n", b"250 STARTTLS\r\n"), (DECOY, b"500 what\r\n")],
    "a hello behind unknown words": [(b"FOO TLS\r\n", b"500 what\r\n"), (DECOY, b"500 what\r\n")],
    "a hello and words at once": [(DECOY + b"NOOP\r\n", b"500 what\r\n250 ok\r\n")],
    "half a hello": [(HALF, b"500 what\r\n")],
    "half a hello behind unknown words": [(b"FOO TLS\r\n", b"500 what\r\n"), (HALF, b"500 what\r\n")],
}


@V
@pytest.mark.parametrize("what", EARLY)
def test_T26_a_hello_before_its_time_hides_none(lab, what, v):
    """The server takes it for one more word, and says so: it names nothing, and the flow is refused."""
    turns = EARLY[what] + [(b"STARTTLS\r\n", b"220 go\r\n")]
    with Server(lab, 587, b"220 o\r\n", turns) as server:
        for name in NAME.values():
            with client(lab, v, 587) as sock, pytest.raises((OSError, AssertionError)):
                talk(sock, b"220 o\r\n", turns)
                secure(sock, name)
        assert server.names == []


@V
def test_T26_a_long_mail_without_TLS_goes_on(lab, v):
    turns = [(b"EHLO me\r\n", b"250 ok\r\n"), (b"MAIL FROM:<a@b>\r\n", b"250 ok\r\n")]

    def hear(c):
        for says, answers in turns:
            c.hear(len(c.data) + len(says))
            c.sock.sendall(answers)
        c.hear(len(c.data) + (1 << 20))
        c.sock.sendall(b"250 taken")
    with peers.Peer(lab, 587, hear), client(lab, v, 587) as sock:
        talk(sock, b"", turns)
        sock.sendall(b"all about TLS\r\n".ljust(1 << 20, b"\x16"))
        assert sock.recv(100) == b"250 taken"


@V
def test_T27_a_server_that_speaks_first_and_slowly_never_stalls(lab, v):
    with Server(lab, 587, b"220 origin\r\n", [(b"EHLO me\r\n", b"250 ok\r\n"), (b"MAIL FROM:<a@b>\r\n", b"250 ok\r\n")]):
        with client(lab, v, 587) as sock:
            assert sock.recv(4096) == b"220 origin\r\n"
            sock.sendall(b"EHLO me\r\n")
            assert sock.recv(4096) == b"250 ok\r\n"
            sock.sendall(b"MAIL FROM:<a@b>\r\n")  # no name will come: `otherwise allow` answers
            assert sock.recv(4096) == b"250 ok\r\n"


@V
def test_T26_a_hello_half_sent_while_the_server_repeats_itself(lab, v):
    """Words of the preamble sent again do not make the flow one without a name."""
    port, greeting, turns = PREAMBLES["submission"]
    with Server(lab, port, greeting, turns) as server:
        with client(lab, v, port) as sock:
            talk(sock, greeting, turns)
            out = ssl.MemoryBIO()
            context = ssl.create_default_context()
            tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=NAME["block"])
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            hello = out.read()
            for i in range(0, len(hello), 40):
                try:
                    sock.sendall(hello[i:i + 40])
                except OSError:
                    break
                time.sleep(0.01)
            with pytest.raises(OSError):
                if not sock.recv(4096).startswith(b"\x16"):
                    raise OSError("refused")
        assert server.names == []


@V
def test_a_port_that_no_name_can_save_is_refused_at_the_first_packet(lab, v):
    with Server(lab, 25, b"220 origin\r\n", []):
        begin = time.monotonic()
        with pytest.raises(OSError):
            client(lab, v, 25, ns="client2").close()
        assert time.monotonic() - begin < labkit.AT_ONCE
        client(lab, v, 25).close()  # the other device may


@V
def test_a_rule_by_name_below_a_refused_port_does_not_open_it(lab, v):
    with pytest.raises(OSError):
        client(lab, v, 5222).close()
