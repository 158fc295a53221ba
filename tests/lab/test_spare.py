# SPDX-License-Identifier: GPL-3.0-or-later
"""T50: spare connections of browsers on both ports and paths, with the lab's own servers; see test_silent.py, too."""
import socket
import time

import pytest

import labkit
import rawtcp

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block blocked.example
otherwise allow
"""
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp none\nproxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
SILENCE = 1.5  # seconds; longer than the proxy waits before it dials for a client that is silent


def connect(lab, port, v6):
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.settimeout(labkit.PATIENCE)
    s.connect((labkit.ORIGIN[6 if v6 else 4], port))
    return s


def rows(lab, port):
    """The rows of the connection from this port of the client."""
    return [e for e in lab.events() if e["sport"] == port]


def speak(lab, s, words, wanted):
    """The other end of s answers, and there is one row, which says that."""
    port = s.getsockname()[1]
    s.sendall(words)
    assert s.recv(4096)
    told = labkit.until(lambda: rows(lab, port))
    assert [(e["name"], e["verdict"]) for e in told] == [wanted], told


@BOTH
@pytest.mark.parametrize("port", [80, 443])
def test_T50_a_spare_connection_is_no_row_until_it_is_used(lab, port, v6):
    words = b"GET / HTTP/1.0\r\nHost: fine.example\r\n\r\n" if port == 80 else rawtcp.hello("fine.example")
    with connect(lab, port, v6) as spare, connect(lab, port, v6) as used:
        time.sleep(SILENCE)
        ports = [s.getsockname()[1] for s in (spare, used)]
        assert not rows(lab, ports[0]) and not rows(lab, ports[1])
        speak(lab, used, words, ("fine.example", "allow"))
    with connect(lab, port, v6) as last:  # and its end is none either: what came after it is there
        speak(lab, last, words, ("fine.example", "allow"))
    assert not rows(lab, ports[0]), rows(lab, ports[0])


@BOTH
def test_T50_late_words_are_judged_as_ever(lab, v6):
    with connect(lab, 80, v6) as s:
        time.sleep(SILENCE)
        s.sendall(b"GET / HTTP/1.0\r\nHost: blocked.example\r\n\r\n")
        assert b" 403 " in s.recv(4096)[:20]
    assert not lab.asked("blocked.example")
