# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: allow and block by name over HTTP, TLS and QUIC, IPv4 and IPv6, by who asks, and the record of it."""
import socket

import pytest

import labkit

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
person mia owns one
group kids mia
app games games.example playground.test

for everyone
  block tracker.example because "Known <b>tracker</b>"
  block port tcp/25 udp/9999
  block net 198.51.100.6 2001:db8:2::6
for kids
  allow =chess.games.example
  block games because "Homework first"
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
KINDS = pytest.mark.parametrize("kind", ["http", "https"], ids=["http-pathT", "https-pathN"])


def family(v6):
    return 6 if v6 else 4


@BOTH
@KINDS
def test_P32_P33_allowed(lab, kind, v6):
    name = f"{kind}{family(v6)}.fine.test"
    assert lab.curl(f"{kind}://{name}/", v6=v6).status == 200
    assert lab.arrived(name)


@BOTH
def test_allowed_quic(lab, v6):
    assert lab.quic(f"quic{family(v6)}.fine.test", v6=v6)


@BOTH
def test_blocked_http_shows_the_page_with_the_reason_escaped(lab, v6):
    reply = lab.curl("http://a.tracker.example/", v6=v6)
    assert reply.status == 403, reply
    assert b"Known &lt;b&gt;tracker&lt;/b&gt;" in reply.body and b"<script" not in reply.body.lower()
    assert not lab.asked("a.tracker.example")


@BOTH
def test_blocked_tls_is_refused_at_once(lab, v6):
    reply = lab.curl("https://a.tracker.example/", v6=v6)
    assert reply.exit in (35, 56) and reply.status == 0 and reply.seconds < labkit.AT_ONCE, reply
    assert not lab.asked("a.tracker.example")


@BOTH
def test_blocked_quic(lab, v6):
    assert lab.quic("q.tracker.example", v6=v6, timeout=3) is None
    assert not lab.asked("q.tracker.example")


@BOTH
@KINDS
def test_P32_P33_by_who_asks(lab, kind, v6):
    tail = f"{kind}{family(v6)}.games.example"
    assert lab.curl(f"{kind}://one.{tail}/", v6=v6).status in (0, 403)
    assert not lab.asked(f"one.{tail}")
    assert lab.curl(f"{kind}://two.{tail}/", v6=v6, ns="client2").status == 200


@BOTH
@KINDS
def test_an_exception_above_the_rule(lab, kind, v6):
    assert lab.curl(f"{kind}://chess.games.example/", v6=v6).status == 200
    assert lab.curl(f"{kind}://x.chess.games.example/", v6=v6).status in (0, 403)


@BOTH
def test_each_request_of_a_connection_is_judged(lab, v6):
    done = lab.exec("client", ["curl", "-sS", "-6" if v6 else "-4", "-m", "30", "-o", "/dev/null", "-o", "/dev/null",
                               "-w", "%{http_code} ", "--connect-to", "::keep.fine.test:80",
                               "http://keep.fine.test/", "http://keep.tracker.example/"])
    assert done.stdout.decode().split() == ["200", "403"], done
    assert not lab.asked("keep.tracker.example")


@BOTH
@KINDS
def test_blocked_address(lab, kind, v6):
    assert lab.curl(f"{kind}://addr6.test/", v6=v6).status in (0, 403)
    assert lab.curl(f"{kind}://addr5.test/", v6=v6).status == 200
    assert not lab.asked("addr6.test")


@BOTH
def test_other_ports(lab, v6):
    with lab.inside("origin"):
        servers = [socket.create_server((labkit.ORIGIN[family(v6)], p), family=socket.AF_INET6 if v6 else socket.AF_INET)
                   for p in (25, 2525)]
    try:
        with lab.inside("client"):
            with pytest.raises(OSError):
                socket.create_connection((labkit.ORIGIN[family(v6)], 25), timeout=labkit.PATIENCE).close()
            socket.create_connection((labkit.ORIGIN[family(v6)], 2525), timeout=labkit.PATIENCE).close()
    finally:
        for s in servers:
            s.close()


@BOTH
def test_ping_passes(lab, v6):
    assert lab.exec("client", ["ping", "-c1", "-W20", labkit.ORIGIN[family(v6)]]).returncode == 0


@BOTH
@KINDS
def test_upload_and_download_pass_whole(lab, kind, v6, tmp_path):
    (tmp_path / "up").write_bytes(bytes(range(256)) * 20000)
    sent = lab.curl(f"{kind}://up.fine.test/put/f{family(v6)}{kind}", "-T", str(tmp_path / "up"), v6=v6, timeout=60)
    assert sent.status in (201, 204), sent
    with open(f"{lab.state}/origin/put/f{family(v6)}{kind}", "rb") as f:
        assert f.read() == (tmp_path / "up").read_bytes()
    assert len(lab.curl(f"{kind}://up.fine.test/big", v6=v6, timeout=60).body) == 10_000_000


@BOTH
def test_the_client_address_is_kept_towards_the_origin(lab, v6):
    name = f"src{family(v6)}.fine.test"
    assert lab.curl(f"http://{name}/", v6=v6).status == 200
    assert lab.arrived(name)[-1]["client"] == ("198.51.100.1" if lab.nat and not v6 else labkit.CLIENT[family(v6)])


@pytest.mark.parametrize("kind,verdict", [("http", "block"), ("https", "block"), ("http", "allow"), ("https", "allow")])
def test_each_decision_is_recorded(lab, kind, verdict):
    name = f"rec-{kind}.tracker.example" if verdict == "block" else f"rec-{kind}.fine.test"
    lab.curl(f"{kind}://{name}/")
    assert labkit.until(lambda: [e for e in lab.events(f'"{name}"') if verdict in str(e.get("verdict"))]), lab.events()


def test_explain_agrees(lab):
    done = lab.ctl("-j", "explain", "one", "www.games.example")
    why = labkit.read_json(done.stdout)[0]
    assert (done.returncode, why["verdict"], why["because"]) == (4, "block", "Homework first")
    assert why["rule"]["text"].strip().startswith("block games")
    done = lab.ctl("-j", "explain", "two", "www.games.example")
    assert (done.returncode, labkit.read_json(done.stdout)[0]["verdict"]) == (0, "allow")


def test_reload_changes_what_holds_and_a_bad_file_changes_nothing(lab):
    with open(lab.policy_path, encoding="utf-8") as f:
        text = f.read()
    try:
        lab.set_policy(text.replace("otherwise allow", "for everyone\n  block later.test\notherwise allow"))
        assert labkit.until(lambda: lab.curl("http://later.test/").status == 403)
        with pytest.raises(labkit.LabError):
            lab.set_policy("for nobody\n  blok x\n")
        assert lab.curl("http://later.test/").status == 403
    finally:
        lab.set_policy(text)
    assert labkit.until(lambda: lab.curl("http://later.test/").status == 200)
