# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself, before Durward is in it: what the other tests rest on."""
import pytest

import labkit

DAEMON = False
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def source(lab, v6, client=labkit.CLIENT):
    return "198.51.100.1" if lab.nat and not v6 else client[6 if v6 else 4]


@BOTH
def test_http(lab, v6):
    reply = lab.curl("http://a.b.c.plain.test/x", v6=v6)
    assert (reply.status, reply.body) == (200, b"origin a.b.c.plain.test http /x\n"), reply
    assert lab.arrived("a.b.c.plain.test")[-1]["client"] == source(lab, v6)


@BOTH
def test_https(lab, v6):
    reply = lab.curl("https://a.b.c.tls.example/x", v6=v6)
    assert (reply.status, reply.version) == (200, "2"), reply
    seen = lab.arrived("a.b.c.tls.example")[-1]
    assert (seen["sni"], seen["client"]) == ("a.b.c.tls.example", source(lab, v6))


@BOTH
def test_http3(lab, v6):
    assert lab.quic("deep.down.quic.test", v6=v6) == b"origin deep.down.quic.test HTTP/3.0 /x\n"
    assert lab.arrived("deep.down.quic.test")[-1]["proto"] == "HTTP/3.0"


@BOTH
def test_client2_has_its_own_address(lab, v6):
    host = f"second{6 if v6 else 4}.test"
    assert lab.curl(f"http://{host}/", ns="client2", v6=v6).status == 200
    assert lab.arrived(host)[-1]["client"] == source(lab, v6, labkit.CLIENT2)


@BOTH
def test_other_origin_addresses(lab, v6):
    for n in (3, 4, 5, 6):
        reply = lab.curl(f"https://addr{n}.test/", v6=v6)
        assert (reply.status, reply.remote) == (200, f"2001:db8:2::{n}" if v6 else f"198.51.100.{n}"), reply


@BOTH
def test_upload_and_download(lab, v6, tmp_path):
    (tmp_path / "up").write_bytes(b"x" * 3_000_000)
    for scheme in ("http", "https"):
        assert lab.curl(f"{scheme}://up.test/upload", "-T", str(tmp_path / "up"), v6=v6).body == b"received 3000000\n"
        assert len(lab.curl(f"{scheme}://up.test/big", v6=v6).body) == 10_000_000


def test_names_outside_the_lab_do_not_resolve(lab):
    assert lab.exec("client", ["getent", "ahosts", "www.invalid"]).returncode != 0


def test_the_segment_is_shared_and_macs_are_fixed(lab):
    assert lab.exec("client", ["ping", "-c1", "-W20", labkit.CLIENT2[4]]).returncode == 0
    assert labkit.MAC["client2"].encode() in lab.exec("client", ["ip", "neigh", "show", labkit.CLIENT2[4]]).stdout
    lab.exec("client2", ["ping", "-6", "-c1", "-W20", "2001:db8:1::1"])
    seen = lab.exec("gateway", ["ip", "-6", "neigh", "show", "dev", "lan"]).stdout
    assert labkit.MAC["client2"].encode() in seen


def test_a_socket_made_inside_is_inside(lab):
    import socket
    with lab.inside("client"):
        s = socket.create_connection((labkit.ORIGIN[4], 80), timeout=labkit.PATIENCE)
    with s:
        assert s.getsockname()[0] == labkit.CLIENT[4]
