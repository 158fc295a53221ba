# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that offer HTTP/2 over plain HTTP (`Upgrade: h2c`), to a server that would take it: the offer does not arrive, and
both go on in HTTP/1.1. A WebSocket's offer arrives.
"""
import itertools
import os
import shutil
import subprocess
import time

import pytest

import labkit
import peers
import rawtcp

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
MODULES = "/usr/lib/apache2/modules"
_number = itertools.count(1)


@pytest.fixture
def inspected():
    """Marks a test of packets: on the proxy path the kernel puts them in order."""


def apache_conf(d):
    modules = "".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "http2"))
    return f"""{modules}ServerRoot {d}
PidFile {d}/pid
DefaultRuntimeDir {d}
Mutex file:{d}
ServerName other.test
ErrorLog {d}/log
DocumentRoot {d}/www
Protocols h2 h2c http/1.1
User www-data
Group www-data
Listen {peers.PEER9[4]}:80
Listen [{peers.PEER9[6]}]:80
LogFormat "%H %m %{{Host}}i %{{Upgrade}}i"
CustomLog {d}/access "%H %m %{{Host}}i upgrade=%{{Upgrade}}i"
"""


class Apache:
    def __init__(self, lab):
        self.dir = f"{lab.state}/apache"
        os.makedirs(f"{self.dir}/www", mode=0o755, exist_ok=True)
        for name in ("index.html", "page"):
            with open(f"{self.dir}/www/{name}", "w", encoding="ascii") as f:
                f.write("apache's page\n")
        with open(f"{self.dir}/conf", "w", encoding="ascii") as f:
            f.write(apache_conf(self.dir))
        subprocess.run(["chmod", "-R", "a+rX", self.dir], check=True)
        peers.add_addresses(lab, peers.PEER9)
        self.process = lab.popen("origin", ["apache2", "-D", "FOREGROUND", "-d", self.dir, "-f", f"{self.dir}/conf"])
        self.lab = lab

    def seen(self, host):
        """The log's lines of this host."""
        def look():
            with open(f"{self.dir}/access", encoding="ascii", errors="replace") as f:
                return [line for line in f if host in line]
        return labkit.until(look)

    def close(self):
        with open(f"{self.dir}/pid", encoding="ascii") as f:
            os.kill(int(f.read()), 15)
        self.process.wait(labkit.PATIENCE)


@pytest.fixture(name="apache", scope="module")
def apache_fixture(lab):
    server = Apache(lab)
    try:
        assert labkit.until(lambda: lab.exec("origin", ["curl", "-sf", f"http://{peers.PEER9[4]}/page"]).returncode == 0)
        yield server
    finally:
        server.close()


def ask(lab, v6, path, *options):
    name = f"n{next(_number)}.allow.example"
    at = f"[{peers.PEER9[6]}]" if v6 else peers.PEER9[4]
    return name, lab.curl(f"http://{name}{path}", "--http2", "--resolve", f"{name}:80:{at}", *options, v6=v6)


def test_the_server_takes_it(lab, apache):
    """Without us between them, they speak HTTP/2."""
    done = lab.exec("origin", ["curl", "-s", "--http2", "-o", "/dev/null", "-w", "%{http_version}", f"http://{peers.PEER9[4]}/page"])
    assert done.stdout == b"2"


@BOTH
def test_H12_curl_is_served(lab, apache, v6):
    name, reply = ask(lab, v6, "/page")
    assert (reply.status, reply.version, reply.body) == (200, "1.1", b"apache's page\n")
    assert apache.seen(name) == [f"HTTP/1.1 GET {name} upgrade=h2x\n"]


@BOTH
def test_H12_a_head_of_many_packets(lab, apache, v6):
    """The offer stands behind what fills several packets; one packet of 64 KB holds the head and its body."""
    for options in (["-H", "X: " + "a" * 2790], ["-H", "X: " + "a" * 1330], ["--data-binary", "@-"]):
        name = f"n{next(_number)}.allow.example"
        at = f"[{peers.PEER9[6]}]" if v6 else peers.PEER9[4]
        done = lab.exec("client", ["curl", "-sS", "-m", str(labkit.PATIENCE), "--http2", "-H", "Expect:", *options, "--resolve",
                                   f"{name}:80:{at}", f"http://{name}/page"], stdin=b"b" * 200000)
        assert done.returncode == 0, done.stderr
        assert "upgrade=h2x" in apache.seen(name)[0] and "HTTP/1.1" in apache.seen(name)[0]


@BOTH
def test_H12_java_is_served(lab, apache, v6):
    if not shutil.which("java"):
        pytest.skip("no Java here")
    name = f"n{next(_number)}.allow.example"
    hosts = f"{lab.state}/hosts"
    with open(hosts, "w", encoding="ascii") as f:
        f.write(f"{peers.PEER9[6 if v6 else 4]} {name}\n")
    done = lab.exec("client", ["java", f"-Djdk.net.hosts.file={hosts}", f"{HERE}/Offer.java", f"http://{name}/page",
                               f"http://{name}/page", f"http://{name}/page"])
    assert done.stdout.decode().splitlines()[:2] == ["HTTP_1_1 200 apache's page"] * 2, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert all("upgrade=h2x" in line for line in apache.seen(name))


def request(name, more=OFFER):
    return f"GET /page HTTP/1.1\r\nHost: {name}\r\n{more}\r\n".encode()


@BOTH
@pytest.mark.parametrize("cut", ["each byte", "the letter", "twice"])
def test_H12_in_pieces_and_again(lab, apache, v6, cut, inspected):
    name = f"n{next(_number)}.allow.example"
    data = request(name)
    letter = data.index(b"h2c") + 2
    with rawtcp.Wire(lab, v6, port=80, address=peers.PEER9[6 if v6 else 4]) as w:
        w.connect()
        if cut == "each byte":
            for i in range(len(data)):
                w.send(data[i:i + 1], at=i)
        elif cut == "the letter":  # what is behind it comes first
            w.send(data[letter + 1:], at=letter + 1)
            w.send(data[letter - 3:letter + 1], at=letter - 3)
            w.send(data[:letter - 3])
            w.send(data[letter - 3:letter + 1], at=letter - 3)
        else:
            w.send(data[:letter + 1], ttl=2)
            w.send(data[:letter + 1], ttl=2)
            w.send(data[letter - 1:], at=letter - 1, ttl=2)
            time.sleep(0.1)
            w.send(data)
        assert labkit.until(lambda: w.wait(lambda s: True, 0.2) is None and w.received().endswith(b"page\n"))
        assert w.received().startswith(b"HTTP/1.1 200")
    assert "upgrade=h2x" in apache.seen(name)[0]


@BOTH
@pytest.mark.parametrize("offer, arrives", [("websocket", "websocket"), ("websocket, h2c", "websocket, h2x"), ("H2C,foo", "H2x,foo"),
                                            ("xh2c", "xh2c"), ("h2c-14", "h2x-14")])
def test_H12_only_this_is_taken_out(lab, v6, offer, arrives):
    name = f"n{next(_number)}.allow.example"

    def talk(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        c.hear()

    with peers.Peer(lab, 80, talk) as peer:
        reply = lab.curl(f"http://{name}/", "-H", f"Upgrade: {offer}", "-H", "Connection: upgrade", "-H", "X: h2c", "--resolve",
                         f"{name}:80:" + (f"[{peers.PEER[6]}]" if v6 else peers.PEER[4]), v6=v6)
        assert reply.status == 200
        assert f"Upgrade: {arrives}\r\n".encode() in peer.heard()
        assert b"X: h2c\r\n" in peer.heard()
