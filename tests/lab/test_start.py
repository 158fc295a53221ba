# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that cannot go on, and what an installed copy finds: a clear word, and never an open gateway by accident."""
import os
import signal
import subprocess
import time

import pytest

import labkit

POLICY = """\
timezone UTC
fail {fail}
for everyone
  block tracker.example
otherwise allow
"""


def again(lab, *options):
    """Another super on the lab's settings: its exit status and words."""
    done = lab.exec("gateway", [labkit.DURWARD, "super", "--settings", f"{lab.state}/settings", *options], timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode()


def kill_super(lab):
    os.kill(lab.faces()["super"], signal.SIGKILL)
    assert labkit.until(lambda: not lab.faces(), 5, 0.02), lab.faces()


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_start_that_fails_after_a_crash_keeps_what_fail_says(fail):
    """The policy was broken meanwhile, and no good one was kept: the refusal stays, or the way stays open."""
    lab = labkit.Lab(policy=POLICY.format(fail=fail)).up()
    try:
        kill_super(lab)
        for name in os.listdir(f"{lab.state}/var"):
            os.unlink(f"{lab.state}/var/{name}")
        with open(lab.policy_path, "w", encoding="utf-8") as f:
            f.write("nonsense\n")
        status, words = again(lab)
        assert status == 1 and "durwardctl check" in words, words
        reply = lab.curl("http://fine.test/")
        if fail == "open":
            assert reply.status == 200
        else:
            assert reply.status == 0 and reply.exit == 7 and "refused" in words, (reply, words)
            assert lab.curl("https://fine.test/", v6=True).exit == 7
        with open(lab.policy_path, "w", encoding="utf-8") as f:
            f.write(POLICY.format(fail=fail))
        daemon = lab.popen("gateway", [labkit.DURWARD, "super", "--settings", f"{lab.state}/settings"])
        try:
            assert labkit.until(lambda: lab.ctl("status").returncode == 0 and lab.curl("http://fine.test/").status == 200
                                and lab.curl("http://tracker.example/").status == 403, 10)
        finally:
            daemon.terminate()
            daemon.communicate(timeout=10)
    finally:
        lab.down()


def test_an_installed_copy_finds_its_rules(tmp_path):
    """`make && make install PREFIX=/usr` as in the README: no file says where, no build knows the prefix."""
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=labkit.REPO, check=True,
                   capture_output=True)
    lab = labkit.Lab(policy=POLICY.format(fail="closed"), daemon=False).up()
    try:
        for d in ("etc", "var", "run"):
            os.makedirs(f"{lab.state}/{d}", exist_ok=True)
        with open(lab.policy_path, "w", encoding="utf-8") as f:
            f.write(POLICY.format(fail="closed"))
        subprocess.run(["chown", "-R", "64481", f"{lab.state}/etc"], check=True)
        with open(f"{lab.state}/settings", "w", encoding="utf-8") as f:
            f.write(f"policy {lab.policy_path}\nstate-dir {lab.state}/var\nrun-dir {lab.state}/run\n"
                    "gate-user 64480\ndesk-user 64481\nweb-listen none\n")
        daemon = lab.popen("gateway", [f"{tmp_path}/usr/sbin/durward", "super", "--settings", f"{lab.state}/settings"])
        try:
            assert labkit.until(lambda: lab.curl("http://tracker.example/").status == 403, 10)
            assert lab.curl("http://fine.test/").status == 200
        finally:
            daemon.terminate()
            words = daemon.communicate(timeout=10)
        assert daemon.returncode == 0, words
        assert lab.curl("http://tracker.example/").status == 200
        subprocess.run(["make", "-s", "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=labkit.REPO, check=True,
                       capture_output=True)
        left = [f for _, _, files in os.walk(tmp_path) for f in files]
        assert not left, left
    finally:
        lab.down()


def test_without_iptables_it_says_which_package(tmp_path):
    for tool in ("sh", "cat", "grep", "sed", "mkdir", "flock"):
        os.symlink(subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip(),
                   tmp_path / tool)
    (tmp_path / "params").write_text("client-interfaces lan\nrun-dir %s\n" % tmp_path)
    with open(f"{labkit.REPO}/iptables/durward-rules", encoding="utf-8") as f:
        script = f.read().replace("PATH=$PATH:/usr/sbin:/sbin", f"PATH={tmp_path}")
    (tmp_path / "rules").write_text(script)
    done = subprocess.run(["/bin/sh", tmp_path / "rules", "up", "--params", tmp_path / "params"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and "apt-get install iptables" in done.stderr, done


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_hung_gate_and_what_fail_says_meanwhile(fail):
    lab = labkit.Lab(policy=POLICY.format(fail=fail)).up()
    try:
        before = lab.faces()["gate"]
        os.kill(before, signal.SIGSTOP)
        begin = time.monotonic()
        reply = lab.curl("https://tracker.example/", timeout=15)
        print(f"fail {fail}: {reply} after {time.monotonic() - begin:.1f} s")
        assert fail == "open" or reply.status == 0, reply
        assert labkit.until(lambda: lab.faces().get("gate") not in (None, before), 15)
        assert labkit.until(lambda: lab.curl("http://tracker.example/").status == 403
                            and lab.curl("https://fine.test/").status == 200, 10)
        assert lab.curl("https://tracker.example/").status == 0
    finally:
        lab.down()
