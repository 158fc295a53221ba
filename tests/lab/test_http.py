# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy path on port 80: every request judged, the page, uploads, how connections end, and input that is no HTTP."""
import os
import re
import socket
import threading
import time

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for two
  no-name block
for everyone
  block tracker.example because "Known <b>tracker</b> & \\"more\\" {{x}}"
  block block.example
otherwise allow
"""
PATH = "T"
SETTINGS = "proxy-tcp 80\nhello-deadline 2\n"
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
SIZE = 10_000_000


def connect(lab, v6, port=80, space="client", to=None):
    with lab.inside(space):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.settimeout(labkit.PATIENCE)
    s.connect((to or peers.PEER[6 if v6 else 4], port))
    return s


def hear(sock, until=None):
    """Bytes up to the end or the moment that until(bytes) is true; the end: "fin", "reset", "silence" or None."""
    data = b""
    while not (until and until(data)):
        try:
            got = sock.recv(65536)
        except socket.timeout:
            return data, "silence"
        except OSError:
            return data, "reset"
        if not got:
            return data, "fin"
        data += got
    return data, None


def serve(c):
    """A patient HTTP/1.1 server: 200 with the head's first line for every request without a body."""
    used = 0
    while True:
        while b"\r\n\r\n" not in c.data[used:]:
            if not c.hear(len(c.data) + 1):
                return
        used = c.data.index(b"\r\n\r\n", used) + 4
        c.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture(scope="module")
def servers(lab):
    with peers.Peer(lab, 80, serve, at=peers.PEER8) as one:
        yield one


@pytest.fixture
def web(servers):
    """What this test alone made it hear."""
    servers.connections.clear()
    return servers


