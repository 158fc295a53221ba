# SPDX-License-Identifier: GPL-3.0-or-later
"""`fail closed`, and the supervisor killed: what was decided goes on, what is new is refused, and nothing blocked gets through
in between. (Without a kill of the supervisor: test_kill.py, test_start.py.)"""
import contextlib
import os
import signal
import socket
import ssl
import time

import pytest

import labkit

ALONE = True
POLICY = """\
timezone UTC
fail closed
for everyone
  block tracker.example
otherwise allow
"""
FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
BOTH_PATHS = pytest.mark.parametrize("own", [False, True], ids=["plain", "nat"], indirect=True)


def kill_supervisor(lab):
    """kill -9; failsafe does what `fail` says, and ends."""
    os.kill(lab.processes()["supervisor"], signal.SIGKILL)
    assert labkit.until(lambda: not lab.processes(), step=0.02), lab.processes()


def refused(lab, v6):
    """New connections, of whatever kind, are told so at once."""
    for url in ("https://fine.test/", "http://fine.test/", "https://tracker.example/", "http://tracker.example/"):
        reply = lab.curl(url, v6=v6)
        assert reply.status == 0 and reply.exit == 7 and reply.seconds < labkit.AT_ONCE, (url, reply)
    assert lab.quic("fine.test", v6=v6, timeout=2) is None


@contextlib.contextmanager
def kept(lab, name, v6, tls=True, port=None):
    """A connection for several requests: ask(path, host) -> the status line, b"" when it ended."""
    v = 6 if v6 else 4
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    with s:
        s.settimeout(labkit.PATIENCE)
        if port:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((labkit.CLIENT[v], port))
        s.connect((labkit.ORIGIN[v], 443 if tls else 80))
        if tls:
            s = ssl._create_unverified_context().wrap_socket(s, server_hostname=name)

        def ask(path="/", host=name, timeout=labkit.PATIENCE):
            s.settimeout(timeout)
            try:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                head = b""
                while b"\r\n\r\n" not in head:
                    got = s.recv(1)
                    if not got:
                        return b""
                    head += got
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                while length:
                    length -= len(s.recv(length))
                return head.split(b"\r\n")[0]
            except (OSError, IndexError):
                return b""

        yield ask
        with contextlib.suppress(OSError):
            s.close()


@BOTH_PATHS
@FAMILIES
def test_a_long_download_goes_on_and_what_is_new_is_refused(own, v6, tmp_path):
    """TLS on the inspect path; an idle connection that speaks again, too."""
    path = str(tmp_path / "got")
    got = own.popen("client", ["curl", "-sS", "-6" if v6 else "-4", "-m", "120", "--limit-rate", "1M", "-N", "-o", path,
                               "-w", "%{size_download}", "https://fine.test/big"])
    with kept(own, "idle.test", v6) as idle:
        assert idle().endswith(b"200 OK")
        assert labkit.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
        kill_supervisor(own)
        at_kill = os.path.getsize(path)
        refused(own, v6)
        assert idle().endswith(b"200 OK")
        out, err = got.communicate(timeout=150)
        print(f"{at_kill} of 10000000 bytes at the kill; then {out.decode()} {err.decode()}")
        assert at_kill < 10000000 and out == b"10000000", (out, err)
        refused(own, v6)


@BOTH_PATHS
@FAMILIES
def test_an_upload_goes_on(own, v6, tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(os.urandom(1 << 20) * 8)
    put = own.popen("client", ["curl", "-sS", "-6" if v6 else "-4", "-m", "120", "--limit-rate", "1M", "-H", "Expect:",
                               "-T", str(blob), "https://fine.test/upload"])
    assert labkit.until(lambda: own.events('"fine.test"'))
    time.sleep(1)
    assert put.poll() is None
    kill_supervisor(own)
    out, err = put.communicate(timeout=150)
    assert out.strip() == b"received %d" % (8 << 20), (out, err)


@FAMILIES
def test_a_tuple_that_was_allowed_is_not_allowed_again(own, v6):
    """Its mark is still there when a new connection comes from the same port."""
    port = 45678
    with kept(own, "fine.test", v6, port=port) as ask:
        assert ask().endswith(b"200 OK")
        kill_supervisor(own)
    family = ["-6" if v6 else "-4"]
    for _ in range(3):
        done = own.exec("client", ["curl", "-sSk", *family, "-m", "10", "--local-port", str(port), "-o", "/dev/null", "-w",
                                   "%{http_code}", "https://tracker.example/"])
        assert done.stdout == b"000", done


@FAMILIES
def test_a_kept_http_connection_serves_no_further_request(own, v6):
    """Plain HTTP is judged request by request: nobody judges any more, whichever path it takes."""
    with kept(own, "fine.test", v6, tls=False) as ask:
        assert ask().endswith(b"200 OK")
        kill_supervisor(own)
        for host in ("tracker.example", "fine.test"):
            assert not ask(host=host, timeout=4)
    assert not own.asked("tracker.example")


@BOTH_PATHS
@FAMILIES
def test_a_decided_quic_connection_goes_on(own, v6, tmp_path):
    """Its short headers: a connection migrates nowhere, and a new one begins with a long one."""
    family = () if v6 else ("env", "RES_OPTIONS=no-aaaa")
    got = own.popen("client", [*family, "gtlsclient", "-q", "--download", str(tmp_path), "--timeout", "60s", "fine.test", "443",
                               "https://fine.test/slow"])
    path = str(tmp_path / "slow")

    def size():
        return os.path.getsize(path) if os.path.exists(path) else 0

    try:
        assert labkit.until(lambda: size() > 30000), got.poll()
        kill_supervisor(own)
        at_kill = size()
        assert labkit.until(lambda: size() > at_kill + 60000), (at_kill, size())
        assert own.quic("fine.test", v6=v6, timeout=2) is None
    finally:
        got.kill()
        got.wait()


def test_a_new_supervisor_takes_them_over(own, tmp_path):
    """The download outlives both: the one that dies and the one that comes."""
    path = str(tmp_path / "got")
    got = own.popen("client", ["curl", "-sS", "-4", "-m", "120", "--limit-rate", "1M", "-N", "-o", path, "-w",
                               "%{size_download}", "https://fine.test/big"])
    assert labkit.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
    kill_supervisor(own)
    with open(f"{own.state}/log/durward.log", "ab") as log:
        again = own.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{own.state}/settings"], stdout=log,
                          stderr=log)
    try:
        assert labkit.until(lambda: own.ctl("status", "-q").returncode == 0 and
                            own.curl("https://fine.test/").status == 200 and
                            own.curl("https://tracker.example/").status == 0), own.words()
        out, err = got.communicate(timeout=150)
        assert out == b"10000000", (out, err)
    finally:
        again.terminate()
        again.wait(60)


@BOTH_PATHS
def test_a_flush_of_the_refusal_opens_nothing(own):
    """Nobody is there who would put it back."""
    os.kill(own.processes()["supervisor"], signal.SIGKILL)
    assert labkit.until(lambda: not own.processes(), step=0.02)
    for table in ("filter", "security"):
        for tool in ("iptables", "ip6tables"):
            assert own.exec("gateway", [tool, "-w", "-t", table, "-F"]).returncode == 0
    urls = [(f"{kind}://{name}/", v6) for kind in ("http", "https") for name in ("tracker.example", "fine.test") for v6 in (False, True)]
    assert not any(r.status for r in labkit.together(lambda url, v6: own.curl(url, v6=v6, timeout=5), urls))
