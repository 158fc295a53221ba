# SPDX-License-Identifier: GPL-3.0-or-later
"""How the proxy path carries bytes: bodies in the kernel and yet exactly framed, ends as they were, bounded memory, no
dial to the gateway itself, no spin where descriptors are short, and a tuple that moves to the inspect path.
"""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest

import labkit
import peers

NAT = (False,)
POLICY = """\
timezone UTC
fail closed
for everyone
  block block.example
otherwise allow
"""
SETTINGS = "proxy-tcp 80\nhello-deadline 30\n"
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
MEG = 1 << 20


def connect(lab, v6, port=80, to=None, sport=0):
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with lab.inside("client"):
        s = socket.socket(family)
    s.settimeout(labkit.PATIENCE)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sport:
        s.bind(("::" if v6 else "0.0.0.0", sport))
    s.connect((to or peers.PEER[6 if v6 else 4], port))
    return s


def hear(sock, until=None):
    """Bytes up to the end or the moment that until(bytes) is true, and the end: "fin", "reset", "silence", None."""
    data = bytearray()
    while not (until and until(data)):
        try:
            got = sock.recv(1 << 18)
        except socket.timeout:
            return bytes(data), "silence"
        except OSError:
            return bytes(data), "reset"
        if not got:
            return bytes(data), "fin"
        data += got
    return bytes(data), None