def get(host, path="/", method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


# -- every request is judged

@BOTH
def test_H01_keep_alive_with_a_blocked_second_host(lab, web, v6):
    with connect(lab, v6, to=peers.PEER8[6 if v6 else 4]) as s:
        for i in range(3):
            s.sendall(get("fine.test", f"/k{i}"))
            assert hear(s, lambda d: d.endswith(b"ok"))[0].startswith(b"HTTP/1.1 200 ")
        s.sendall(get("keep.block.example"))
        page, end = hear(s)
    assert page.startswith(b"HTTP/1.1 403 ") and end == "fin", (page, end)
    assert b"keep.block.example" not in web.heard()


@BOTH
def test_H02_pipelined_behind_an_allowed_one(lab, web, v6):
    with connect(lab, v6, to=peers.PEER8[6 if v6 else 4]) as s:
        s.sendall(get("fine.test") + get("pipe.block.example") + get("fine.test", "/never-asked"))
        answer, end = hear(s)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 ") == 2, answer
    assert b"HTTP/1.1 403 " in answer and end == "fin", (answer, end)
    assert b"pipe.block.example" not in web.heard() and b"/never-asked" not in web.heard()


@BOTH
def test_H15_a_body_that_a_server_may_read_as_a_request_is_judged(lab, web, v6):
    """The server of this test answers heads and reads no body, as handlers do that do not ask for it."""
    body = get("body.block.example")
    with connect(lab, v6, to=peers.PEER8[6 if v6 else 4]) as s:
        s.sendall(get("fine.test", "/b", "POST", f"Content-Length: {len(body)}\r\n") + body)
        page, end = hear(s)
    assert b"HTTP/1.1 403 " in page and end == "fin", (page, end)
    assert b"body.block.example" not in web.heard()


EVIL = {
    "H07 two hosts": b"GET / HTTP/1.1\r\nHost: fine.test\r\nHost: evil1.block.example\r\n\r\n",
    "H07 two hosts, turned": b"GET / HTTP/1.1\r\nHost: evil2.block.example\r\nHost: fine.test\r\n\r\n",
    "H08 absolute": b"GET http://evil3.block.example/ HTTP/1.1\r\nHost: fine.test\r\n\r\n",
    "H08 absolute, turned": b"GET http://fine.test/ HTTP/1.1\r\nHost: evil4.block.example\r\n\r\n",
    "H03 case": b"GET / HTTP/1.1\r\nhOsT: EVIL5.BlOcK.eXaMpLe\r\n\r\n",
    "H04 no space": b"GET / HTTP/1.1\r\nHost:evil6.block.example\r\n\r\n",
    "H04 tabs": b"GET / HTTP/1.1\r\nHost:\t\tevil7.block.example \t\r\n\r\n",
    "H20 trailing dot": b"GET / HTTP/1.1\r\nHost: evil8.block.example.\r\n\r\n",
    "H20 port": b"GET / HTTP/1.1\r\nHost: evil9.block.example:80\r\n\r\n",
    "H05 space before the colon": b"GET / HTTP/1.1\r\nHost : evil10.block.example\r\n\r\n",
    "H06 folded": b"GET / HTTP/1.1\r\nHost: fine.test\r\n evil11.block.example\r\n\r\n",
    "H16 bare LF": b"GET / HTTP/1.1\nHost: evil12.block.example\n\n",
    "H17 empty lines first": b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: evil13.block.example\r\n\r\n",
    "H20 user info": b"GET / HTTP/1.1\r\nHost: fine.test@evil14.block.example\r\n\r\n",
    "H18 odd method": b"FROBNICATE / HTTP/1.1\r\nHost: evil15.block.example\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: evil16.block.example\r\n\r\n",
    "H19 behind 20 kB": b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\nHost: evil17.block.example\r\n\r\n",
    "H13 CONNECT": b"CONNECT evil18.block.example:443 HTTP/1.1\r\nHost: evil18.block.example:443\r\n\r\n",
    "H14 hidden by two lengths": b"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n"
                             b"GET / HTTP/1.1\r\nHost: evil19.block.example\r\n\r\n",
    "H14 hidden by chunks and a length": b"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 60\r\n"
                                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                                     b"GET / HTTP/1.1\r\nHost: evil20.block.example\r\n\r\n",
    "H14 behind chunks": b"POST / HTTP/1.1\r\nHost: fine.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
                     b"GET / HTTP/1.1\r\nHost: evil21.block.example\r\n\r\n",
}


@BOTH
@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("size", [1 << 20, 1], ids=["at-once", "H21 1-byte-writes"])
def test_a_blocked_request_in_disguise(lab, web, evil, size, v6):
    head = EVIL[evil] if size > 1 else EVIL[evil].replace(b"x" * 20000, b"x" * 200)
    with connect(lab, v6, to=peers.PEER8[6 if v6 else 4]) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for i in range(0, len(head), size):
                s.sendall(head[i:i + size])
        except OSError:
            pass
        _, end = hear(s, lambda d: b"HTTP/1.1 403 " in d)
        assert end != "silence"
    assert b"evil" not in web.heard().lower()


# -- the page

@BOTH
def test_H25_the_page(lab, v6):
    reply = lab.curl("http://a.tracker.example/x%3Cscript%3E?<script>", "-i", v6=v6)
    page = reply.body.decode()
    head = page.split("\r\n\r\n")[0].lower()
    assert reply.status == 403 and "connection: close" in head and "content-type: text/html" in head
    assert "set-cookie" not in head and "strict-transport" not in head and "<script" not in page.lower()
    assert "Known &lt;b&gt;tracker&lt;/b&gt; &amp; &quot;more&quot; {{x}}" in page, page
    assert "a.tracker.example" in page and not re.search(r"\bon\w+=", page), page
    assert int(re.search(r"content-length: (\d+)", head)[1]) == len(page.encode().split(b"\r\n\r\n", 1)[1])


@BOTH
@pytest.mark.parametrize("host", ['<script>alert(1)</script>.tracker.example', '"onload="alert(1).tracker.example',
                                  "a.tracker.example'><img src=x>", "a\x1b[31m.tracker.example"])
def test_a_hostile_host_is_refused_and_not_repeated(lab, web, host, v6):
    with connect(lab, v6, to=peers.PEER8[6 if v6 else 4]) as s:
        s.sendall(get(host))
        page, _ = hear(s)
    assert page == b"" or re.match(rb"HTTP/1.1 40[03] ", page)
    assert b"<script" not in page.lower() and b"<img" not in page.lower() and b'"onload' not in page and b"\x1b" not in page
    assert b"tracker.example" not in web.heard()


@BOTH
def test_head_gets_no_body(lab, v6):
    with connect(lab, v6, to=labkit.ORIGIN[6 if v6 else 4]) as s:
        s.sendall(get("a.tracker.example", method="HEAD"))
        page, end = hear(s)
    assert page.startswith(b"HTTP/1.1 403 ") and page.endswith(b"\r\n\r\n") and end == "fin", (page, end)


@BOTH
def test_H22_H25_an_upload_to_a_blocked_site_gets_the_page(lab, v6, tmp_path):
    """The page is not lost to a RST for the bytes that nobody reads."""
    (tmp_path / "up").write_bytes(os.urandom(SIZE))
    for expect in ("Expect:", "Expect: 100-continue"):
        reply = lab.curl("http://up.tracker.example/upload", "-T", str(tmp_path / "up"), "-H", expect, v6=v6)
        assert reply.status == 403 and b"Known" in reply.body, reply
    assert not lab.asked("up.tracker.example")


# -- bytes and ends

@BOTH
def test_big_both_ways(lab, v6, tmp_path):
    (tmp_path / "up").write_bytes(os.urandom(SIZE))
    begin = time.monotonic()
    sent = lab.curl(f"http://fine.test/put/big{v6}", "-T", str(tmp_path / "up"), v6=v6, timeout=60)
    assert sent.status in (201, 204), sent
    with open(f"{lab.state}/origin/put/big{v6}", "rb") as f:
        assert f.read() == (tmp_path / "up").read_bytes()
    back = lab.curl(f"http://fine.test/put/big{v6}", v6=v6, timeout=60)
    assert back.body == (tmp_path / "up").read_bytes()
    print(f"10 MB up and down: {time.monotonic() - begin:.2f} s")


@BOTH
def test_half_close_of_the_client(lab, v6):
    """The server hears the end, and its answer still comes."""
    def talk(c):
        c.hear()
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + str(len(c.data)).encode())

    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        head = get("fine.test", "/", "POST", "Content-Length: 1000\r\n") + b"x" * 1000
        s.sendall(head)
        s.shutdown(socket.SHUT_WR)
        answer, end = hear(s)
        assert answer.endswith(b"\r\n\r\n" + str(len(head)).encode()) and end == "fin", (answer, end)
        assert peer.connections[0].end == "fin"


