# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules while Durward runs: nobody waits for durward-rules, and who takes them away again and again is told of."""
import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

import labkit

ALONE = True
LONG = True
POLICY = """\
timezone UTC
fail {fail}
for everyone
  block tracker.example
otherwise allow
"""
RULES = os.path.join(labkit.REPO, "iptables", "durward-rules")
# the real script behind one that obeys a word in STATE/slow: "VERB SECONDS" (it waits first) or "VERB fails"
WRAPPER = """#!/bin/sh
read -r verb what <"{state}/slow" 2>/dev/null
[ "$1" != "$verb" ] || {{ echo "$$" >>"{state}/slowed"; [ "$what" != fails ] || exit 1; sleep "$what"; }}
exec {rules} "$@"
"""


class Own:
    def __init__(self, fail="closed", settings=""):
        self.lab, self.daemon = labkit.Lab(daemon=False).up(), None
        state = self.lab.state
        with open(f"{state}/wrapper", "w", encoding="utf-8") as f:
            f.write(WRAPPER.format(state=state, rules=RULES))
        os.chmod(f"{state}/wrapper", 0o755)
        self.slow("none", 0)
        self.lab.furnish(POLICY.format(fail=fail), settings=f"client-interfaces lan\nrules-script {state}/wrapper\n{settings}")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(f"{state}/notified")
        self.notified.settimeout(0.1)
        self.beats, self.stop = [], threading.Event()
        self.thread = threading.Thread(target=self._listen)

    def _listen(self):
        while not self.stop.is_set():
            try:
                if b"WATCHDOG=1" in self.notified.recv(4096):
                    self.beats.append(time.monotonic())
            except TimeoutError:
                pass

    def slow(self, verb, what):
        with open(f"{self.lab.state}/slow.new", "w", encoding="ascii") as f:
            f.write(f"{verb} {what}\n")
        os.replace(f"{self.lab.state}/slow.new", f"{self.lab.state}/slow")

    def slowed(self):
        """How often the script was held up."""
        try:
            with open(f"{self.lab.state}/slowed", encoding="ascii") as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def begin(self, log):
        self.daemon = self.lab.popen("gateway", ["env", f"NOTIFY_SOCKET={self.lab.state}/notified", labkit.DURWARD,
                                                 "supervisor", "--settings", f"{self.lab.state}/settings"], stdout=log,
                                     stderr=log)
        self.thread.start()
        return self

    def start(self):
        with open(f"{self.lab.state}/log/durward.log", "ab") as log:
            return self.begin(log)

    def __enter__(self):
        if not self.daemon:
            self.start()
            assert labkit.until(self.filters), self.lab.words()
        return self

    def __exit__(self, *_):
        self.slow("none", 0)
        self.daemon.terminate()
        self.daemon.wait(60)
        self.stop.set()
        self.thread.join()
        self.lab.down()

    def status(self):
        done = self.lab.ctl("-j", "status")
        return json.loads(done.stdout) if done.stdout else {}

    def filters(self):
        return self.status().get("state") == "filtering" and all(
            self.lab.curl("http://tracker.example/", v6=v6).status == 403 and
            self.lab.curl("https://fine.test/", v6=v6).status == 200 for v6 in (False, True))

    def flush(self):
        for tool in ("iptables", "ip6tables"):
            self.lab.exec("gateway", [tool, "-t", "mangle", "-F", "PREROUTING"])


@pytest.mark.parametrize("verb", ["check", "up"])
def test_nobody_waits_for_the_script(verb):
    """While it hangs: the service manager's watchdog is fed, a dead dataplane is replaced, a policy is handed on."""
    with Own() as own:
        own.slow(verb, 12)
        own.flush()
        assert labkit.until(own.slowed)
        begin = time.monotonic()
        dataplane = own.lab.processes()["dataplane"]
        os.kill(dataplane, signal.SIGSTOP)
        assert labkit.until(lambda: own.lab.processes().get("dataplane") not in (None, dataplane)), own.lab.words()
        replaced = time.monotonic() - begin
        own.lab.set_policy(POLICY.format(fail="closed").replace("tracker", "later"))
        handed = time.monotonic() - begin
        assert labkit.until(lambda: own.lab.curl("http://tracker.example/").status == 200 and
                            own.lab.curl("https://later.example/").status == 0), own.lab.words()
        inside = [b for b in own.beats if b >= begin]
        gaps = [b - a for a, b in zip(inside, inside[1:])]
        print(f"{verb} hangs: a stopped dataplane is replaced after {replaced:.1f} s, a policy in force after {handed:.1f} s, "
              f"longest pause of the watchdog's beat {max(gaps, default=0):.2f} s")
        assert handed < 12 and len(inside) > 2 and max(gaps) < 4, gaps
        own.slow("none", 0)
        assert labkit.until(lambda: own.status()["rules_fixed"] >= 1), own.lab.words()


def test_a_script_that_hangs_for_ever_is_killed_and_tried_again():
    with Own() as own:
        own.slow("check", 307)
        own.flush()
        assert labkit.until(own.slowed)
        own.slow("none", 0)
        assert labkit.until(own.filters, 60), own.lab.words()
        assert own.status()["rules_fixed"] >= 1
        assert own.lab.exec("gateway", ["pgrep", "-fx", "sleep 307"]).returncode == 1  # with all that it started


def test_an_end_does_not_wait_for_a_check():
    with Own() as own:
        own.slow("check", 20)
        own.flush()
        assert labkit.until(own.slowed)
        begin = time.monotonic()
        own.daemon.terminate()
        assert own.daemon.wait(60) == 0
        took = time.monotonic() - begin
        print(f"ended {took:.1f} s after SIGTERM, while a check hung")
        assert took < 15 and own.lab.curl("http://tracker.example/").status == 200


