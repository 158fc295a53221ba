# SPDX-License-Identifier: GPL-3.0-or-later
"""What each process may do, read from /proc once it works: docs/design/processes.md."""
import errno
import os
import socket

import pytest

import labkit
import netlink

NAT = (False,)

NET_ADMIN, NET_RAW = 12, 13
SUPERVISOR = {12, 13, 7, 6, 8, 18}  # NET_ADMIN NET_RAW SETUID SETGID SETPCAP SYS_CHROOT


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return {k: v.split() for k, _, v in (line.partition(":") for line in f)}


def caps(pid, kind):
    bits = int(status(pid)[kind][0], 16)
    return {i for i in range(64) if bits >> i & 1}


def threads(pid):
    return [f"{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task")]


@pytest.fixture(scope="module")
def processes(lab):
    assert lab.curl("https://fine.test/").status == 200 and lab.curl("http://blocked.example/").status == 403
    found = lab.processes()
    assert sorted(found) == ["controller", "dataplane", "failsafe", "supervisor"]
    return found


@pytest.mark.parametrize("role,most", [("dataplane", {NET_ADMIN, NET_RAW}), ("controller", set()), ("failsafe", {NET_ADMIN, NET_RAW}),
                                       ("supervisor", SUPERVISOR)])
def test_capabilities(lab, processes, role, most):
    """Every thread; and none can be had back: the bounding and ambient sets hold no more."""
    for thread in threads(processes[role]):
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert caps(thread, kind) <= most, (role, kind)
        if role in ("dataplane", "controller"):
            assert caps(thread, "CapBnd") <= most, role
            assert status(thread)["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("role,user", [("dataplane", "64480"), ("controller", "64481")])
def test_users(lab, processes, role, user):
    for thread in threads(processes[role]):
        seen = status(thread)
        assert seen["Uid"] == [user] * 4 and set(seen["Gid"]) == {user} and seen["Groups"] in ([], [user]), seen


@pytest.mark.parametrize("role", ["dataplane", "controller"])
def test_seccomp(lab, processes, role):
    said = lab.ctl("status").stdout
    for thread in threads(processes[role]):
        if status(thread)["Seccomp"] != ["2"]:
            assert "seccomp" in said.lower(), "no filter, and status does not say so"
            pytest.skip("a build flag leaves seccomp out, and status shows it")


def test_the_dataplane_sees_no_file(lab, processes):
    assert os.listdir(f"/proc/{processes['dataplane']}/root") == []
    assert os.readlink(f"/proc/{processes['dataplane']}/root") != "/"
    for fd in os.listdir(f"/proc/{processes['dataplane']}/fd"):
        try:
            target = os.readlink(f"/proc/{processes['dataplane']}/fd/{fd}")
        except FileNotFoundError:  # a connection of the lab's has ended meanwhile
            continue
        assert not target.startswith("/") or target in ("/dev/null", f"{lab.state}/log/durward.log") or \
            target.startswith("/memfd:"), target


def test_the_supervisor_holds_nothing_from_the_wire(lab, processes):
    """A new dataplane has the same rights, and the same user, as the first one."""
    import signal
    old = lab.processes()["dataplane"]
    os.kill(old, signal.SIGKILL)
    assert labkit.until(lambda: lab.processes().get("dataplane") not in (None, old) and lab.curl("https://fine.test/").status == 200)
    again = lab.processes()["dataplane"]
    assert caps(again, "CapEff") == {NET_ADMIN, NET_RAW} and os.listdir(f"/proc/{again}/root") == []
    assert status(again)["Seccomp"] in (["2"], ["0"]) and status(again)["Uid"] == ["64480"] * 4


def test_no_socket_that_asks_changes_routes(lab):
    """The dataplane has CAP_NET_ADMIN; its sockets that ask for routes and neighbours were made without it, and the kernel wants
    both. Tried with every right there is: whoever holds these sockets cannot."""
    processes = lab.processes()
    dataplane = netlink.given(processes["dataplane"])
    asking = [n for n in dataplane if n.startswith("routes.") or n == "neigh"]
    assert len(asking) >= 2, dataplane
    for name in asking:
        with netlink.borrow(processes["dataplane"], dataplane[name]) as s, netlink.still(processes["dataplane"]):
            for what, change in netlink.route_changes().items():
                assert netlink.ask(s, change) == errno.EPERM, (name, what)
    with lab.inside("gateway"), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE) as own:
        # the same words over a socket of root's own would have done it
        assert netlink.ask(own, netlink.route_changes()["route"]) == 0
    lab.exec("gateway", ["ip", "route", "del", "203.0.113.77/32", "dev", "lo"], check=True)


def as_controller(change):
    """A process with the controller's user and rights: what it gets for this question is its exit status."""
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setresgid(64481, 64481, 64481)
            os.setresuid(64481, 64481, 64481)
            os._exit(change())
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_controller_changes_nothing_through_a_socket_it_was_given(lab):
    processes = lab.processes()
    given = netlink.given(processes["controller"])
    kinds = {}
    for name, fd in given.items():
        try:
            with netlink.borrow(processes["controller"], fd) as s:
                kinds[name] = s.family
        except OSError as e:
            assert e.errno in (errno.ENOTSOCK, errno.EBADF), (name, e)
    assert [n for n, family in kinds.items() if family == socket.AF_NETLINK] == ["conntrack"], kinds
    assert not any(family in (socket.AF_INET, socket.AF_INET6) and not n.startswith("web.") for n, family in kinds.items())
    for change in (netlink.nft_delete_table(socket.AF_INET, "mangle"), netlink.conntrack_flush()):
        with netlink.borrow(processes["controller"], given["conntrack"]) as s, netlink.still(processes["controller"]):
            for send in (lambda: s.send(change), lambda: s.sendto(change, (0, 0))):
                s.settimeout(10)
                assert as_controller(lambda: send() and 0) == 0
                assert netlink.answer(s) == errno.EPERM
    assert b"DURWARD-FWD" in lab.exec("gateway", ["iptables-save"]).stdout
    assert lab.curl("http://blocked.example/").status == 403
    with lab.inside("gateway"), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_NETFILTER) as own:
        # a table of nobody's: the same words over a socket of root's own reach nf_tables
        assert netlink.ask(own, netlink.nft_delete_table(socket.AF_INET, "nobodys")) == errno.ENOENT
