# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own tools, over plain forwarding: every trick of tricks.py works where nobody looks."""
import pytest

import tricks
import hello as hellos
import labkit
import peers

DAEMON = False
NAT = (True,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@pytest.fixture(scope="module")
def judge(lab):
    tricks.prepare(lab)
    with peers.Judge(lab) as one:
        yield one


@BOTH
@pytest.mark.parametrize("shape", tricks.SHAPES)
def test_a_shaped_hello_is_answered(lab, judge, shape, v6):
    name = peers.fresh("other")
    tls = hellos.Tls(name)
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.put_all(conn, tricks.SHAPES[shape](tls.hello))
        assert f"origin {name}".encode() in (tls.fetch(conn) or b"")
    assert name in judge.names


@BOTH
@pytest.mark.parametrize("forged", [False, True], ids=["", "forged-answer"])
@pytest.mark.parametrize("fake", tricks.FAKES)
def test_a_fake_dies_and_the_real_hello_is_answered(lab, judge, fake, forged, v6):
    fine, real = peers.fresh("allow"), peers.fresh("block")
    tls = hellos.Tls(real)
    with tricks.open_to_judge(lab, v6, timestamps=True) as conn:
        tricks.fake_then_real(conn, hellos.named(tls.hello, fine.encode()), tls.hello, forged, **tricks.FAKES[fake])
        assert f"origin {real}".encode() in (tls.fetch(conn) or b"")
    assert real in judge.names and fine not in judge.names


@BOTH
@pytest.mark.parametrize("overlap", tricks.OVERLAPS)
def test_overlaps_are_read_somehow(lab, judge, overlap, v6):
    a, b = peers.fresh("allow"), peers.fresh("block")
    hello = hellos.Tls(a).hello
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.put_all(conn, tricks.OVERLAPS[overlap](hello, hellos.named(hello, b.encode())))
        assert conn.poll(labkit.PATIENCE, lambda: conn.stream[:1] == b"\x16")
    print(overlap, "is read as", judge.names[-1])  # a mixture of both, where they overlap only partly


@BOTH
@pytest.mark.parametrize("name", [b"N.BlOcK.eXaMpLe", b"n.block.example."])
def test_odd_names_are_answered(lab, judge, name, v6):
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(hellos.named(hellos.Tls("n.block.example").hello, name))
        assert conn.poll(labkit.PATIENCE, lambda: conn.stream[:1] == b"\x16"), conn.stream
    assert name.decode() in judge.names


@BOTH
@pytest.mark.parametrize("shape", ["post-quantum", "16 KiB"])
def test_long_hellos_are_answered(lab, judge, shape, v6):
    name = peers.fresh("other")
    hello = hellos.Tls(name).hello
    long = hellos.post_quantum(hello) if shape == "post-quantum" else hellos.padded(hello, 16000)
    with tricks.open_to_judge(lab, v6) as conn:
        conn.send(long)
        assert conn.poll(labkit.PATIENCE, lambda: conn.stream[:1] == b"\x16"), conn.stream
    assert name in judge.names


@BOTH
def test_a_hello_that_begins_before_the_stream(lab, judge, v6):
    name = peers.fresh("block")
    with tricks.open_to_judge(lab, v6) as conn:
        tricks.before_the_window(conn, hellos.Tls(peers.fresh("allow")).hello, hellos.Tls(name).hello)
        assert conn.poll(labkit.PATIENCE, lambda: conn.stream[:1] == b"\x16"), conn.stream
    assert name in judge.names
