# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision is taken back: what goes on when the policy, a list, the hour or a device's line changes is judged again, and
what is refused now is cut, on both paths; what is still allowed never is."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import labkit

PATHS = {"N": "", "T": "proxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
LONG = True
HEAD = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
"""
POLICY = HEAD + """\
for unknown-devices
  block everything
for everyone
  block blocked.example
  block port tcp/23
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def blocking(*lines):
    return POLICY.replace("for everyone\n", "for everyone\n" + "".join(f"  block {w}\n" for w in lines))


@pytest.fixture(autouse=True)
def usual_policy(lab):
    lab.set_policy(POLICY)
    yield
    lab.set_policy(POLICY)


class Download:
    """A slow one, by curl; or by HTTP/3."""

    def __init__(self, lab, url, v6=False, ns="client", options=()):
        self.folder = tempfile.mkdtemp()
        path = os.path.join(self.folder, "got")
        self.name = url.split("/")[2]
        if url.startswith("quic"):
            argv = [*(() if v6 else ("env", "RES_OPTIONS=no-aaaa")), "timeout", "120", "gtlsclient", "-q", "--download", self.folder,
                    "--exit-on-all-streams-close", "--timeout", "20s", self.name, "443", f"https://{self.name}/slow"]
        else:
            argv = ["curl", "-sS", "-6" if v6 else "-4", "-k", "-N", "-m", "120", "-o", path, *options, url]
        self.proc = lab.popen(ns, argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        assert labkit.until(lambda: self.size() > 20000), self.proc.poll()

    def size(self):
        return sum(os.path.getsize(os.path.join(self.folder, f)) for f in os.listdir(self.folder))

    def goes_on(self):
        """A second's worth more comes, twice: it was not merely in flight."""
        for _ in range(2):
            was = self.size()
            if not labkit.until(lambda was=was: self.size() > was + 15000 or self.proc.poll() is not None):
                return False
        return self.proc.poll() is None

    def is_cut(self):
        """Seconds until the client knew."""
        begin = time.monotonic()
        if not labkit.until(lambda: self.proc.poll() is not None):
            return None
        assert self.proc.returncode != 0
        return time.monotonic() - begin

    def stops(self):
        """Nothing more comes for three seconds."""
        def still():
            was = self.size()
            time.sleep(3)
            return self.size() == was
        return labkit.until(still)

    def end_now(self):
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGKILL)  # `timeout` and its like have children
        self.proc.wait()

    def end(self):
        self.end_now()
        shutil.rmtree(self.folder)


@pytest.fixture
def download(lab):
    running = []

    def begin(*a, **kw):
        running.append(Download(lab, *a, **kw))
        return running[-1]
    yield begin
    for d in running:
        d.end()


def refused_rows(lab, name):
    return [e for e in lab.events(f'"{name}"') if '"block"' in str(e).replace("'", '"')]


@BOTH
@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_reload_cuts_a_download_and_no_other(lab, download, kind, v6):
    name = f"{kind}{6 if v6 else 4}.taken.example"
    other, two = download(f"{kind}://other.test/slow", v6), download(f"{kind}://other.test/slow", v6, ns="client2")
    gone = download(f"{kind}://{name}/slow", v6)
    lab.set_policy(POLICY + "# nothing that concerns them\n")
    assert gone.goes_on()
    lab.set_policy(blocking("taken.example"))
    took = gone.is_cut()
    print(f"{kind} v{6 if v6 else 4}: cut {took:.2f} s after the reload")
    assert took < labkit.AT_ONCE
    assert other.goes_on() and two.goes_on()
    assert labkit.until(lambda: len(refused_rows(lab, name)) == 1), lab.events(name)


@BOTH
def test_a_reload_stops_a_download_by_quic_and_no_other(lab, download, v6):
    gone, other = download("quic://quic.taken.example/slow", v6), download("quic://quic.other.test/slow", v6)
    lab.set_policy(blocking("taken.example"))
    assert gone.stops()
    assert other.goes_on()
    assert lab.quic("quic.fine.test", v6=v6)
    assert labkit.until(lambda: refused_rows(lab, "quic.taken.example"))


def receive_head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        if not got:
            break
        data += got
    return data


def request(s, name, path="/"):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return receive_head(s)


@BOTH
def test_a_kept_alive_connection_gets_the_page_at_its_next_request(lab, v6):
    with lab.inside("client"):
        one = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 80), timeout=labkit.PATIENCE)
        two = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 80), timeout=labkit.PATIENCE)
    with one, two:
        for s in (one, two):
            assert b" 200 " in request(s, "kept.taken.example")
        lab.set_policy(blocking("taken.example"))
        time.sleep(2)
        # another name on the same connection is none of its business
        assert b" 200 " in request(two, "kept.other.test")
        assert b" 403 " in request(one, "kept.taken.example")
        assert b" 403 " in request(two, "kept.taken.example")


