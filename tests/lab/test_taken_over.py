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

CONTROLLER = 64481
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


def controller_filters(lab):
    """Whether this build's controller has its seccomp filter (sanitizers leave it out)."""
    with open(f"/proc/{lab.processes()['controller']}/status", encoding="ascii") as f:
        return "Seccomp:\t2" in f.read()


def landlock(lab):
    return "Landlock" in lab.words() and "no Landlock" not in lab.words()


@pytest.fixture
def controller(lab):
    """The controller, taken over; it lives on afterwards and works."""
    pid = lab.processes()["controller"]
    with captive.captive(pid) as one:
        yield one
    assert lab.processes()["controller"] == pid and labkit.until(lambda: lab.ctl("status").returncode == 0)


def test_it_writes_nothing_that_root_obeys(lab, controller):
    """Settings, script, parameters, what the script reads back, the lock: by opening, replacing, removing, linking."""
    own = f"{lab.state}/etc/planted"
    with open(own, "w", encoding="utf-8") as f:
        f.write("rules-script /tmp/x\n")
    os.chown(own, CONTROLLER, CONTROLLER)
    obeyed = [f"{lab.state}/settings", f"{lab.state}/durward-rules"]
    obeyed += [f"{lab.state}/run/{n}" for n in ("rules", "rules.sysctls", "rules.loaded", "rules.lock", "lock", "api.sock")]
    before = {p: os.stat(p).st_ino for p in obeyed}
    for p in obeyed:
        for what, got in {
                "open": controller.call(captive.OPEN, path(p), WRITE), "truncate": controller.call(captive.TRUNCATE, path(p), 0),
                "rename": controller.call(captive.RENAME, path(own), path(p)), "unlink": controller.call(captive.UNLINK, path(p)),
                "chmod": controller.call(captive.CHMOD, path(p), 0o666), "chown": controller.call(captive.CHOWN, path(p), CONTROLLER, CONTROLLER),
                "link": controller.call(captive.LINK, path(p), path(own + "2"))}.items():
            assert got in (-errno.EACCES, -errno.EPERM, -errno.EXDEV, -errno.ENXIO), (p, what, got)
    for folder in ("", "/run", "/pids"):
        assert controller.call(captive.OPEN, path(f"{lab.state}{folder}/new"), MAKE, 0o644) in (-errno.EACCES, -errno.EPERM)
    assert {p: os.stat(p).st_ino for p in obeyed} == before
    os.unlink(own)


def test_it_makes_plain_files_in_its_own_folders_only(lab, controller):
    loose = f"{lab.state}/loose"
    os.makedirs(loose, exist_ok=True)
    os.chmod(loose, 0o777)
    for folder in ("etc", "var"):
        here = f"{lab.state}/{folder}"
        fd = controller.call(captive.OPEN, path(f"{here}/plain"), MAKE, 0o600)
        assert fd >= 0 and controller.call(captive.RENAME, path(f"{here}/plain"), path(f"{here}/renamed")) == 0
        assert controller.call(3, fd) == 0 and controller.call(captive.UNLINK, path(f"{here}/renamed")) == 0
        for what, got in {"symlink": controller.call(captive.SYMLINK, b"/etc\0", path(f"{here}/x")),
                          "fifo": controller.call(captive.MKNOD, path(f"{here}/x"), 0o010644, 0),
                          "device": controller.call(captive.MKNOD, path(f"{here}/x"), 0o020644, 0x103),
                          "setuid file": controller.call(captive.OPEN, path(f"{here}/x"), MAKE, 0o4755),
                          "setgid folder": controller.call(captive.MKDIR, path(f"{here}/x"), 0o2755)}.items():
            if landlock(lab) or controller_filters(lab):
                assert got in (-errno.EACCES, -errno.EPERM), (here, what, got)
            assert not os.path.lexists(f"{here}/x"), what
    if landlock(lab):
        # where modes would let anybody
        for p in (f"{loose}/x", "/tmp/durward-lab-x", "/dev/shm/durward-lab-x", "/var/tmp/durward-lab-x"):
            assert controller.call(captive.OPEN, path(p), MAKE, 0o644) == -errno.EACCES, p
            assert not os.path.lexists(p)


def test_it_becomes_nobody_else_and_reaches_nobody(lab, controller):
    processes = lab.processes()
    assert controller.call(captive.SETUID, 0) == -errno.EPERM
    for role in ("supervisor", "failsafe", "dataplane"):
        assert controller.call(captive.KILL, processes[role], signal.SIGKILL) == -errno.EPERM, role
    if controller_filters(lab):
        for family, kind, protocol in ((socket.AF_INET, socket.SOCK_STREAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0),
                                       (socket.AF_INET, socket.SOCK_RAW, 255), (socket.AF_PACKET, socket.SOCK_RAW, 3),
                                       (socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_NETFILTER)):
            assert controller.call(captive.SOCKET, family, kind, protocol) == -errno.EPERM, (family, kind)


