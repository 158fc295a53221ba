# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process can do once a stranger runs code in it: system calls made inside the real ones (captive.py)."""
import errno
import os
import signal
import socket
import struct

import pytest

import captive
import labkit
import netlink

NAT = (False,)
pytestmark = pytest.mark.skipif(not captive.SUPPORTED, reason="written for x86-64")

DESK = 64481
POLICY = """\
timezone UTC
fail closed
for everyone
  block blocked.example
otherwise allow
"""
WRITE, MAKE = os.O_WRONLY, os.O_WRONLY | os.O_CREAT


def path(text):
    return text.encode() + b"\0"


def desk_filters(lab):
    """Whether this build's desk has its seccomp filter (sanitizers leave it out)."""
    with open(f"/proc/{lab.faces()['desk']}/status", encoding="ascii") as f:
        return "Seccomp:\t2" in f.read()


def landlock(lab):
    return "Landlock" in lab.words() and "no Landlock" not in lab.words()


@pytest.fixture
def desk(lab):
    """The controller, taken over; it lives on afterwards and works."""
    pid = lab.faces()["desk"]
    with captive.captive(pid) as one:
        yield one
    assert lab.faces()["desk"] == pid and labkit.until(lambda: lab.ctl("status").returncode == 0)


def test_it_writes_nothing_that_root_obeys(lab, desk):
    """Settings, script, parameters, what the script reads back, the lock: by opening, replacing, removing, linking."""
    own = f"{lab.state}/etc/planted"
    with open(own, "w", encoding="utf-8") as f:
        f.write("rules-script /tmp/x\n")
    os.chown(own, DESK, DESK)
    obeyed = [f"{lab.state}/settings", f"{lab.state}/durward-rules"]
    obeyed += [f"{lab.state}/run/{n}" for n in ("rules", "rules.sysctls", "rules.loaded", "rules.lock", "lock", "api.sock")]
    before = {p: os.stat(p).st_ino for p in obeyed}
    for p in obeyed:
        for what, got in {
                "open": desk.call(captive.OPEN, path(p), WRITE), "truncate": desk.call(captive.TRUNCATE, path(p), 0),
                "rename": desk.call(captive.RENAME, path(own), path(p)), "unlink": desk.call(captive.UNLINK, path(p)),
                "chmod": desk.call(captive.CHMOD, path(p), 0o666), "chown": desk.call(captive.CHOWN, path(p), DESK, DESK),
                "link": desk.call(captive.LINK, path(p), path(own + "2"))}.items():
            assert got in (-errno.EACCES, -errno.EPERM, -errno.EXDEV, -errno.ENXIO), (p, what, got)
    for folder in ("", "/run", "/pids"):
        assert desk.call(captive.OPEN, path(f"{lab.state}{folder}/new"), MAKE, 0o644) in (-errno.EACCES, -errno.EPERM)
    assert {p: os.stat(p).st_ino for p in obeyed} == before
    os.unlink(own)


def test_it_makes_plain_files_in_its_own_folders_only(lab, desk):
    loose = f"{lab.state}/loose"
    os.makedirs(loose, exist_ok=True)
    os.chmod(loose, 0o777)
    for folder in ("etc", "var"):
        here = f"{lab.state}/{folder}"
        fd = desk.call(captive.OPEN, path(f"{here}/plain"), MAKE, 0o600)
        assert fd >= 0 and desk.call(captive.RENAME, path(f"{here}/plain"), path(f"{here}/renamed")) == 0
        assert desk.call(3, fd) == 0 and desk.call(captive.UNLINK, path(f"{here}/renamed")) == 0
        for what, got in {"symlink": desk.call(captive.SYMLINK, b"/etc\0", path(f"{here}/x")),
                          "fifo": desk.call(captive.MKNOD, path(f"{here}/x"), 0o010644, 0),
                          "device": desk.call(captive.MKNOD, path(f"{here}/x"), 0o020644, 0x103),
                          "setuid file": desk.call(captive.OPEN, path(f"{here}/x"), MAKE, 0o4755),
                          "setgid folder": desk.call(captive.MKDIR, path(f"{here}/x"), 0o2755)}.items():
            if landlock(lab) or desk_filters(lab):
                assert got in (-errno.EACCES, -errno.EPERM), (here, what, got)
            assert not os.path.lexists(f"{here}/x"), what
    if landlock(lab):
        # where modes would let anybody
        for p in (f"{loose}/x", "/tmp/durward-lab-x", "/dev/shm/durward-lab-x", "/var/tmp/durward-lab-x"):
            assert desk.call(captive.OPEN, path(p), MAKE, 0o644) == -errno.EACCES, p
            assert not os.path.lexists(p)


def test_it_becomes_nobody_else_and_reaches_nobody(lab, desk):
    faces = lab.faces()
    assert desk.call(captive.SETUID, 0) == -errno.EPERM
    for face in ("super", "rescue", "gate"):
        assert desk.call(captive.KILL, faces[face], signal.SIGKILL) == -errno.EPERM, face
    if desk_filters(lab):
        for family, kind, protocol in ((socket.AF_INET, socket.SOCK_STREAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0),
                                       (socket.AF_INET, socket.SOCK_RAW, 255), (socket.AF_PACKET, socket.SOCK_RAW, 3),
                                       (socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_NETFILTER)):
            assert desk.call(captive.SOCKET, family, kind, protocol) == -errno.EPERM, (family, kind)


