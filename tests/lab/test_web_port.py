# SPDX-License-Identifier: GPL-3.0-or-later
"""Filtering never depends on the page: a web-listen that cannot be had is a problem that is shown, and tried again."""
import json
import os
import signal
import socket

import pytest

import labkit

ALONE = True
POLICY = """\
timezone UTC
fail closed
for everyone
  block tracker.example
otherwise allow
"""
GATEWAY = {4: "192.0.2.1", 6: "2001:db8:1::1"}
SPARE = {4: "192.0.2.77", 6: "2001:db8:1::77"}  # nobody's
LENGTH = {4: "24", 6: "64"}
FAMILIES = pytest.mark.parametrize("v", [4, 6], ids=["v4", "v6"])


def word(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Own:
    """A gateway whose daemon this test starts, with these words as web-listen."""

    def __init__(self, *words):
        self.lab, self.daemon = labkit.Lab(daemon=False).up(), None
        self.lab.furnish(POLICY, settings=f"client-interfaces lan\nrules-script {labkit.REPO}/iptables/durward-rules\n")
        with open(f"{self.lab.state}/settings", encoding="utf-8") as f:
            text = f.read().replace("web-listen none\n", f"web-listen {' '.join(words)}\n")
        with open(f"{self.lab.state}/settings", "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        with open(f"{self.lab.state}/log/durward.log", "ab") as log:
            self.daemon = self.lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{self.lab.state}/settings"],
                                         stdout=log, stderr=log)
        assert labkit.until(lambda: self.status().get("state") == "filtering"), self.lab.words()
        for v6 in (False, True):
            assert self.lab.curl("http://tracker.example/", v6=v6).status == 403
            assert self.lab.curl("https://fine.test/", v6=v6).status == 200

    def status(self):
        done = self.lab.ctl("-j", "status")
        return json.loads(done.stdout) if done.stdout else {}

    def problem(self):
        """The sentence about the page, "" when there is none."""
        return next((p for p in self.status().get("problems", []) if "web page" in p), "")

    def page(self, at):
        """Whether a browser on the LAN gets it."""
        reply = self.lab.curl(f"http://{at}/healthz", v6="[" in at, timeout=5)
        return reply.status == 200 and reply.body == b"ok\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(60)
        self.lab.down()


def occupy(lab, v, port):
    with lab.inside("gateway"):
        s = socket.socket(socket.AF_INET if v == 4 else socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((GATEWAY[v], port))
    s.listen(1)
    return s


@FAMILIES
def test_a_port_that_is_taken_costs_the_page_alone_and_comes_when_it_is_free(v):
    taken, free = word(GATEWAY[v], 8480), word(GATEWAY[v], 8481)
    with Own(taken, free) as own:
        with occupy(own.lab, v, 8480):
            own.start()
            assert f"{taken}: the port is taken (`ss -lntp` tells by whom)" in own.problem(), own.status()
            assert own.status()["problem_keys"] == ["web-listen-missing"] and "8481" not in own.problem()
            assert taken in own.lab.words() and own.page(free)  # the other word works
            assert own.lab.ctl("status").stdout.count("problem ") == 1
        assert labkit.until(lambda: own.page(taken)), own.lab.words()
        assert labkit.until(lambda: not own.problem())
        # and the next controller has them, too
        os.kill(own.lab.processes()["controller"], signal.SIGKILL)
        assert labkit.until(lambda: own.page(taken) and own.page(free)), own.lab.words()


@FAMILIES
def test_an_address_that_nobody_owns_is_a_problem_until_it_comes(v):
    at = word(SPARE[v], 8480)
    with Own(at) as own:
        own.start()
        assert f"{at}: no interface has this address" in own.problem(), own.status()
        address = [f"{SPARE[v]}/{LENGTH[v]}", "dev", "lan"] + ["nodad"] * (v == 6)
        for there in (True, False):
            done = own.lab.exec("gateway", ["ip", "addr", "add" if there else "del", *address[:3], *address[3:] * there])
            assert done.returncode == 0, done
            assert labkit.until(lambda: bool(own.problem()) != there), own.status()  # pylint: disable=cell-var-from-loop
            assert not there or own.page(at)


def test_words_that_are_none_and_both_families_at_one_port():
    with Own("somewhere", "192.0.2.1:http", "0.0.0.0:8480", "[::]:8480") as own:
        own.start()
        assert "somewhere: not ADDRESS:PORT" in own.problem() and "192.0.2.1:http: not" in own.problem()
        assert "taken" not in own.problem()
        assert own.page("192.0.2.1:8480") and own.page("[2001:db8:1::1]:8480")
