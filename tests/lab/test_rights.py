# SPDX-License-Identifier: GPL-3.0-or-later
"""What each process may do, read from /proc once it works: house.md section 1."""
import os

import pytest

import labkit

NAT = (False,)

NET_ADMIN, NET_RAW = 12, 13
SUPER = {12, 13, 7, 6, 8, 18}  # NET_ADMIN NET_RAW SETUID SETGID SETPCAP SYS_CHROOT


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return {k: v.split() for k, _, v in (line.partition(":") for line in f)}


def caps(pid, kind):
    bits = int(status(pid)[kind][0], 16)
    return {i for i in range(64) if bits >> i & 1}


def threads(pid):
    return [f"{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task")]


@pytest.fixture(scope="module")
def faces(lab):
    assert lab.curl("https://fine.test/").status == 200 and lab.curl("http://blocked.example/").status == 403
    found = lab.faces()
    assert sorted(found) == ["desk", "gate", "rescue", "super"]
    return found


@pytest.mark.parametrize("face,most", [("gate", {NET_ADMIN, NET_RAW}), ("desk", set()), ("rescue", {NET_ADMIN, NET_RAW}),
                                       ("super", SUPER)])
def test_capabilities(lab, faces, face, most):
    """Every thread; and none can be had back: the bounding and ambient sets hold no more."""
    for thread in threads(faces[face]):
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert caps(thread, kind) <= most, (face, kind)
        if face in ("gate", "desk"):
            assert caps(thread, "CapBnd") <= most, face
            assert status(thread)["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("face,user", [("gate", "64480"), ("desk", "64481")])
def test_users(lab, faces, face, user):
    for thread in threads(faces[face]):
        seen = status(thread)
        assert seen["Uid"] == [user] * 4 and set(seen["Gid"]) == {user} and seen["Groups"] in ([], [user]), seen


@pytest.mark.parametrize("face", ["gate", "desk"])
def test_seccomp(lab, faces, face):
    said = lab.ctl("status").stdout
    for thread in threads(faces[face]):
        if status(thread)["Seccomp"] != ["2"]:
            assert "seccomp" in said.lower(), "no filter, and status does not say so"
            pytest.skip("a build flag leaves seccomp out, and status shows it")


def test_the_gate_sees_no_file(lab, faces):
    assert os.listdir(f"/proc/{faces['gate']}/root") == []
    assert os.readlink(f"/proc/{faces['gate']}/root") != "/"
    for fd in os.listdir(f"/proc/{faces['gate']}/fd"):
        try:
            target = os.readlink(f"/proc/{faces['gate']}/fd/{fd}")
        except FileNotFoundError:  # a connection of the lab's has ended meanwhile
            continue
        assert not target.startswith("/") or target in ("/dev/null", f"{lab.state}/log/durward.log") or \
            target.startswith("/memfd:"), target


def test_the_super_holds_nothing_from_the_wire(lab, faces):
    """A new gate has the same rights, and the same user, as the first one."""
    import signal
    old = lab.faces()["gate"]
    os.kill(old, signal.SIGKILL)
    assert labkit.until(lambda: lab.faces().get("gate") not in (None, old) and lab.curl("https://fine.test/").status == 200)
    again = lab.faces()["gate"]
    assert caps(again, "CapEff") == {NET_ADMIN, NET_RAW} and os.listdir(f"/proc/{again}/root") == []
    assert status(again)["Seccomp"] in (["2"], ["0"]) and status(again)["Uid"] == ["64480"] * 4