class Echo:
    """A server in the origin."""

    def __init__(self, lab, kind, v6, port):
        self.kind, self.stop, self.resets = kind, False, 0
        with lab.inside("origin"):
            self.s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind((labkit.ORIGIN[6 if v6 else 4], port))
        self.s.settimeout(0.2)
        if kind == socket.SOCK_STREAM:
            self.s.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                if self.kind == socket.SOCK_DGRAM:
                    data, who = self.s.recvfrom(2000)
                    self.s.sendto(data, who)
                else:
                    threading.Thread(target=self.serve, args=(self.s.accept()[0],), daemon=True).start()
            except TimeoutError:
                pass
            except OSError:
                return

    def serve(self, c):
        with c:
            try:
                while not self.stop:
                    data = c.recv(2000)
                    if not data:
                        return
                    c.sendall(data)
            except OSError:
                self.resets += 1

    def end(self):
        self.stop = True
        self.thread.join()
        self.s.close()


@pytest.fixture
def echo(lab):
    servers = []

    def begin(*a):
        servers.append(Echo(lab, *a))
        return servers[-1]
    yield begin
    for s in servers:
        s.end()


def connect(lab, kind, v6, port):
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind)
    s.settimeout(labkit.PATIENCE if kind == socket.SOCK_STREAM else 1)
    s.connect((labkit.ORIGIN[6 if v6 else 4], port))
    return s


def echoes(s):
    """Within PATIENCE: what goes by UDP is said again each second."""
    for _ in range(1 if s.type == socket.SOCK_STREAM else labkit.PATIENCE):
        try:
            s.send(b"words")
            if s.recv(100):
                return True
        except TimeoutError:
            pass
    return False


@BOTH
def test_another_tcp_flow_is_reset_when_its_port_is_blocked(lab, echo, v6):
    server, _ = echo(socket.SOCK_STREAM, v6, 2200), echo(socket.SOCK_STREAM, v6, 2300)
    with connect(lab, socket.SOCK_STREAM, v6, 2200) as s, connect(lab, socket.SOCK_STREAM, v6, 2200) as idle, \
            connect(lab, socket.SOCK_STREAM, v6, 2300) as other:
        assert echoes(s) and echoes(idle) and echoes(other)
        lab.set_policy(blocking("port tcp/2200"))
        with pytest.raises(ConnectionError):
            while True:
                echoes(s)
                time.sleep(0.05)
        idle.settimeout(labkit.AT_ONCE)
        with pytest.raises(ConnectionError):  # it said nothing, and neither did its server
            idle.recv(1)
        assert labkit.until(lambda: server.resets == 2)
        assert echoes(other)


@BOTH
def test_an_idle_tls_connection_is_reset_too(lab, v6):
    told = ssl.create_default_context()
    told.check_hostname, told.verify_mode = False, ssl.CERT_NONE

    def begin(name):
        with lab.inside("client"):
            s = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 443), timeout=labkit.PATIENCE)
        return told.wrap_socket(s, server_hostname=name)
    with begin("idle.taken.example") as one, begin("idle.other.test") as other:
        for s, name in ((one, "idle.taken.example"), (other, "idle.other.test")):
            assert b" 200 " in request(s, name)
            s.settimeout(0.5)
            with pytest.raises(TimeoutError):  # the rest of the body
                while s.recv(65536):
                    pass
            s.settimeout(labkit.AT_ONCE)
        lab.set_policy(blocking("taken.example"))
        begun = time.monotonic()
        try:
            assert one.recv(1) == b""  # what Python's TLS makes of a RST
        except ConnectionError:
            pass
        print(f"idle TLS: {time.monotonic() - begun:.2f} s after the reload")
        assert b" 200 " in request(other, "idle.other.test")


@BOTH
def test_a_udp_flow_is_refused_and_allowed_again(lab, echo, v6):
    echo(socket.SOCK_DGRAM, v6, 2200)
    echo(socket.SOCK_DGRAM, v6, 2300)
    with connect(lab, socket.SOCK_DGRAM, v6, 2200) as s, connect(lab, socket.SOCK_DGRAM, v6, 2300) as other:
        def answered():
            try:
                s.send(b"words")
                return s.recv(100)
            except OSError:
                return False
        assert echoes(s) and echoes(other)
        lab.set_policy(blocking("port udp/2200"))
        assert labkit.until(lambda: not answered())
        assert not answered() and echoes(other)
        lab.set_policy(POLICY)
        assert labkit.until(answered)


