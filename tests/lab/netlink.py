# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink by hand: messages that change routes and rules, sent over a descriptor that another process holds."""
import contextlib
import ctypes
import os
import signal
import socket
import struct

_libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438
NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
RTM_NEWLINK, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_NEWRULE = 16, 24, 28, 32
NFT, CTNETLINK = 10, 1


def borrow(pid, fd):
    """The socket behind a descriptor of another process: the same open file, with its maker's rights. See pidfd_getfd(2)."""
    pidfd = _libc.syscall(PIDFD_OPEN, pid, 0)
    if pidfd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    try:
        got = _libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if got < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=got)


@contextlib.contextmanager
def still(pid):
    """That process stands still meanwhile (for less than its watchdog's patience), so that it reads no answer of ours."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def given(pid):
    """{name: descriptor} of what a child of the supervisor was handed (its command line)."""
    with open(f"/proc/{pid}/cmdline", encoding="ascii") as f:
        words = f.read().split("\0")
    pairs = (w.split("=") for before, w in zip(words, words[1:]) if before == "--fd")
    return {name: int(number) for name, number in pairs}


def message(kind, flags, body, seq=77):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, seq, 0) + body


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def route_changes(loopback=1):
    """What would lead traffic elsewhere: a route, a rule, a neighbour, a link set down."""
    dst = socket.inet_aton("203.0.113.77")
    route = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 4, 0, 1, 0) + attribute(1, dst) + \
        attribute(4, struct.pack("=I", loopback))
    rule = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 0, 0, 1, 0) + attribute(6, struct.pack("=I", 77))
    neigh = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, loopback, 0x80, 0, 0) + attribute(1, dst) + attribute(2, b"\2\0\0\0\0\1")
    link = struct.pack("=BBHiII", 0, 0, 0, loopback, 0, 1)
    make = REQUEST | ACK | CREATE
    return {"route": message(RTM_NEWROUTE, make, route), "rule": message(RTM_NEWRULE, make, rule),
            "neighbour": message(RTM_NEWNEIGH, make, neigh), "link": message(RTM_NEWLINK, REQUEST | ACK, link)}


def nft_delete_table(family, name, ack=True):
    """A batch of nf_tables that takes a whole table away."""
    begin = message(16, REQUEST, struct.pack("=BBH", 0, 0, socket.htons(NFT)))
    drop = message(NFT << 8 | 2, REQUEST | ACK * ack, struct.pack("=BBH", family, 0, 0) + attribute(1, name.encode() + b"\0"))
    end = message(17, REQUEST, struct.pack("=BBH", 0, 0, socket.htons(NFT)))
    return begin + drop + end


def conntrack_flush():
    return message(CTNETLINK << 8 | 2, REQUEST | ACK, struct.pack("=BBH", socket.AF_INET, 0, 0))


def ask(s, bytes_):
    """The kernel's answer to our message: 0 or an errno; others' messages are passed over. Without an address, so that
    the rights of the socket's maker count, too (NETLINK_SKB_DST in net/netlink/af_netlink.c)."""
    s.settimeout(10)
    s.send(bytes_)
    return answer(s)


def answer(s):
    while True:
        got = s.recv(65536)
        while len(got) >= 16:
            n, kind, _, seq, _ = struct.unpack_from("=IHHII", got)
            if kind == 2 and (seq == 77 or struct.unpack_from("=I", got, 28)[0] == 77):
                return -struct.unpack_from("=i", got, 16)[0]
            got = got[(n + 3) & ~3:] if n >= 16 else b""
