# SPDX-License-Identifier: GPL-3.0-or-later
"""P36: one client opens very many half hellos and keeps them open; another client notices nothing.

100,000 of them in one of the tests, 10,000 in each other; FLOOD=100000 in the environment: everywhere, and with the
default settings (about 10 s a test). flood.c opens them: every handshake is complete, none of the hellos is.
"""
import json
import os
import socket
import ssl
import subprocess
import sys

import pytest

import hello as hellos
import labkit

sys.path.insert(0, os.path.join(labkit.REPO, "tests", "evade"))
import quic  # noqa: E402

FLOOD = int(os.environ.get("FLOOD", "0"))
POLICY = """\
timezone UTC
fail closed
for everyone
  block blocked.example
otherwise allow
"""
PATHS = {"N": "workers 2\n", "T": "workers 2\ninspect-tcp none\nproxy-tcp 80 443\n"}
if FLOOD < 50000:  # so that a small flood is too much, too, however slow: by the client's quota, the table has room
    PATHS["N"] += "client-quota 1\nhello-deadline 3\n"
    PATHS["T"] += "flow-limit 4096\nhello-deadline 3\n"
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
FAR = {"iptables": "203.0.113.0/24", "ip6tables": "2001:db8:3::/64"}


@pytest.fixture
def inspected():
    """The proxy path has no UDP."""


@pytest.fixture(scope="module")
def flood(lab, tmp_path_factory):
    """The generator, built. The client's own kernel knows nothing of its connections: it must not reset them."""
    binary = str(tmp_path_factory.mktemp("flood") / "flood")
    source = os.path.join(labkit.HERE, "flood.c")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", binary, source], check=True)
    for tool, net in FAR.items():
        lab.exec("client", [tool, "-w", "-t", "raw", "-A", "PREROUTING", "-s", net, "-j", "DROP"], check=True)
    return binary


def halves(folder, kind):
    """Files with the two halves of a hello for a blocked name."""
    whole = hellos.Tls("half.blocked.example").hello
    parts = [whole[:100], whole[100:]]
    if kind == "udp":
        dcid, message = b"halfopen", whole[5:]
        keys = quic.initial_keys(dcid, quic.V1, b"client in")
        frames = [quic.crypto(0, message[:100]), quic.crypto(100, message[100:])]
        parts = [quic.seal(keys, quic.V1, quic.INITIAL, dcid, b"", pn, f.ljust(1200, b"\0")) for pn, f in enumerate(frames)]
    out = []
    for i, part in enumerate(parts):
        out.append(str(folder / f"{kind}{i}"))
        with open(out[-1], "wb") as f:
            f.write(part)
    return out


def counters(lab):
    return json.loads(lab.ctl("-j", "status").stdout)["counters"]


def allowed(lab, client, v6):
    """Decisions to allow a flow of this client, as recorded."""
    address = (labkit.CLIENT if client == "client" else labkit.CLIENT2)[6 if v6 else 4]
    return len(labkit.read_json(lab.ctl("-j", "log", "-n", "1000", "allow", address).stdout))


def rss_mib(lab):
    with open(f"/proc/{lab.processes()['dataplane']}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def connections(lab, v6, n):
    """How many of n TLS connections of client2 brought the origin's answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    good = 0
    for _ in range(n):
        with lab.inside("client2"):
            s = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 443), timeout=labkit.PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with s, context.wrap_socket(s, server_hostname="fine.test") as tls:
            tls.write(b"GET / HTTP/1.1\r\nHost: fine.test\r\nConnection: close\r\n\r\n")
            answer = b""
            while more := tls.read(4096):
                answer += more
        good += b"origin fine.test" in answer
    return good


def ask(process, word=b"\n"):
    process.stdin.write(word)
    process.stdin.flush()
    return process.stdout.readline()


def run(lab, flood, kind, v6, tmp_path, during):
    """The flood; during(), while the hellos are opened and when all are open; their second halves. What arrived."""
    number = FLOOD or (100000 if (kind, lab.path, lab.nat, v6) == ("tcp", "N", False, False) else 10000)
    limit = "overload" if lab.path == "N" else "relay_shed"
    files = halves(tmp_path, kind)
    before, mib = counters(lab), rss_mib(lab)
    take = lab.popen("origin", [flood, "take", "eth0", *files], stdin=subprocess.PIPE, stderr=None)
    give = None
    try:
        assert take.stdout.readline() == b"ready\n"
        give = lab.popen("client", [flood, "give", "eth0", kind, "6" if v6 else "4", str(number), "443", *files],
                         stdin=subprocess.PIPE, stderr=None)
        during()
        assert give.stdout.readline() == f"open {number}\n".encode()
        during()
        grown = rss_mib(lab) - mib
        # half a QUIC hello does not go on; an earlier flood of this client may still have its share
        if lab.path == "N" and kind == "tcp":
            assert labkit.until(lambda: json.loads(ask(take))["halves"] > 200)
        assert ask(give) == f"rest {number}\n".encode()
        assert labkit.until(lambda: counters(lab)[limit] - before[limit] > number / 10), counters(lab)
        arrived = json.loads(ask(take))
    finally:
        for p in filter(None, (give, take)):
            p.stdin.close()
            p.wait(60)
            p.stdout.close()
        lab.exec("gateway", ["conntrack", "-F"])
    after = counters(lab)
    print(f"\n{number} halves, {kind}, {'v6' if v6 else 'v4'}: the dataplane grew by {grown:.0f} MiB; arrived {arrived}; "
          f"counted { {k: after[k] - before[k] for k in after if after[k] != before[k]} }")
    assert arrived["both"] == 0, arrived
    assert grown < 200
    assert json.loads(lab.ctl("-j", "status").stdout)["problems"] == []
    return arrived


@BOTH
def test_P36_half_open_hellos_of_one_client_take_nothing_from_another(lab, flood, v6, tmp_path):
    lab.curl("https://fine.test/", ns="client2", v6=v6)  # its certificate is made
    good = []
    arrived = run(lab, flood, "tcp", v6, tmp_path, lambda: good.append(connections(lab, v6, 50)))
    assert good == [50, 50]
    assert allowed(lab, "client", v6) == 0
    assert "packets, " in lab.ctl("status").stdout
    if lab.path == "T":
        assert arrived["syns"] == 0, arrived  # nobody was dialled


@BOTH
def test_P36_half_open_quic_hellos_of_one_client_take_nothing_from_another(lab, inspected, flood, v6, tmp_path):
    good, bodies = [], []

    def during():
        good.append(connections(lab, v6, 45))
        bodies.extend(lab.quic("fine.test", ns="client2", v6=v6) for _ in range(5))

    lab.curl("https://fine.test/", ns="client2", v6=v6)
    run(lab, flood, "udp", v6, tmp_path, during)
    assert good == [45, 45] and all(bodies), (good, bodies)
    assert allowed(lab, "client", v6) == 0
