# SPDX-License-Identifier: GPL-3.0-or-later
"""durwardctl identify reads captures as they are made on a gateway: of an NFLOG group, with gzip, and cut short."""
import gzip
import json
import os
import subprocess

import labkit
import peers
import rawtcp

NAT = (False,)
DAEMON = False
DURWARDCTL = os.path.join(os.path.dirname(labkit.DURWARD), "durwardctl")


def identify(path):
    done = subprocess.run([DURWARDCTL, "-j", "identify", path], capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done


def capture(lab, interface, path, traffic):
    """tcpdump in the gateway while traffic() runs; ends when the capture holds what it should."""
    tcpdump = lab.popen("gateway", ["tcpdump", "-U", "-s0", "-i", interface, "-w", path, *(["tcp"] if interface == "lan" else [])])
    try:
        assert labkit.until(lambda: os.path.exists(path) and os.path.getsize(path) >= 24)
        traffic()
        return labkit.until(lambda: len(identify(path)[0]) >= 4 and identify(path)[0])
    finally:
        tcpdump.terminate()
        tcpdump.wait()


def ask(lab):
    for v6 in (False, True):
        assert lab.curl("http://plain.example/", v6=v6).status == 200
        assert lab.curl("https://secret.example/", v6=v6).status == 200


def names(flows):
    return sorted((f["proto"], f["names"][0], ":" in f["src"]) for f in flows)


WANTED = sorted((proto, name, v6) for proto, name in (("http", "plain.example"), ("tls", "secret.example")) for v6 in (False, True))


def test_a_capture_of_an_nflog_group(lab, tmp_path):
    for tool in ("iptables", "ip6tables"):
        lab.exec("gateway", [tool, "-w", "-I", "FORWARD", "-p", "tcp", "-j", "NFLOG", "--nflog-group", "77"], check=True)
    path = str(tmp_path / "nflog.pcap")
    flows = capture(lab, "nflog:77", path, lambda: ask(lab))
    assert names(flows) == WANTED, flows


def test_a_capture_with_gzip_whole_and_cut(lab, tmp_path):
    path = str(tmp_path / "lan.pcap")
    flows = capture(lab, "lan", path, lambda: ask(lab))
    assert names(flows) == WANTED, flows
    with open(path, "rb") as f:
        whole = gzip.compress(f.read())
    for data, good in ((whole, True), (whole[:len(whole) // 2], False)):
        with open(path + ".gz", "wb") as f:
            f.write(data)
        flows, done = identify(path + ".gz")
        assert (done.returncode == 0) == good, done
        assert names(flows) == WANTED if good else "the gzip file ends too early" in done.stderr, (flows, done)


def test_T48_a_capture_of_several_syns(lab, tmp_path):
    """The client sends SYNs with other numbers before and after the one that the server gets."""
    path = str(tmp_path / "syns.pcap")
    peers.lose_far_syns(lab)

    def traffic():
        for v6 in (False, True):
            for others in (1, 5):
                with rawtcp.Wire(lab, v6, port=80) as w:
                    for k in range(others):
                        w.send(b"", flags=rawtcp.SYN, seq=w.isn + 7777777 * (k + 1), ack=0, ttl=peers.LOST_TTL)
                    w.connect()
                    w.send(b"", flags=rawtcp.SYN, seq=w.isn - 7777777, ack=0, ttl=peers.LOST_TTL)
                    w.send(b"GET / HTTP/1.0\r\nHost: several.example\r\n\r\n")
                    assert w.answer().startswith(b"HTTP/1.")

    flows = capture(lab, "lan", path, traffic)
    assert names(flows) == [("http", "several.example", False)] * 2 + [("http", "several.example", True)] * 2, flows
