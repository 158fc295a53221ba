# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog: a dataplane or one worker of it that hangs, rules that others take away, and a machine that is only busy."""
import ctypes
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import labkit

ALONE = True
POLICY = """\
timezone UTC
fail {fail}
for everyone
  block tracker.example
  block port tcp/25
otherwise allow
"""
RULES = os.path.join(labkit.REPO, "iptables", "durward-rules")
PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000


@pytest.fixture(params=["closed"])
def own(request):
    lab = labkit.Lab(policy=POLICY.format(fail=request.param)).up()
    lab.fail = request.param
    try:
        yield lab
    finally:
        lab.down()


BOTH = pytest.mark.parametrize("own", ["open", "closed"], indirect=True)


def status(lab):
    done = lab.ctl("-j", "status")
    return json.loads(done.stdout) if done.stdout else {}


def filters(lab):
    return lab.curl("http://tracker.example/").status == 403 and lab.curl("https://fine.test/").status == 200 \
        and lab.curl("https://tracker.example/").status == 0


def ready(lab):
    """The watchdog looks at a dataplane only once all its workers have the policy; the controller hears of that."""
    assert labkit.until(lambda: status(lab).get("policy", {}).get("revision_taken"))


@BOTH
def test_a_stopped_dataplane_is_replaced(own):
    ready(own)
    dataplane = own.processes()["dataplane"]
    os.kill(dataplane, signal.SIGSTOP)
    begin = time.monotonic()
    meanwhile = own.popen("client", ["curl", "-sk", "-4", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}",
                                     "https://tracker.example/"])
    assert labkit.until(lambda: "has not answered its queue" in own.words(), 60, 0.01), own.words()
    took = time.monotonic() - begin
    answer = meanwhile.communicate(timeout=90)[0]
    assert answer == b"000" or own.fail == "open", answer
    assert labkit.until(lambda: filters(own))
    print(f"stopped dataplane: killed after {took:.2f} s, filtering again within {time.monotonic() - begin:.2f} s")
    assert labkit.until(lambda: status(own).get("dataplane", {}).get("hangs") == 1), status(own)


FLOOD = """
import random, socket
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
while True:
    for x in s:
        try:
            x.sendto(bytes(1200), ("198.51.100.%d" % random.randrange(20, 250), random.randrange(1000, 60000)))
        except OSError:
            pass
"""


def test_a_flood_neither_hides_a_hang_nor_looks_like_one(own):
    """New flows as fast as one client can make them; then the dataplane stops, and its queues run over."""
    ready(own)
    dataplane = own.processes()["dataplane"]
    flood = own.popen("client", [sys.executable, "-c", FLOOD])
    try:
        time.sleep(2)
        assert own.processes().get("dataplane") == dataplane, own.words()
        os.kill(dataplane, signal.SIGSTOP)
        begin = time.monotonic()
        assert labkit.until(lambda: "has not answered its queue" in own.words(), 60, 0.01), own.words()
        print(f"stopped dataplane in a flood: killed after {time.monotonic() - begin:.2f} s")
    finally:
        flood.kill()
        flood.wait()
    assert labkit.until(lambda: filters(own))


def stop_thread(tid):
    """A stop of one thread alone, as no signal can do it. The caller reaps the thread when it is killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, tid, None, None) != 0:
            pytest.skip(f"no ptrace here: {os.strerror(ctypes.get_errno())}")
    os.waitpid(tid, WALL)


def test_one_stopped_worker_is_enough(own):
    ready(own)
    dataplane = own.processes()["dataplane"]
    threads = {}
    for tid in os.listdir(f"/proc/{dataplane}/task"):
        with open(f"/proc/{dataplane}/task/{tid}/comm", encoding="ascii") as f:
            threads[f.read().strip()] = int(tid)
    victim = max(name for name in threads if name.startswith("worker"))
    stop_thread(threads[victim])
    begin = time.monotonic()

    def replaced():
        try:
            os.waitpid(threads[victim], WALL | os.WNOHANG)
        except ChildProcessError:
            pass
        return own.processes().get("dataplane") not in (None, dataplane)

    assert labkit.until(replaced, 60, 0.01), own.words()
    print(f"one stopped worker ({victim}): a new dataplane after {time.monotonic() - begin:.2f} s")
    assert f"worker {int(victim[6:])} of the dataplane has not answered" in own.words()
    assert labkit.until(lambda: filters(own))


@BOTH
def test_rules_that_others_take_away_come_back(own):
    for n, argv in enumerate((["iptables", "-t", "mangle", "-F"], ["ip6tables", "-t", "security", "-F", "FORWARD"],
                              ["iptables", "-D", "INPUT", "-j", "DURWARD-IN"],
                              ["ip", "rule", "del", "priority", "4480"]), 1):
        assert own.exec("gateway", argv).returncode == 0
        begin = time.monotonic()
        assert labkit.until(lambda n=n: own.words().count("back (") >= n, 60, 0.02), (argv, own.words())
        print(f"{' '.join(argv)}: put back after {time.monotonic() - begin:.2f} s")
        assert filters(own)
    assert labkit.until(lambda: status(own).get("rules_fixed") == 4), status(own)
    assert "put back 4 times" in own.ctl("status").stdout
    assert own.exec("gateway", [RULES, "check", "--params", f"{own.state}/run/rules"]).returncode == 0


def test_what_durward_rules_takes_away_by_hand_stays_away(own):
    """And the rules of others are none of its business."""
    def rules(verb):
        assert own.exec("gateway", [RULES, verb, "--params", f"{own.state}/run/rules"]).returncode == 0

    for verb in ("-A", "-D"):
        own.exec("gateway", ["iptables", verb, "FORWARD", "-p", "udp", "--dport", "7", "-j", "DROP"])
        time.sleep(0.7)
    rules("down")
    assert labkit.until(lambda: own.ctl("status", "-q").returncode == 1)
    assert "by hand" in own.ctl("status").stdout
    time.sleep(1.5)
    assert own.curl("http://tracker.example/").status == 200
    rules("up")
    assert labkit.until(lambda: own.ctl("status", "-q").returncode == 0 and filters(own))
    assert status(own)["rules_fixed"] == 0, own.words()


def test_a_busy_machine_is_no_hang(own):
    """Six busy loops for some seconds, as many as a loaded gateway may have: nobody is killed."""
    ready(own)
    before = own.processes()
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(int(os.environ.get("DURWARD_HOGS", "6")))]
    try:
        end, slowest = time.monotonic() + float(os.environ.get("DURWARD_HOGS_S", "4")), 0
        while time.monotonic() < end:
            begin = time.monotonic()
            assert own.curl("https://fine.test/", timeout=20).status == 200
            slowest = max(slowest, time.monotonic() - begin)
    finally:
        for h in hogs:
            h.kill()
            h.wait()
    assert own.processes() == before, own.words()
    print(f"busy machine: slowest request {slowest:.2f} s, nobody was killed")