def test_an_hour_begins(lab, download):
    running = [download(f"{kind}://hour{6 if v6 else 4}.taken.example/slow", v6) for kind in ("http", "https") for v6 in (False, True)]
    other = download("https://other.test/slow")
    now = time.gmtime(time.time() + 75)
    edge = f"{now.tm_hour:02}:{now.tm_min:02}"
    lab.set_policy(HEAD + f"hours late {edge}-{(now.tm_hour + 2) % 24:02}:30\n"
                   "for everyone\n  block taken.example hours late\notherwise allow\n")
    assert all(d.goes_on() for d in running)
    assert labkit.until(lambda: time.gmtime()[3:5] == now[3:5], 90)
    for d in running:
        assert d.is_cut() < labkit.AT_ONCE
    assert other.goes_on()


def test_a_list_grows(lab, download):
    path = os.path.join(os.path.dirname(lab.policy_path), "names.txt")

    def write(names):
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write("".join(f"{n}\n" for n in names))
        os.chmod(path + ".new", 0o644)
        os.replace(path + ".new", path)
    policy = HEAD + "list names names.txt format domains\nfor everyone\n  block names\notherwise allow\n"
    write(["first.example"])
    lab.set_policy(policy)
    running = [download(f"{kind}://list.taken.example/slow") for kind in ("http", "https")]
    write(["first.example", "taken.example"])
    assert lab.ctl("reload").returncode == 0
    for d in running:
        assert d.is_cut() < labkit.AT_ONCE


def test_a_devices_line_changes(lab, download):
    policy = HEAD + "group kids two\nfor kids\n  block taken.example\notherwise allow\n"
    lab.set_policy(policy)
    running = [download(f"{kind}://device.taken.example/slow", v6) for kind in ("http", "https") for v6 in (False, True)]
    lab.set_policy(policy.replace("53:03", "53:04").replace("53:02", "53:03").replace("53:04", "53:02"))
    for d in running:
        assert d.is_cut() < labkit.AT_ONCE


def test_a_device_that_was_forgotten_is_the_same(lab, download):
    """What the neighbour table does not know for a moment is no change."""
    running = [download("https://forgotten.test/slow", v6) for v6 in (False, True)]
    for ip in ("-4", "-6"):
        lab.exec("gateway", ["ip", ip, "neigh", "flush", "dev", "lan"])
    for n in range(3):
        lab.set_policy(POLICY + f"# {n}\n")
    assert all(d.goes_on() for d in running)


def test_behind_a_destination_nat(lab, download, inspected):
    rule = ["PREROUTING", "-i", "lan", "-d", "198.51.100.77", "-j", "DNAT", "--to-destination", labkit.ORIGIN[4]]
    lab.exec("gateway", ["iptables", "-t", "nat", "-A", *rule], check=True)
    try:
        gone = download("https://dnat.taken.example/slow", options=("--connect-to", "::198.51.100.77:443"))
        lab.set_policy(blocking("taken.example"))
        assert gone.stops()
    finally:
        lab.exec("gateway", ["iptables", "-t", "nat", "-D", *rule], check=True)


@pytest.fixture
def inspected():
    """Not by way of the proxy (conftest.py)."""


@pytest.mark.skipif(not os.path.exists("/proc/net/nf_conntrack"), reason="no /proc/net/nf_conntrack here")
def test_the_owners_bits_of_the_mark_stay(lab, download, inspected):
    mark = ["FORWARD", "-p", "tcp", "--dport", "443", "-j", "CONNMARK", "--set-xmark", "0x1234/0xffff"]
    lab.exec("gateway", ["iptables", "-t", "mangle", "-A", *mark], check=True)
    try:
        download("https://bits.taken.example/slow")
        lab.exec("gateway", ["iptables", "-t", "mangle", "-D", *mark], check=True)
        lab.set_policy(blocking("taken.example"))

        def marks():
            text = lab.exec("gateway", ["cat", "/proc/net/nf_conntrack"]).stdout.decode()
            return [int(m) for m in re.findall(r"src=192\.0\.2\.2 .*dport=443 .*mark=(\d+)", text)]
        assert labkit.until(lambda: any(m & 0x80000000 and m & 0xffff == 0x1234 for m in marks())), marks()
    finally:
        lab.exec("gateway", ["iptables", "-t", "mangle", "-D", *mark])
