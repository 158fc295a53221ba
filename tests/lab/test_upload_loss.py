# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads with much in flight while packets are lost behind the gateway: what is sent again reaches the server, however
far the client has gone on meanwhile. HTTP with a body of known length, chunked, and plain mail.
"""
import itertools
import os
import socket
import subprocess

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
SIZE = 12 << 20
LOSS = 0.04
_number = itertools.count(1)


def take_chunks(connection):
    """Reads a chunked request to its end, and says how many bytes it had."""
    while not connection.data.endswith(b"\r\n0\r\n\r\n") and connection.hear(len(connection.data) + 1):
        pass
    _, _, rest = connection.data.partition(b"\r\n\r\n")
    size, at = 0, 0
    while True:
        line = rest.index(b"\r\n", at)
        n = int(rest[at:line], 16)
        if not n:
            break
        size, at = size + n, line + 2 + n + 2
    answer = f"received {size}\n"
    connection.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode())


def take_upload(connection):
    while b"\r\n\r\n" not in connection.data and connection.hear(len(connection.data) + 1):
        pass
    (take_chunks if b"chunked" in connection.data.partition(b"\r\n\r\n")[0].lower() else peers.take_upload)(connection)


def take_mail(connection):
    """A mail server without TLS. The connection keeps what it was sent."""
    sock = connection.sock
    sock.sendall(b"220 mail\r\n")
    for _ in range(3):
        while not connection.data.endswith(b"\r\n") and connection.hear(len(connection.data) + 1):
            pass
        connection.data = b""
        sock.sendall(b"250 ok\r\n")
    while not connection.data.endswith(b"DATA\r\n") and connection.hear(len(connection.data) + 1):
        pass
    connection.data = b""
    sock.sendall(b"354 go on\r\n")
    while not connection.data.endswith(b"\r\n.\r\n") and connection.hear(len(connection.data) + 1):
        pass
    sock.sendall(f"250 {len(connection.data)}\r\n".encode())


@pytest.fixture(name="far", scope="module")
def far_fixture(lab):
    """A network whose router loses packets towards it, and has large windows."""
    far = peers.Far(lab, mtu=1500)
    for s in far.servers:
        s.close()
    for space in ("client", "far"):
        subprocess.run(["ip", "netns", "exec", f"{lab.prefix}-{space}", "sysctl", "-qw", "net.ipv4.tcp_rmem=4096 4194304 8388608",
                        "net.ipv4.tcp_wmem=4096 4194304 8388608"], check=True)
    far.servers = [peers.Peer(lab, 80, take_upload, at=far.AT, space="far"), peers.Peer(lab, 25, take_mail, at=far.AT, space="far")]
    for tool in ("iptables", "ip6tables"):
        lab.exec("origin", [tool, "-w", "-A", "FORWARD", "-o", "far", "-p", "tcp", "-m", "statistic", "--mode", "random",
                            "--probability", str(LOSS), "-j", "DROP"], check=True)
    yield far
    for tool in ("iptables", "ip6tables"):
        lab.exec("origin", [tool, "-w", "-F", "FORWARD"])
    far.close()


def connect(lab, far, port, v6):
    with lab.inside("client"):
        sock = socket.create_connection((far.AT[6 if v6 else 4], port), timeout=2 * labkit.PATIENCE)
    return sock


def answer(sock, end=b"\n"):
    got = b""
    while not got.endswith(end):
        more = sock.recv(65536)
        assert more, f"closed behind {got!r}"
        got += more
    return got


@BOTH
def test_a_body_of_known_length(lab, far, v6):
    name = f"n{next(_number)}.allow.example"
    with connect(lab, far, 80, v6) as sock:
        sock.sendall(f"POST /upload HTTP/1.1\r\nHost: {name}\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        sock.sendall(os.urandom(SIZE))
        assert f"received {SIZE}".encode() in answer(sock)
    assert labkit.until(lambda: lab.events(name))


@BOTH
def test_a_chunked_body(lab, far, v6):
    name = f"n{next(_number)}.allow.example"
    pieces = [b"x" * (1 + i * 7919 % 30000) for i in range(SIZE // 15000)]
    with connect(lab, far, 80, v6) as sock:
        sock.sendall(f"POST /upload HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sock.sendall(b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n")
        assert f"received {sum(map(len, pieces))}".encode() in answer(sock)
    assert labkit.until(lambda: lab.events(name))


@BOTH
def test_plain_mail(lab, far, v6):
    letter = os.urandom(SIZE // 2).hex().encode()
    letter = b"\r\n".join(letter[i:i + 998] for i in range(0, len(letter), 998)) + b"\r\n.\r\n"
    with connect(lab, far, 25, v6) as sock:
        assert answer(sock).startswith(b"220")
        for word in (b"EHLO me\r\n", b"MAIL FROM:<a@allow.example>\r\n", b"RCPT TO:<b@allow.example>\r\n"):
            sock.sendall(word)
            assert answer(sock).startswith(b"250")
        sock.sendall(b"DATA\r\n")
        assert answer(sock).startswith(b"354")
        sock.sendall(letter)
        assert answer(sock).startswith(f"250 {len(letter)}".encode())


def test_a_refused_request_behind_a_body(lab, far):
    """What stands behind the body is read as ever."""
    with connect(lab, far, 80, False) as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: a.allow.example\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000
                     + b"GET / HTTP/1.1\r\nHost: a.block.example\r\n\r\n")
        try:
            while sock.recv(65536):
                pass
        except OSError:
            pass
    assert labkit.until(lambda: [e for e in lab.events("a.block.example") if e.get("verdict") == "block"])
    assert b"a.block.example" not in far.servers[0].heard()
