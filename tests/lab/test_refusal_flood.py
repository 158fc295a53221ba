# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals towards addresses that do not exist: they wait for a neighbour that never answers, and take nothing from the
refusals that others are told.
"""
import contextlib
import json
import os
import socket
import subprocess
import time

import pytest

import labkit

POLICY = """\
timezone UTC
fail closed
for everyone
  block port tcp/8025
  block block.example
otherwise allow
"""
SETTINGS = "workers 2\n"
NAT = (False,)
PORT = 8025
RATE = 6000
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


@contextlib.contextmanager
def flood(lab, v6, *more):
    p = lab.popen("client", ["/usr/bin/python3", os.path.join(labkit.HERE, "spoof.py"), "6" if v6 else "4", str(PORT), str(RATE),
                             *more], stdin=subprocess.PIPE)
    try:
        assert p.stdout.readline() == b"going\n"
        yield p
    finally:
        p.stdin.close()
        print("flood:", p.stdout.read().decode().strip(), p.stderr.read().decode())
        p.wait(labkit.PATIENCE)


def refused_after(lab, v6, port=PORT):
    """Seconds until client2 is told that this port is refused."""
    with lab.inside("client2"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.settimeout(labkit.PATIENCE)
    begun = time.monotonic()
    with s, contextlib.suppress(ConnectionRefusedError):
        s.connect((labkit.ORIGIN[6 if v6 else 4], port))
        raise AssertionError("connected")
    return time.monotonic() - begun


def counters(lab):
    return json.loads(lab.ctl("-j", "status").stdout)["counters"]


@BOTH
@pytest.mark.parametrize("macs", [(), ("500",)], ids=["one-mac", "many-macs"])
def test_the_others_are_told_all_the_same(lab, v6, macs):
    before = counters(lab)
    refused_after(lab, v6)
    with flood(lab, v6, *macs):
        time.sleep(2)  # the raw socket is as full as it gets: a neighbour is looked for three seconds long
        took = []
        while len(took) < 100:
            took.append(refused_after(lab, v6))
            time.sleep(0.04)  # several seconds long
    took.sort()
    after = counters(lab)
    print(f"median {took[50] * 1000:.1f} ms, p99 {took[98] * 1000:.1f} ms, longest {took[99] * 1000:.1f} ms; "
          f"counted { {k: after[k] - before[k] for k in after if after[k] != before[k]} }")
    assert took[98] < 1, took[90:]
