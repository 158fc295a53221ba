# SPDX-License-Identifier: GPL-3.0-or-later
"""A hello sent in every odd way: a blocked name never reaches the server's TLS, an allowed one always does.

The judge is the server: peers.Judge remembers each name for which OpenSSL accepted a hello.
"""
import pytest

import tricks
import forge
import hello as hellos
import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block block.example
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@pytest.fixture(scope="module")
def bench(lab):
    tricks.prepare(lab)
    with peers.Judge(lab) as one:
        yield one


@pytest.fixture
def judge(bench):
    """What this test alone made it hear."""
    bench.names.clear()
    return bench


def blocked_seen(judge):
    """The judge heard of a blocked name."""
    return [n for n in judge.names if n and n.lower().rstrip(".").endswith("block.example")]


def refused(conn, seconds=labkit.PATIENCE):
    """The client was told: an alert or the end of the connection, and no answer of the server."""
    conn.poll(seconds, lambda: conn.stream)
    return conn.stream[:1] != b"\x16" and (conn.reset or conn.fin or conn.stream[:1] == b"\x15")


@BOTH
@pytest.mark.parametrize("shape", tricks.SHAPES)
def test_allowed(lab, judge, shape, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.put_all(conn, tricks.SHAPES[shape](tls.hello))
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")


@BOTH
@pytest.mark.parametrize("shape", tricks.SHAPES)
def test_blocked(lab, judge, shape, v6):
    def attempt():
        with tricks.open_to_judge(lab, v6) as conn:
            tricks.put_all(conn, tricks.SHAPES[shape](hellos.Tls(peers.fresh("block")).hello))
            assert refused(conn), (conn.stream, conn.reset)
            return conn.ended_after or 0

    labkit.at_once(attempt, 1.5)  # not at the deadline
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("forged", [False, True], ids=["", "forged-answer"])
@pytest.mark.parametrize("fake", tricks.FAKES)
def test_a_fake_that_dies_then_the_blocked_one(lab, judge, fake, forged, v6):
    fine, real = peers.fresh("allow"), peers.fresh("block")
    tls = hellos.Tls(real)
    with tricks.open_to_judge(lab, v6, timestamps=True) as conn:
        tricks.fake_then_real(conn, hellos.named(tls.hello, fine.encode()), tls.hello, forged, **tricks.FAKES[fake])
        conn.poll(1, lambda: conn.stream)
        # the proxy is the fake's receiver: what dies beyond it reached it, and the server gets just that
        taken = lab.path == "T" and "TTL" in fake
        assert taken or conn.stream[:1] != b"\x16"
        conn.put(0, tls.hello)  # once more, as a kernel would
        conn.poll(0.2)
        assert taken or conn.stream[:1] != b"\x16"
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("cut", [100, 300, -1])
def test_a_forged_answer_in_the_middle_of_the_hello(lab, judge, cut, v6):
    """The hello's first part, an answer of the server that nobody gave, the rest."""
    tls = hellos.Tls(peers.fresh("block"))
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(tls.hello[:cut])
        conn.forge_from_server(hellos.SERVER_HELLO, len(tls.hello[:cut]))
        conn.poll(0.05)
        conn.send(tls.hello[cut:])
        conn.poll(1, lambda: conn.stream)
        assert conn.stream[:1] != b"\x16"
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("order", ["allowed-first", "blocked-first"])
@pytest.mark.parametrize("overlap", tricks.OVERLAPS)
def test_contradicting_overlaps(lab, judge, overlap, order, v6):
    a = hellos.Tls(peers.fresh("allow")).hello
    b = hellos.named(a, peers.fresh("block").encode())
    first, second = (a, b) if order == "allowed-first" else (b, a)
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.put_all(conn, tricks.OVERLAPS[overlap](first, second))
        conn.poll(0.15)
        tricks.put_all(conn, hellos.pieces(second, 200))
        conn.poll(0.2)
    assert not blocked_seen(judge)


@BOTH
def test_P21_a_hello_that_begins_before_the_stream(lab, judge, v6):
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.before_the_window(conn, hellos.Tls(peers.fresh("allow")).hello, hellos.Tls(peers.fresh("block")).hello)
        conn.poll(1, lambda: conn.stream)
        assert conn.stream[:1] != b"\x16"
    assert not blocked_seen(judge)


@BOTH
def test_T03_the_same_hello_again_is_no_contradiction(lab, judge, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6, timestamps=True) as conn:
        tricks.fake_then_real(conn, tls.hello, tls.hello, bad_sum=True)
        conn.put(0, tls.hello)
        conn.put(100, tls.hello[100:200])
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")


@BOTH
@pytest.mark.parametrize("name", [
    pytest.param(b"N.BlOcK.eXaMpLe", id="T17 mixed case"), pytest.param(b"block.example.", id="T16 a final dot"),
    pytest.param(b"n.block.example..", id="T16 two dots"), pytest.param(b"xn--bcher-kva.block.example", id="T18 A-label"),
    pytest.param(b"\xc3\xbc.block.example", id="T18 UTF-8"), pytest.param(b"allow.example\0.block.example", id="T19 NUL"),
    pytest.param(b"a" * 64 + b".block.example", id="T19 a long label")])
def test_odd_names_are_blocked(lab, judge, name, v6):
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(hellos.named(hellos.Tls("x").hello, name))
        assert refused(conn)
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("kind", ["other", "block"])
@pytest.mark.parametrize("shape", ["T01 post-quantum", "T01 T02 post-quantum, reversed", "T12 16 KiB", "T12 60 KiB"])
def test_long_hellos(lab, judge, shape, kind, v6):
    name = peers.fresh(kind)
    hello = hellos.Tls(name).hello
    if "post" in shape:
        long = hellos.post_quantum(hello)
    else:
        long = hellos.padded(hello, 16000 if "16" in shape else 60000)
        long = hellos.record(long[5:16005]) + b"".join(hellos.record(long[i:i + 16000]) for i in range(16005, len(long), 16000))
    with tricks.open_to_judge(lab, v6) as conn:
        if "reversed" in shape:
            tricks.put_all(conn, hellos.pieces(long, 1400)[::-1])
        else:
            conn.send(long)
        if kind == "block":
            assert refused(conn)
        else:
            # OpenSSL takes no hello above 16 KiB or so; that it answers at all says that the whole came through
            assert conn.poll(labkit.PATIENCE, lambda: conn.stream[:1] in (b"\x15", b"\x16")), conn.stream
            if "60" not in shape:
                assert name in judge.names
    assert not blocked_seen(judge)


@BOTH
@pytest.mark.parametrize("garbage", ["T25 noise", "half a hello, then noise", "T25 http", "T08 an empty record inside", "T25 ssh"])
def test_garbage_on_the_tls_port_does_not_make_a_hole(lab, judge, garbage, v6):
    """What is no TLS follows no-name (here: allowed), and never lets a blocked hello through behind it."""
    hello = hellos.Tls(peers.fresh("block")).hello
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send({"T25 noise": b"\x00" * 10, "half a hello, then noise": hello[:200] + b"\xff" * 300,
                   "T25 http": b"GET / HTTP/1.1\r\nHost: x.block.example\r\n\r\n",
                   "T08 an empty record inside": hellos.record(hello[5:60]) + hellos.record(b"") + hellos.record(hello[60:]),
                   "T25 ssh": b"SSH-2.0-x\r\n"}[garbage])
        conn.poll(0.2)
        conn.send(hello)
        conn.poll(0.3)
        assert conn.stream[:1] != b"\x16"
    assert not blocked_seen(judge)


@pytest.fixture(scope="module")
def retry_judge(lab):
    """A server that answers every hello with a HelloRetryRequest: it wants another key share."""
    tricks.prepare(lab)
    with peers.Judge(lab, 8443, curve="secp384r1") as one:
        yield one


NAT = (False, True)
PATHS = {"N": "inspect-tcp 443 8443\nhello-deadline 2\n", "T": "inspect-tcp none\nproxy-tcp 80 443 8443\nhello-deadline 3\n"}


@BOTH
def test_T28_hello_retry_allowed(lab, retry_judge, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4], 8443) as conn:
        assert conn.connect()
        conn.send(tls.hello)
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")