def chains(own):
    """Of ours, in both families."""
    return [line for tool in ("iptables-save", "ip6tables-save")
            for line in own.lab.exec("gateway", [tool]).stdout.decode().splitlines() if line.startswith(":DURWARD")]


def test_a_stop_while_the_first_rules_are_made_ends_in_order():
    own = Own()
    own.slow("up", 3)
    with own.start():
        assert labkit.until(own.slowed)
        own.daemon.terminate()
        assert own.daemon.wait(60) == 0
        said = own.lab.words()
        assert "ending in order" in said and "rules are up before anything else" in said and "ready:" not in said, said
        assert not chains(own) and not own.lab.processes()


def test_the_end_waits_for_a_slow_script_with_its_eyes_open():
    """What dies meanwhile is reaped and not started again; asking twice changes nothing."""
    with Own() as own:
        dataplane = own.lab.processes()["dataplane"]
        own.slow("down", 4)
        own.daemon.terminate()
        assert labkit.until(own.slowed)
        os.kill(dataplane, signal.SIGKILL)
        own.daemon.terminate()
        assert labkit.until(lambda: not os.path.exists(f"/proc/{dataplane}"), 3), "a zombie"
        assert own.daemon.poll() is None and "dataplane" not in own.lab.processes()
        assert own.daemon.wait(60) == 0
        assert not chains(own) and not own.lab.processes()


@pytest.mark.parametrize("child", ["dataplane", "controller", "failsafe"])
def test_a_child_that_does_not_end_is_killed(child):
    with Own() as own:
        os.kill(own.lab.processes()[child], signal.SIGSTOP)
        own.daemon.terminate()
        assert own.daemon.wait(60) == 0
        assert f"the {child} did not end in 3000 ms: killed" in own.lab.words()
        assert not chains(own) and not own.lab.processes()


def test_a_log_that_nobody_reads_holds_nobody_up():
    own = Own()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 4096)
    os.set_blocking(writer, True)
    try:
        with own.begin(writer):
            assert labkit.until(own.filters)
            own.flush()
            assert labkit.until(lambda: own.status()["rules_fixed"] >= 1)
            os.kill(own.lab.processes()["dataplane"], signal.SIGKILL)
            assert labkit.until(own.filters)
    finally:
        os.close(reader)
        os.close(writer)


def test_rules_that_cannot_be_put_back_are_told():
    """`fail closed`: a refusal stands meanwhile, status says so, and all is well as soon as it can be."""
    with Own() as own:
        own.slow("up", "fails")
        own.flush()
        assert labkit.until(lambda: "refusal-in-force" in own.status()["problem_keys"]), own.lab.words()
        s = own.status()
        assert s["state"] == "down" and s["rules"] == "failed", s
        assert any("all forwarding is refused, though Durward runs: our rules could not be put back" in p
                   for p in s["problems"]), s
        for v6 in (False, True):
            assert own.lab.curl("https://fine.test/", v6=v6).exit == 7
        own.slow("none", 0)
        assert labkit.until(own.filters), own.lab.words()
        assert not own.status()["problems"]


def test_a_check_that_fails_is_told():
    with Own() as own:
        own.slow("check", "fails")
        own.lab.exec("gateway", ["iptables", "-N", "somebodys"])
        assert labkit.until(lambda: own.status()["problem_keys"] == ["rules-unknown"], 60), own.lab.words()
        assert own.status()["state"] == "filtering"
        own.slow("none", 0)
        assert labkit.until(lambda: not own.status()["problem_keys"]), own.lab.words()


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_who_flushes_again_and_again_is_told_of(fail):
    with Own(fail) as own:
        stop, flushes = threading.Event(), [0]

        def flusher():
            """Each time that they are back: what is flushed in the middle of `up` is another test's."""
            seen = -1
            while not stop.is_set():
                now = own.status().get("rules_fixed", seen)
                if now != seen:
                    seen = now
                    own.flush()
                    flushes[0] += 1
                stop.wait(0.1)

        thread = threading.Thread(target=flusher)
        thread.start()
        try:
            assert labkit.until(lambda: own.status().get("problem_keys") == ["rules-taken-away"], 60), own.lab.words()
            said = next(p for p in own.status()["problems"] if "again and again" in p)
            print(said)
            assert re.search(r"again: packet rules, \d+ times in the last minute; most likely a firewall", said)
            before, begin = own.status()["rules_fixed"], time.monotonic()
            assert before >= 6
            time.sleep(12)
            rate = (own.status()["rules_fixed"] - before) / (time.monotonic() - begin)
            print(f"{flushes[0]} flushes; then {rate * 60:.0f} fixes a minute")
            assert rate < 0.2
            assert "problem   another program takes our rules away" in own.lab.ctl("status").stdout
        finally:
            stop.set()
            thread.join()
        assert labkit.until(own.filters, 60), own.lab.words()


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_a_flush_in_the_middle_of_up_is_seen(fail):
    """Whatever the moment, what others took away is not taken for what was loaded."""
    with Own(fail) as own:
        stop = threading.Event()

        def flusher():
            while not stop.is_set():
                own.flush()

        thread = threading.Thread(target=flusher)
        thread.start()
        try:
            # either they stood for a moment, or it was seen that they did not
            assert labkit.until(lambda: own.status().get("rules_fixed", 0) >= 3 or
                                own.lab.words().count("while they were loaded") >= 3), own.lab.words()
        finally:
            stop.set()
            thread.join()
        assert labkit.until(own.filters), own.lab.words()