def request(host, path="/", method="GET", more="", body=b""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode() + body


def sized(host, path, body):
    return request(host, path, "POST", f"Content-Length: {len(body)}\r\n", body)


def chunked(host, path, pieces):
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    return request(host, path, "POST", "Transfer-Encoding: chunked\r\n", body)


def counters(lab):
    return labkit.read_json(lab.ctl("-j", "status").stdout)[0]["counters"]


def cpu(pid):
    """Seconds of processor time that it has had."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024


def is_idle(pid):
    """In one of a few half seconds it hardly ran: a loop that spins would run all of each."""
    for _ in range(6):
        before = cpu(pid)
        time.sleep(0.5)
        if cpu(pid) - before < 0.15:
            return True
    return False


# -- bodies

@BOTH
@pytest.mark.parametrize("piece", [1 << 20, 4000], ids=["at-once", "small-writes"])
def test_H02_H14_H15_a_request_behind_big_bodies_is_judged(lab, v6, piece):
    """Not a byte of what follows an unread body is taken for the body."""
    fill = os.urandom(3 * MEG // 2)
    fine = [sized("fine.test", "/1", fill), request("fine.test", "/2"), chunked("fine.test", "/3", [fill[:70000]] * 5 + [b"x"]),
            sized("fine.test", "/4", fill[:16384]), sized("fine.test", "/5", b""), sized("fine.test", "/6", fill[:300000])]
    sent = b"".join(fine) + sized("big.block.example", "/evil", fill[:200000]) + request("fine.test", "/never")
    with peers.Peer(lab, 80) as peer, connect(lab, v6) as s:
        try:
            for i in range(0, len(sent), piece):
                s.sendall(sent[i:i + piece])
        except OSError:
            pass  # the page is there before the rest of the forbidden upload
        page, _ = hear(s, lambda d: b"HTTP/1.1 403 " in d)
        assert b"HTTP/1.1 403 " in page
        assert labkit.until(lambda: len(peer.heard()) >= len(b"".join(fine)))
        s.close()
        assert peer.connections[0].finished.wait(60)
        assert peer.heard() == b"".join(fine)


@BOTH
def test_answers_until_the_close_come_whole(lab, v6):
    fill = os.urandom(8 * MEG)

    def talk(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + fill)

    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        s.sendall(request("fine.test"))
        answer, end = hear(s)
        assert answer.endswith(fill) and len(answer) == len(fill) + 19 and end == "fin"


# -- ends, while bytes are spliced

@BOTH
def test_half_close_of_the_client_behind_a_big_upload(lab, v6):
    fill = os.urandom(4 * MEG)

    def talk(c):
        c.hear()
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n%d" % len(c.data))

    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        sent = sized("fine.test", "/", fill)
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
        answer, end = hear(s)
        assert answer.endswith(b"\r\n\r\n%d" % len(sent)) and end == "fin"
        assert peer.connections[0].end == "fin" and peer.connections[0].data == sent


@BOTH
def test_half_close_in_the_middle_of_a_body(lab, v6):
    """Fewer bytes than promised: the server hears the end just there, and its answer comes."""
    def talk(c):
        c.hear()
        c.sock.sendall(b"HTTP/1.0 400 Short\r\n\r\n")

    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        sent = request("fine.test", "/", "POST", f"Content-Length: {9 * MEG}\r\n", b"u" * MEG)
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
        answer, end = hear(s)
        assert answer.startswith(b"HTTP/1.0 400") and end == "fin"
        assert peer.connections[0].end == "fin" and len(peer.connections[0].data) == len(sent)


@BOTH
def test_half_close_of_the_server_during_a_big_upload(lab, v6):
    fill = os.urandom(4 * MEG)

    def talk(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nbye")
        c.sock.shutdown(socket.SHUT_WR)
        c.hear()

    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        sent = sized("fine.test", "/", fill)
        s.sendall(sent[:MEG])
        answer, end = hear(s)
        assert answer.endswith(b"bye") and end == "fin"
        s.sendall(sent[MEG:])
        s.shutdown(socket.SHUT_WR)
        assert peer.connections[0].finished.wait(60)
        assert peer.connections[0].data == sent and peer.connections[0].end == "fin"


@BOTH
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_reset_of_the_server_while_bytes_flow(lab, v6, way):
    def talk(c):
        c.hear(3 * MEG if way == "up" else 1)
        with contextlib.suppress(OSError):
            c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"d" * (2 * MEG if way == "down" else 0))
        c.reset()

    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        try:
            s.sendall(request("fine.test") if way == "down" else
                      request("fine.test", "/", "POST", f"Content-Length: {20 * MEG}\r\n", b"u" * 8 * MEG))
        except ConnectionResetError:
            return
        assert hear(s)[1] == "reset"


@BOTH
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_reset_of_the_client_while_bytes_flow(lab, v6, way):
    ends = []

    def talk(c):
        c.hear(1)
        try:
            while way == "down":
                c.sock.sendall(b"d" * MEG)
        except OSError as e:
            ends.append("silence" if isinstance(e, socket.timeout) else "reset")
        c.hear()

    with peers.Peer(lab, 80, talk) as peer:
        s = connect(lab, v6)
        if way == "down":
            s.sendall(request("fine.test"))
            hear(s, lambda d: len(d) > 2 * MEG)
        else:
            s.sendall(request("fine.test", "/", "POST", f"Content-Length: {20 * MEG}\r\n", b"u" * 4 * MEG))
            assert labkit.until(lambda: len(peer.heard()) > MEG)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, peers.LINGER_RST)
        s.close()
        assert peer.connections[0].finished.wait(60)
        assert (ends or [peer.connections[0].end]) == ["reset"]


@BOTH
@pytest.mark.parametrize("way", ["body", "tunnel", "down"])
def test_an_urgent_byte_does_not_stop_a_relay(lab, v6, way):
    """splice(2) goes no further than such a byte, and the loop would ask for ever."""
    fill = b"f" * 100000

    def talk(c):
        if way != "down":
            return c.hear()
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + fill)
        c.sock.send(b"!", socket.MSG_OOB)
        time.sleep(0.2)
        return c.sock.sendall(b"after" + fill)

    first = {"body": request("fine.test", "/", "POST", f"Content-Length: {10 * MEG}\r\n"), "tunnel": bytes(range(256)),
             "down": request("fine.test")}[way]
    with peers.Peer(lab, 80, talk) as peer, connect(lab, v6) as s:
        s.sendall(first)
        if way == "down":
            answer, end = hear(s)
            assert answer.endswith(b"f" + b"after" + fill) and end == "fin", (answer[-20:], end)
            return
        assert labkit.until(lambda: peer.heard() == first)
        s.sendall(fill)
        assert labkit.until(lambda: peer.heard() == first + fill)
        s.send(b"!", socket.MSG_OOB)
        assert is_idle(lab.processes()["dataplane"])
        s.sendall(b"after" + fill)
        assert labkit.until(lambda: peer.heard().endswith(b"f" + b"after" + fill)), len(peer.heard())
        assert is_idle(lab.processes()["dataplane"])


# -- bounds

@BOTH
def test_a_reader_that_reads_nothing(lab, v6):
    """The server is slowed, the dataplane holds next to nothing, and what was held back comes whole."""
    size, sent = 200 * MEG, [0]

    def talk(c):
        c.hear(1)
        while sent[0] < size:
            c.sock.sendall(b"d" * MEG)
            sent[0] += MEG

    dataplane = lab.processes()["dataplane"]
    with peers.Peer(lab, 80, talk, timeout=60), connect(lab, v6) as s:
        before = rss(dataplane)
        s.sendall(request("fine.test"))
        seen = -1
        while sent[0] != seen:
            seen = sent[0]
            time.sleep(0.7)
        held, got = seen, 0
        print(f"dataplane: {before / MEG:.1f} MiB before, {rss(dataplane) / MEG:.1f} MiB while {held / MEG:.0f} MiB were on their way")
        assert held < size - 20 * MEG, "the server was not slowed"
        assert rss(dataplane) - before < 8 * MEG
        assert is_idle(dataplane)
        room = bytearray(MEG)
        while n := s.recv_into(room):
            got += n
        assert got == size


@BOTH
def test_a_server_that_reads_nothing(lab, v6):
    """The same for an upload: the client is slowed."""
    let, size = threading.Event(), 100 * MEG
    heard = [0]

    def talk(c):
        c.sock.settimeout(60)
        let.wait(60)
        while got := c.sock.recv(MEG):
            heard[0] += len(got)

    dataplane = lab.processes()["dataplane"]
    with peers.Peer(lab, 80, talk), connect(lab, v6) as s:
        before, sent = rss(dataplane), 0
        s.sendall(head := request("fine.test", "/", "POST", f"Content-Length: {size}\r\n"))
        s.settimeout(1.5)
        with contextlib.suppress(socket.timeout):
            while sent < size:
                sent += s.send(b"u" * min(MEG, size - sent))
        print(f"dataplane: {before / MEG:.1f} MiB before, {rss(dataplane) / MEG:.1f} MiB while {sent / MEG:.0f} MiB were on their way")
        assert sent < size - 10 * MEG, "the client was not slowed"
        assert rss(dataplane) - before < 8 * MEG
        assert is_idle(dataplane)
        let.set()
        s.settimeout(labkit.PATIENCE)
        while sent < size:
            sent += s.send(b"u" * min(MEG, size - sent))
        assert labkit.until(lambda: heard[0] == size + len(head)), heard


@contextlib.contextmanager
def few_files(pid, more):
    """The process may have that many more open files than it has. Its own user may say so, root here may not."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        words = f.read()
    user, group = (int(re.search(rf"{key}:\s+(\d+)", words)[1]) for key in ("Uid", "Gid"))
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", f.read()).groups()

    def limit(n):
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={n}:{hard}"], user=user, group=group, extra_groups=[], check=True)

    limit(len(os.listdir(f"/proc/{pid}/fd")) + more)
    try:
        yield
    finally:
        limit(soft)


@BOTH
def test_without_descriptors_new_connections_wait(lab, v6):
    def serve(c):
        c.hear(1)
        c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nserved")

    dataplane = lab.processes()["dataplane"]
    with peers.Peer(lab, 80, serve), contextlib.ExitStack() as stack:
        held = []
        with few_files(dataplane, 11):  # not even: the last accepted one finds no descriptor for its server
            held += [stack.enter_context(connect(lab, v6)) for _ in range(20)]
            for s in held:
                s.sendall(request("fine.test")[:-2])
            rests = counters(lab)["relay_rests"]
            assert labkit.until(lambda: counters(lab)["relay_rests"] > rests)
            assert is_idle(dataplane)
            assert "shortage" in lab.ctl("status").stdout
            for s in held[:4]:
                s.sendall(b"\r\n")
            assert labkit.until(lambda: lab.processes()["dataplane"] == dataplane)
        for s in held[4:]:
            s.sendall(b"\r\n")
        for s in held:
            answer, end = hear(s)
            assert answer.endswith(b"served") and end == "fin", (answer, end)
    assert lab.processes()["dataplane"] == dataplane


# -- never itself

@BOTH
@pytest.mark.parametrize("nonlocal_bind", [0, 1])
def test_the_gateway_itself_is_never_dialled(lab, v6, nonlocal_bind):
    """Even where a foreign rule hands its own address to the proxy, and where bind(2) takes every address for its own."""
    own, family = ("2001:db8:1::1", "ip6tables") if v6 else ("192.0.2.1", "iptables")
    with lab.inside("gateway"):
        service = socket.create_server((own, 80), family=socket.AF_INET6 if v6 else socket.AF_INET)
    rule = f"-w 10 -t mangle {{}} PREROUTING -i lan -p tcp -d {own} --dport 80 -j TPROXY --on-port 4480 --tproxy-mark 0x8000000/0xff000000"
    sysctl = ["sh", "-c", "for i in 4 6; do echo $0 >/proc/sys/net/ipv$i/ip_nonlocal_bind; done"]
    taken = counters(lab)["relays"]
    with service:
        service.settimeout(0.3)
        lab.exec("gateway", [family, *rule.format("-I").split()], check=True)
        lab.exec("gateway", [*sysctl, str(nonlocal_bind)], check=True)
        try:
            with pytest.raises(OSError):
                with connect(lab, v6, to=own) as s:
                    s.sendall(request("fine.test"))
                    raise OSError("reset") if hear(s) == (b"", "reset") else AssertionError("answered")
            with pytest.raises(socket.timeout):
                service.accept()
            assert labkit.until(lambda: counters(lab)["relays"] > taken), "the proxy did not see it"
        finally:
            lab.exec("gateway", [family, *rule.format("-D").split()], check=True)
            lab.exec("gateway", [*sysctl, "0"], check=True)
        with connect(lab, v6, to=own):
            service.accept()[0].close()


# -- a tuple used again

def answer_and_close(c):
    c.hear(1)
    c.sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")


def resent(lab):
    words = lab.exec("client", ["nstat", "-asz", "TcpExtTCPSynRetrans"]).stdout.decode()
    return int(re.search(r"TCPSynRetrans\s+(\d+)", words)[1])


def once(lab, v6, sport):
    with connect(lab, v6, sport=sport) as s:
        s.sendall(request("fine.test"))
        answer, end = hear(s)
        assert answer.endswith(b"ok") and end == "fin", (answer, end)


def at_first_try(lab, v6, sports):
    """Whether a connection from one of these ports needed no second SYN."""
    for sport in sports:
        before, begin = resent(lab), time.monotonic()
        once(lab, v6, sport)
        print(f"port {sport}: {time.monotonic() - begin:.2f} s")
        if resent(lab) == before:
            return True
    return False


@BOTH
def test_the_same_ports_again_at_once(lab, v6):
    """The server closed first, so the gateway's socket towards the client is left in TIME_WAIT."""
    sports = range(41000 + 10 * v6, 41004 + 10 * v6)
    with peers.Peer(lab, 80, answer_and_close):
        for sport in sports:
            once(lab, v6, sport)
        assert at_first_try(lab, v6, sports)


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_ports_move_to_the_inspect_path(fail):
    """The setting changes while the proxy's TIME_WAIT socket of the same tuple is still there."""
    with contextlib.ExitStack() as stack:
        lab = labkit.Lab(POLICY.replace("closed", fail), "proxy-tcp 80\n").up()
        stack.callback(lab.down)
        stack.enter_context(peers.Peer(lab, 80, answer_and_close))
        for v6 in (False, True):
            once(lab, v6, 42000)
        left = lab.exec("gateway", ["ss", "-Htan", "state", "time-wait", "sport", "= :80"]).stdout.decode()
        assert "42000" in left, left
        os.kill(lab.processes()["supervisor"], 15)
        assert labkit.until(lambda: not lab.processes())
        with open(f"{lab.state}/settings", "a", encoding="utf-8") as f:
            f.write("proxy-tcp none\ninspect-tcp 80 443\n")
        daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"])
        stack.callback(lambda: daemon.communicate(timeout=90))
        stack.callback(daemon.terminate)
        assert labkit.until(lambda: lab.ctl("status", "-q").returncode == 0)
        for v6 in (False, True):
            begin = time.monotonic()
            once(lab, v6, 42000)  # its first SYN meets the socket that is left, and is sent again
            print(f"{'v6' if v6 else 'v4'}: {time.monotonic() - begin:.2f} s")
        assert lab.curl("http://block.example/").status == 403