@pytest.mark.parametrize("change", ["a table", "conntrack"])
def test_its_socket_of_connection_events_changes_nothing(lab, controller, change):
    """By the socket it was given, and by any descriptor that it has: the kernel looks at its rights."""
    words = {"a table": netlink.nft_delete_table(socket.AF_INET, "mangle"), "conntrack": netlink.conntrack_flush()}[change]
    fd = netlink.given(controller.pid)["conntrack"]
    kernel = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
    for to in ((0, 0), (kernel, len(kernel))):
        assert controller.call(captive.SENDTO, fd, words, len(words), 0, *to) in (len(words), -errno.EPERM)
    assert b"DURWARD-FWD" in lab.exec("gateway", ["iptables-save"]).stdout
    assert lab.curl("http://blocked.example/").status == 403


def test_it_changes_no_route_by_a_socket_of_its_own(lab, controller):
    fd = controller.call(captive.SOCKET, socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE)
    assert fd >= 0
    before = lab.exec("gateway", ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]).stdout
    kernel = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
    for words in netlink.route_changes().values():
        controller.call(captive.SENDTO, fd, words, len(words), 0, kernel, len(kernel))
    assert controller.call(3, fd) == 0
    assert lab.exec("gateway", ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]).stdout == before


KERNEL = struct.pack("=HHII", socket.AF_NETLINK, 0, 0, 0)
ROUTE = netlink.route_changes()["route"]


def routes(pid):
    return netlink.given(pid)["routes.0"]


@pytest.mark.parametrize("role,what,call", [
    ("controller", "a program", lambda c: c.call(captive.EXECVE, b"/bin/true\0", 0, 0)),
    ("controller", "bpf", lambda c: c.call(captive.BPF, 0, 0, 0)),
    ("dataplane", "a program", lambda c: c.call(captive.EXECVE, b"/bin/true\0", 0, 0)),
    ("dataplane", "a netlink socket", lambda c: c.call(captive.SOCKET, socket.AF_NETLINK, socket.SOCK_RAW, 0)),
    ("dataplane", "a raw socket", lambda c: c.call(captive.SOCKET, socket.AF_PACKET, socket.SOCK_RAW, 0)),
    ("dataplane", "a route, by name of the kernel", lambda c: c.call(captive.SENDTO, routes(c.pid), ROUTE, len(ROUTE), 0, KERNEL, 12)),
    ("dataplane", "a second number for it", lambda c: c.call(captive.DUP, routes(c.pid))),
    ("dataplane", "a way to pass it to itself", lambda c: c.call(captive.SOCKETPAIR, 1, 1, 0, b"\0" * 8)),
    ("dataplane", "a link", lambda c: c.call(captive.SYMLINK, b"/etc\0", b"/x\0"))])
def test_it_dies_of_trying(lab, role, what, call):
    """And another is there at once."""
    if not controller_filters(lab):
        pytest.skip("this build leaves seccomp out")
    old = lab.processes()[role]
    with pytest.raises(captive.Killed) as killed:
        with captive.captive(old) as one:
            call(one)
    assert killed.value.args == (signal.SIGSYS,)
    assert labkit.until(lambda: lab.processes().get(role) not in (None, old) and lab.ctl("status", "-q").returncode == 0 and
                        lab.curl("https://fine.test/").status == 200 and lab.curl("http://blocked.example/").status == 403)


def test_the_dataplane_changes_no_route_without_an_address(lab):
    dataplane = lab.processes()["dataplane"]
    shown = ["sh", "-c", "ip rule; ip route; ip neigh show 203.0.113.77; ip link show lo"]
    before = lab.exec("gateway", shown).stdout
    with captive.captive(dataplane) as one:
        for words in netlink.route_changes().values():
            assert one.call(captive.SENDTO, routes(dataplane), words, len(words), 0, 0, 0) == len(words)
    assert lab.exec("gateway", shown).stdout == before and lab.processes()["dataplane"] == dataplane
    assert lab.curl("http://blocked.example/").status == 403


def test_what_the_dataplane_does_to_the_rules_does_not_last(lab):
    """Who may send verdicts may change the packet filter: one right, one socket (docs/SECURITY.md). The supervisor sees it and puts
    the rules back; where the kernel lets us, it does not come that far."""
    dataplane = lab.processes()["dataplane"]
    drop = netlink.nft_delete_table(socket.AF_INET, "mangle", ack=False)
    with captive.captive(dataplane) as one:
        got = one.call(captive.SENDTO, netlink.given(dataplane)["queue.0"], drop, len(drop), 0, KERNEL, len(KERNEL))
    assert got in (len(drop), -errno.EPERM), got
    assert labkit.until(lambda: b"-j DURWARD-PRE" in lab.exec("gateway", ["iptables-save", "-t", "mangle"]).stdout and
                        lab.curl("http://blocked.example/").status == 403 and lab.curl("https://fine.test/").status == 200)
    print("refused by the kernel" if got < 0 else "put back by the supervisor")