@pytest.mark.parametrize("change", ["a table", "conntrack"])
def test_its_socket_of_connection_events_changes_nothing(lab, desk, change):
    """By the socket it was given, and by any descriptor that it has: the kernel looks at its rights."""
    words = {"a table": netlink.nft_delete_table(socket.AF_INET, "mangle"), "conntrack": netlink.conntrack_flush()}[change]
    fd = netlink.given(desk.pid)["conntrack"]
    kernel = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
    for to in ((0, 0), (kernel, len(kernel))):
        assert desk.call(captive.SENDTO, fd, words, len(words), 0, *to) in (len(words), -errno.EPERM)
    assert b"DURWARD-FWD" in lab.exec("gateway", ["iptables-save"]).stdout
    assert lab.curl("http://blocked.example/").status == 403


def test_it_changes_no_route_by_a_socket_of_its_own(lab, desk):
    fd = desk.call(captive.SOCKET, socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE)
    assert fd >= 0
    before = lab.exec("gateway", ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]).stdout
    kernel = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
    for words in netlink.route_changes().values():
        desk.call(captive.SENDTO, fd, words, len(words), 0, kernel, len(kernel))
    assert desk.call(3, fd) == 0
    assert lab.exec("gateway", ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]).stdout == before


KERNEL = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
ROUTE = netlink.route_changes()["route"]


def routes(pid):
    return netlink.given(pid)["routes.0"]


@pytest.mark.parametrize("face,what,call", [
    ("desk", "a program", lambda c: c.call(captive.EXECVE, b"/bin/true\0", 0, 0)),
    ("desk", "bpf", lambda c: c.call(captive.BPF, 0, 0, 0)),
    ("gate", "a program", lambda c: c.call(captive.EXECVE, b"/bin/true\0", 0, 0)),
    ("gate", "a netlink socket", lambda c: c.call(captive.SOCKET, socket.AF_NETLINK, socket.SOCK_RAW, 0)),
    ("gate", "a raw socket", lambda c: c.call(captive.SOCKET, socket.AF_PACKET, socket.SOCK_RAW, 0)),
    ("gate", "a route, by name of the kernel", lambda c: c.call(captive.SENDTO, routes(c.pid), ROUTE, len(ROUTE), 0, KERNEL, 12)),
    ("gate", "a second number for it", lambda c: c.call(captive.DUP, routes(c.pid))),
    ("gate", "a way to pass it to itself", lambda c: c.call(captive.SOCKETPAIR, 1, 1, 0, b"\0" * 8)),
    ("gate", "a link", lambda c: c.call(captive.SYMLINK, b"/etc\0", b"/x\0"))])
def test_it_dies_of_trying(lab, face, what, call):
    """And another is there at once."""
    if not desk_filters(lab):
        pytest.skip("this build leaves seccomp out")
    old = lab.faces()[face]
    with pytest.raises(captive.Killed) as killed:
        with captive.captive(old) as one:
            call(one)
    assert killed.value.args == (signal.SIGSYS,)
    assert labkit.until(lambda: lab.faces().get(face) not in (None, old) and lab.ctl("status", "-q").returncode == 0 and
                        lab.curl("https://fine.test/").status == 200 and lab.curl("http://blocked.example/").status == 403)


def test_the_gate_changes_no_route_without_an_address(lab):
    gate = lab.faces()["gate"]
    shown = ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]
    before = lab.exec("gateway", shown).stdout
    with captive.captive(gate) as one:
        for words in netlink.route_changes().values():
            assert one.call(captive.SENDTO, routes(gate), words, len(words), 0, 0, 0) == len(words)
    assert lab.exec("gateway", shown).stdout == before and lab.faces()["gate"] == gate
    assert lab.curl("http://blocked.example/").status == 403


def test_what_the_gate_does_to_the_rules_does_not_last(lab):
    """Who may send verdicts may change the packet filter: one right, one socket (docs/SECURITY.md). The super sees it and puts
    the rules back; where the kernel lets us, it does not come that far."""
    gate = lab.faces()["gate"]
    drop = netlink.nft_delete_table(socket.AF_INET, "mangle", ack=False)
    with captive.captive(gate) as one:
        got = one.call(captive.SENDTO, netlink.given(gate)["queue.0"], drop, len(drop), 0, KERNEL, len(KERNEL))
    assert got in (len(drop), -errno.EPERM), got
    assert labkit.until(lambda: b"DURWARD-POST" in lab.exec("gateway", ["iptables-save", "-t", "mangle"]).stdout and
                        lab.curl("http://blocked.example/").status == 403 and lab.curl("https://fine.test/").status == 200)
    print("refused by the kernel" if got < 0 else "put back by the super")