@BOTH
def test_T28_hello_retry_with_another_name_is_refused(lab, retry_judge, v6):
    tls = hellos.Tls(peers.fresh("allow"))
    with forge.RawTcp(lab, peers.PEER[6 if v6 else 4], 8443) as conn:
        assert conn.connect()
        conn.send(tls.hello)
        assert conn.poll(labkit.PATIENCE, lambda: len(conn.stream) > 50), conn.stream
        tls.into.write(conn.stream)
        tls._try(tls.object.do_handshake)
        second = tls.out.read()
        assert second[:6] == b"\x14\x03\x03\x00\x01\x01"  # change cipher spec, then the second hello
        before, heard = len(conn.stream), len(retry_judge.names)
        conn.send(second[:6] + hellos.named(second[6:], peers.fresh("block").encode()))
        conn.poll(labkit.PATIENCE, lambda: len(conn.stream) > before)
        assert conn.stream[before:before + 1] != b"\x16"
        assert conn.reset or conn.fin or conn.stream[before:before + 1] == b"\x15"
    assert retry_judge.names[heard:] == [] and not blocked_seen(retry_judge)


@BOTH
def test_T05_a_hello_that_never_ends(lab, judge, v6):
    """The deadline of this lab is 2 s; then the flow is refused and the record says so."""
    hello = hellos.Tls(peers.fresh("other")).hello
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(hello[:-1])
        conn.poll(labkit.PATIENCE)
        assert conn.reset or conn.fin, "still open"
        print(f"ended after {conn.ended_after:.1f} s")


@BOTH
def test_T12_an_endless_hello(lab, judge, v6):
    """64 KiB is the most: after that nothing more reaches the server."""
    body = b"\x01\xff\xff\xff\x03\x03" + bytes(120000)
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(b"".join(hellos.record(body[i:i + 16000]) for i in range(0, len(body), 16000)))
        conn.poll(labkit.PATIENCE)
        assert conn.reset or conn.fin
