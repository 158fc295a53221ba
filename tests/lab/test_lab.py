# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/lab/lab as a command: it leaves nothing, touches only its own, and says what is wrong."""
import os
import subprocess

import labkit


def spaces():
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_down_leaves_nothing():
    before = labkit.machine()
    lab = labkit.Lab(daemon=False, nat=True)
    try:
        lab.up()
        mine = {s for s in spaces() if s.startswith(lab.prefix + "-")}
        assert len(mine) == 4
        left = lab.popen("client", ["sleep", "300"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pids = [lab.pid(name) for name in ("nginx", "caddy", "dnsmasq")]
        assert all(running(p) for p in pids)
    finally:
        lab.down()
    left.wait(labkit.PATIENCE)
    assert labkit.until(lambda: not any(running(p) for p in pids))
    assert not any(s.startswith(lab.prefix + "-") for s in spaces())
    assert not any(os.path.exists(f"/etc/netns/{s}") for s in mine)
    assert not os.path.exists(lab.state)
    assert labkit.machine() == before


def test_down_twice_and_without_up():
    lab = labkit.Lab(daemon=False)
    lab.down()
    lab.down()


def test_two_labs_side_by_side():
    one, two = labkit.Lab(daemon=False), labkit.Lab(daemon=False, nat=True)
    try:
        one.up()
        two.up()
        one.down()
        assert two.curl("http://side.test/").status == 200
        assert one.exec("client", ["true"]).returncode == 1
    finally:
        one.down()
        two.down()


def test_up_again_replaces_it():
    lab = labkit.Lab(daemon=False)
    try:
        lab.up()
        first = lab.pid("nginx")
        lab.up()
        assert lab.pid("nginx") != first
        assert lab.curl("http://again.test/").status == 200
    finally:
        lab.down()


def test_a_daemon_that_ends_is_told_and_nothing_stays():
    lab = labkit.Lab(env={"DURWARD_BIN": "/bin/false"})
    try:
        lab.up()
    except labkit.LabError as e:
        assert "/bin/false: it ended with 1 before it was ready" in str(e)
    else:
        assert False, "up said yes"
    assert not any(s.startswith(lab.prefix + "-") for s in spaces())
    assert not os.path.exists(lab.state)


def test_wrong_words_are_usage():
    for argv in ([], ["up", "--nonsense"], ["exec", "nowhere", "true"], ["sideways"]):
        assert subprocess.run([labkit.LAB, *argv], capture_output=True, check=False).returncode == 2, argv
    bad = subprocess.run([labkit.LAB, "up"], capture_output=True, text=True, check=False,
                         env=dict(os.environ, LAB_PREFIX="a/b"))
    assert bad.returncode == 1 and "LAB_PREFIX" in bad.stderr