@BOTH
def test_half_close_of_the_server(lab, v6):
    """The client hears the end and goes on sending."""
    def talk(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nbye")
        c.sock.shutdown(socket.SHUT_WR)
        c.hear()

    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        s.sendall(get("fine.test", "/", "POST", "Content-Length: 200000\r\n"))
        answer, end = hear(s)
        assert answer.endswith(b"bye") and end == "fin"
        s.sendall(b"y" * 200000)
        s.shutdown(socket.SHUT_WR)
        assert peer.connections[0].finished.wait(labkit.PATIENCE)
        assert peer.connections[0].data.endswith(b"y" * 200000) and peer.connections[0].end == "fin"


@BOTH
def test_a_reset_of_the_server_is_a_reset(lab, v6):
    got_it = threading.Event()

    def talk(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\npart")
        got_it.wait(labkit.PATIENCE)
        c.reset()

    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        s.sendall(get("fine.test"))
        assert hear(s, lambda d: d.endswith(b"part"))[1] is None
        got_it.set()
        assert hear(s) == (b"", "reset")


@BOTH
def test_a_reset_of_the_client_is_a_reset(lab, v6):
    with peers.Peer(lab, 80) as peer:
        s = connect(lab, v6)
        s.sendall(get("fine.test"))
        assert labkit.until(lambda: b"fine.test" in peer.heard())
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, peers.LINGER_RST)
        s.close()
        assert peer.connections[0].finished.wait(labkit.PATIENCE) and peer.connections[0].end == "reset"


@BOTH
def test_a_closed_port_is_told(lab, v6):
    """Nobody listens there: the client must not wait for an answer."""
    begin = time.monotonic()
    with pytest.raises(OSError):
        with connect(lab, v6) as s:
            s.sendall(get("fine.test"))
            data, end = hear(s)
            raise OSError(end) if end == "reset" or data.startswith(b"HTTP/1.1 50") else AssertionError((data, end))
    assert time.monotonic() - begin < labkit.AT_ONCE


# -- what is no HTTP

@BOTH
@pytest.mark.parametrize("space", ["client", "client2"])
def test_H23_garbage_follows_no_name(lab, space, v6):
    garbage = bytes(range(256)) * 8
    with peers.Peer(lab, 80) as peer, connect(lab, v6, space=space) as s:
        s.sendall(garbage)
        if space == "client":
            assert labkit.until(lambda: peer.heard() == garbage), peer.heard()
        else:
            assert hear(s)[1] in ("fin", "reset")
            assert peer.heard() == b""


@BOTH
def test_H23_T27_the_server_may_speak_first(lab, v6):
    def talk(c):
        c.sock.sendall(b"220 hello\r\n")
        c.hear()

    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        begin = time.monotonic()
        assert hear(s, lambda d: d.endswith(b"\n"))[0] == b"220 hello\r\n"
        print(f"the greeting came after {time.monotonic() - begin:.2f} s")


@BOTH
def test_H19_an_endless_head_is_refused(lab, v6):
    with peers.Peer(lab, 80) as peer, connect(lab, v6) as s:
        try:
            s.sendall(b"GET / HTTP/1.1\r\nHost: fine.test\r\n")
            for _ in range(200):
                s.sendall(b"X-Fill: " + b"f" * 1000 + b"\r\n")
        except OSError:
            pass
        answer, end = hear(s)
        assert end in ("fin", "reset") and not answer.startswith(b"HTTP/1.1 200")
        assert peer.heard() == b""


@BOTH
def test_a_slow_head_is_refused_at_the_deadline(lab, v6):
    with peers.Peer(lab, 80) as peer, connect(lab, v6) as s:
        begin = time.monotonic()
        s.sendall(b"GET / HTTP/1.1\r\nHost: fine.te")
        _, end = hear(s)
        print(f"ended by {end} after {time.monotonic() - begin:.1f} s")
        assert end in ("fin", "reset") and 1.5 < time.monotonic() - begin < labkit.PATIENCE - 1
        assert peer.heard() == b""


@BOTH
def test_the_listener_is_nobodys(lab, v6):
    with pytest.raises(OSError):
        connect(lab, v6, 4480, to="2001:db8:1::1" if v6 else "192.0.2.1").close()
