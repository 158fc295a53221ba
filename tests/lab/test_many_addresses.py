# SPDX-License-Identifier: GPL-3.0-or-later
"""A device known by its MAC stays that device, however many addresses it takes: more than the dataplane keeps of one device."""
import contextlib
import socket

import pytest

import labkit

NAT = (False,)
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for one
  block blocked.example
otherwise allow
"""
N = 20  # the dataplane keeps 16
ADDRESSES = {4: [f"192.0.2.{100 + i}/24" for i in range(N)], 6: [f"2001:db8:1::1:{i:x}/64" for i in range(1, N + 1)]}


@contextlib.contextmanager
def addresses(lab, v):
    lines = "".join(f"addr VERB {a} dev eth0{' nodad' if v == 6 else ''}\n" for a in ADDRESSES[v])
    lab.exec("client", ["ip", "-batch", "-"], stdin=lines.replace("VERB", "add").encode(), check=True)
    try:
        yield [a.split("/")[0] for a in ADDRESSES[v]]
    finally:
        lab.exec("client", ["ip", "-batch", "-"], stdin=lines.replace("VERB", "del").encode())


def ask(lab, source, v):
    with lab.inside("client"):
        s = socket.create_connection((labkit.ORIGIN[v], 80), timeout=labkit.PATIENCE, source_address=(source, 0))
    with s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: blocked.example\r\nConnection: close\r\n\r\n")
        return s.makefile("rb").readline().split()[1]


@pytest.mark.parametrize("v", [4, 6], ids=["v4", "v6"])
def test_no_address_of_a_device_makes_it_a_stranger(lab, v):
    with addresses(lab, v) as sources:
        for _ in range(2):  # the second time the kernel knows them all, and tells nothing
            assert [ask(lab, a, v) for a in sources] == [b"403"] * N
    assert not lab.asked("blocked.example")
