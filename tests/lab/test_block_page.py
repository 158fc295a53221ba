# SPDX-License-Identifier: GPL-3.0-or-later
"""The block page as clients get it, on both paths: that its reference finds that very decision,
that it repeats nothing of a request, and that no client sees what is another's."""
import os
import re
import socket
import struct
import threading
import time

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block tracker.example because "It follows people"
otherwise allow
"""
PATHS = {"N": "inspect-tcp 443 80\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def reference(reply):
    found = re.search(rb"<dt>Reference</dt><dd>([0-9A-Z-]{14})</dd>", reply.body)
    assert found, reply.body
    return found.group(1).decode()


@BOTH
def test_the_reference_finds_the_decision(lab, v6):
    names = [f"r{i}-{6 if v6 else 4}.tracker.example" for i in range(4)]
    pages = {n: lab.curl(f"http://{n}/", v6=v6) for n in names}
    for name, page in pages.items():
        assert page.status == 403 and b"It follows people" in page.body, page
        assert b"<dt>Blocked for</dt><dd>one</dd>" in page.body, page
        assert labkit.until(lambda n=name: lab.events(f'"{n}"')), name
        ref = reference(page)
        for typed in (ref, f"reference={ref.lower().replace('-', '')}"):
            rows = labkit.read_json(lab.ctl("-j", "log", typed).stdout)
            assert [r["name"] for r in rows] == [name] and rows[0]["verdict"] == "block", (ref, rows)
        assert rows[0]["reference"] == ref
    assert len({reference(p) for p in pages.values()}) == len(names)


MARK = b"zq9mark"


def ask(lab, raw, ns="client", v6=False):
    """What comes back for these very bytes on port 80."""
    with lab.inside(ns):
        s = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 80), timeout=labkit.PATIENCE)
    with s:
        s.sendall(raw)
        got = b""
        try:
            while more := s.recv(1 << 16):
                got += more
        except ConnectionResetError:
            pass
        return got


@BOTH
@pytest.mark.parametrize("what", ["path", "query", "header", "method", "cookie", "odd host", "odd header"])
def test_nothing_of_a_request_is_said_again(lab, v6, what):
    name = f"m{6 if v6 else 4}.tracker.example".encode()
    raw = {
        "path": b"GET /" + MARK + b"<script> HTTP/1.1\r\nHost: %s\r\n\r\n",
        "query": b"GET /?q=" + MARK + b"&amp; HTTP/1.1\r\nHost: %s\r\n\r\n",
        "header": b"GET / HTTP/1.1\r\nHost: %s\r\nX-A: " + MARK + b"\r\nReferer: http://" + MARK + b"/\r\n\r\n",
        "method": b"ZQ9MARK / HTTP/1.1\r\nHost: %s\r\n\r\n",
        "cookie": b"GET / HTTP/1.1\r\nHost: %s\r\nCookie: a=" + MARK + b"\r\n\r\n",
        "odd host": b"GET / HTTP/1.1\r\nHost: " + MARK + b"<script>.%s\r\n\r\n",
        "odd header": b"GET / HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\nContent-Length: " + MARK + b"\r\n\r\n",
    }[what] % name
    got = ask(lab, raw, v6=v6)
    assert got.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), got
    assert MARK not in got.lower() and b"<script" not in got, got


def test_each_client_is_shown_his_own_page(lab):
    """Side by side, of all lengths: no byte of a page, or of the request before it, gets into another's."""
    wrong = []

    def client(number, ns):
        for i in range(25):
            name = f"own{number}x{i}{'y' * (i % 40)}.tracker.example".encode()
            got = ask(lab, b"GET /%s HTTP/1.1\r\nHost: %s\r\nX-Long: %s\r\n\r\n" % (name, name, b"z" * (37 * i)), ns)
            names = set(re.findall(rb"own[0-9]+x[0-9]+y*\.tracker\.example", got))
            if names != {name} or b"zzz" in got:
                wrong.append((name, names, got))

    threads = [threading.Thread(target=client, args=(n, ns)) for n, ns in enumerate(["client", "client2"] * 3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:2]


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        words = f.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_who_has_gone_costs_nothing(lab):
    """Clients that leave at every stage, by FIN, by RST, by half: a loop that no longer gets on would be seen."""
    said = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: gone.tracker.example\r\n\r\n",
            b"GET /big HTTP/1.1\r\nHost: gone.test\r\n\r\n", b"POST /upload HTTP/1.1\r\nHost: gone.test\r\nContent-Length: 9999\r\n\r\nx",
            b"GET / HTTP/1.1\r\nHost: gone.test\r\n\r\nGET / HTTP/1.1\r\nHost: gone.tracker.example\r\n\r\n"]
    held = []
    for how in ("fin", "rst", "half"):
        for words in said * 3:
            with lab.inside("client"):
                s = socket.create_connection((labkit.ORIGIN[4], 80), timeout=labkit.PATIENCE)
            s.sendall(words)
            if how == "rst":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "half":
                s.shutdown(socket.SHUT_WR)
                held.append(s)
            else:
                s.close()
    time.sleep(2)
    pids = lab.processes()
    before = {k: cpu(p) for k, p in pids.items()}
    time.sleep(3)
    used = {k: cpu(p) - before[k] for k, p in pids.items()}
    print(used)
    for s in held:
        s.close()
    assert all(u < 0.5 for u in used.values()), used  # a loop takes three, on a busy machine one
    assert lab.curl("http://after.test/").status == 200


@BOTH
def test_who_says_no_more_and_reads_late_gets_all(lab, v6):
    """Its server has long gone when it begins to read: what is on the way is kept for it, and costs nothing meanwhile."""
    body = bytes(range(256)) * 8000  # more than the buffers on the way hold at first

    def talk(connection):
        connection.hear()  # to the client's end
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    at = 6 if v6 else 4
    with peers.Peer(lab, 80, talk):
        with lab.inside("client"):
            s = socket.create_connection((peers.PEER[at], 80), timeout=labkit.PATIENCE)
        with s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /x HTTP/1.1\r\nHost: late.test\r\n\r\n")
            s.shutdown(socket.SHUT_WR)
            time.sleep(2)
            dataplane = lab.processes()["dataplane"]
            before = cpu(dataplane)
            time.sleep(1)
            used = cpu(dataplane) - before
            got = b""
            while more := s.recv(1 << 20):
                got += more
    assert got.endswith(b"\r\n\r\n" + body) and used < 0.4, (len(got), used)
