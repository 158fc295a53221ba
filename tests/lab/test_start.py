# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that cannot go on, and what an installed copy finds: a clear word, and never an open gateway by accident."""
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import labkit

ALONE = True
POLICY = """\
timezone UTC
fail {fail}
for everyone
  block tracker.example
otherwise allow
"""


def again(lab, *options):
    """Another supervisor on the lab's settings: its exit status and words."""
    done = lab.exec("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings", *options], timeout=120)
    return done.returncode, (done.stdout + done.stderr).decode()


def kill_supervisor(lab):
    os.kill(lab.processes()["supervisor"], signal.SIGKILL)
    assert labkit.until(lambda: not lab.processes(), step=0.02), lab.processes()


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_start_that_fails_after_a_crash_keeps_what_fail_says(fail):
    """The policy was broken meanwhile, and no good one was kept: the refusal stays, or the way stays open."""
    lab = labkit.Lab(policy=POLICY.format(fail=fail)).up()
    try:
        kill_supervisor(lab)
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
        daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"])
        try:
            assert labkit.until(lambda: lab.ctl("status").returncode == 0 and lab.curl("http://fine.test/").status == 200
                                and lab.curl("http://tracker.example/").status == 403)
        finally:
            daemon.terminate()
            daemon.communicate(timeout=60)
    finally:
        lab.down()


def test_an_installed_copy_finds_its_rules(tmp_path):
    """`make && make install PREFIX=/usr` as in the README: no file says where, no build knows the prefix."""
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=labkit.REPO, check=True,
                   capture_output=True)
    lab = labkit.Lab(daemon=False).up()
    try:
        lab.furnish(POLICY.format(fail="closed"), settings="")
        daemon = lab.popen("gateway", [f"{tmp_path}/usr/sbin/durward", "supervisor", "--settings", f"{lab.state}/settings"])
        try:
            assert labkit.until(lambda: lab.curl("http://tracker.example/").status == 403)
            assert lab.curl("http://fine.test/").status == 200
        finally:
            daemon.terminate()
            words = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, words
        assert lab.curl("http://tracker.example/").status == 200
        subprocess.run(["make", "-s", "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=labkit.REPO, check=True,
                       capture_output=True)
        left = [f for _, _, files in os.walk(tmp_path) for f in files]
        assert not left, left
    finally:
        lab.down()


def test_the_units_are_sound_and_narrow(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=labkit.REPO, check=True,
                   capture_output=True)
    units = [f"{tmp_path}/usr/lib/systemd/system/{u}.service" for u in ("durward", "durward-boot-guard")]
    for unit in units:
        with open(unit, encoding="utf-8") as f:
            text = f.read()
        programs = re.findall(r"^Exec\w+=\+?(/\S+)", text, flags=re.M)
        assert len(programs) >= 2 and all(os.access(f"{tmp_path}{p}", os.X_OK) for p in programs), programs
        with open(unit, "w", encoding="utf-8") as f:  # so that verify finds them
            f.write(text.replace("=/usr/", f"={tmp_path}/usr/").replace("+/usr/", f"+{tmp_path}/usr/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{os.path.dirname(units[0])}:"})
    assert done.returncode == 0 and not done.stderr.strip(), done
    for unit in units:
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=26", unit],
                              capture_output=True, text=True, check=False)
        print(done.stdout.strip().splitlines()[-1])
        assert done.returncode == 0, done


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


class Knocker:
    """A client that asks for a blocked site again and again, over HTTP and TLS, IPv4 and IPv6; when it got it."""

    def __init__(self, lab):
        self.lab, self.got, self.tries, self.stop = lab, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(port, v)) for port in (80, 443) for v in (4, 6)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def _run(self, port, v):
        while not self.stop.is_set():
            begin = time.monotonic()
            if self._ask(port, v):
                self.got.append((begin, port))
            self.tries += 1

    def _ask(self, port, v):
        """Whether the origin itself answered for the name."""
        context = ssl._create_unverified_context()
        try:
            with self.lab.inside("client"):
                s = socket.socket(socket.AF_INET if v == 4 else socket.AF_INET6)
            with s:
                s.settimeout(0.3)
                s.connect((labkit.ORIGIN[v], port))
                if port == 443:
                    with context.wrap_socket(s, server_hostname="tracker.example") as t:
                        return bool(t.version())
                s.sendall(b"GET / HTTP/1.1\r\nHost: tracker.example\r\nConnection: close\r\n\r\n")
                return s.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def passed(self, since):
        return [port for at, port in self.got if at >= since]


def prepared(fail):
    """A lab with a policy and settings, but without the daemon."""
    lab = labkit.Lab(daemon=False).up().furnish(POLICY.format(fail=fail))
    os.chmod(lab.policy_path, 0o600)  # as the controller writes it: only its own user may read it
    return lab


def start(lab, *options):
    with open(f"{lab.state}/log/durward.log", "ab") as log:
        return lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings", *options],
                         stdout=log, stderr=log)


def filters(lab):
    return lab.ctl("status", "-q").returncode == 0 and lab.curl("http://fine.test/").status == 200 \
        and lab.curl("http://tracker.example/").status == 403


def guard(lab):
    return lab.exec("gateway", [labkit.DURWARD, "boot-guard", "--settings", f"{lab.state}/settings"], timeout=120)


def test_nothing_passes_unjudged_from_boot_to_a_restart():
    """What the units do with `fail closed`: the boot guard at boot, start, restart; then stop."""
    lab, daemon = prepared("closed"), None
    try:
        assert guard(lab).returncode == 0
        assert lab.curl("http://fine.test/").exit == 7
        with Knocker(lab) as knocker:
            begin = time.monotonic()
            for life in range(3):
                daemon = start(lab, "--guarded")
                assert labkit.until(lambda: filters(lab)), lab.words()
                if life < 2:
                    daemon.terminate()
                    assert daemon.wait(60) == 0
            got, tries = knocker.passed(begin), knocker.tries
        assert not got and tries > 20, (got, tries)
        assert guard(lab).returncode == 0 and filters(lab)  # it changes nothing where the daemon runs
        daemon.terminate()
        assert daemon.wait(60) == 0
        assert lab.curl("https://tracker.example/", timeout=2).status == 0
        assert lab.exec("gateway", [f"{labkit.REPO}/iptables/durward-rules", "down", "--params",
                                    f"{lab.state}/run/rules"]).returncode == 0
        assert lab.curl("http://tracker.example/").status == 200
        print(f"{tries} connections to a blocked site over boot, start and two restarts: none got it")
    finally:
        if daemon:
            daemon.kill()
        lab.down()


def test_a_decided_connection_goes_on_over_a_restart(tmp_path):
    lab, daemon = prepared("closed"), None
    try:
        daemon = start(lab, "--guarded")
        assert labkit.until(lambda: filters(lab)), lab.words()
        path = str(tmp_path / "got")
        got = lab.popen("client", ["curl", "-sS", "-4", "-m", "60", "--limit-rate", "3M", "-N", "-o", path, "-w",
                                   "%{size_download}", "https://fine.test/big"])
        assert labkit.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
        daemon.terminate()
        assert daemon.wait(60) == 0
        begin = time.monotonic()
        waits = [lab.popen("client", ["curl", "-sS", "-4", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", url])
                 for url in ("http://fine.test/", "https://fine.test/")]
        time.sleep(0.3)
        daemon = start(lab, "--guarded")
        assert [w.communicate(timeout=90)[0] for w in waits] == [b"200", b"200"]
        print(f"connections begun while no daemon ran were served after {time.monotonic() - begin:.1f} s")
        out, err = got.communicate(timeout=90)
        assert out == b"10000000", (out, err)
    finally:
        if daemon:
            daemon.kill()
        lab.down()


def test_a_start_without_a_boot_guard_closes_the_way_at_once():
    lab, daemon = prepared("closed"), None
    try:
        with Knocker(lab) as knocker:
            assert labkit.until(lambda: len(knocker.got) > 3)
            begin = time.monotonic()
            daemon = start(lab)
            assert labkit.until(lambda: "the rules are up before anything else" in lab.words(), 20, 0.002), lab.words()
            took = time.monotonic()
            assert labkit.until(lambda: filters(lab)), lab.words()
            assert not knocker.passed(took)
        print(f"the way was closed {(took - begin) * 1000:.0f} ms after the start, "
              f"filtering {(time.monotonic() - begin) * 1000:.0f} ms after it")
    finally:
        if daemon:
            daemon.kill()
        lab.down()


def test_the_boot_guard_leaves_an_open_gateway_open_and_minds_a_broken_policy():
    lab = prepared("open")
    rules = [f"{labkit.REPO}/iptables/durward-rules", "down", "--params", f"{lab.state}/run/rules"]
    try:
        def closed():
            assert guard(lab).returncode == 0
            reply = lab.curl("http://fine.test/")
            lab.exec("gateway", rules)
            return reply.exit == 7

        def policy(text, where=lab.policy_path):
            with open(where, "w", encoding="utf-8") as f:
                f.write(text)

        assert not closed()
        policy("timezone UTC\notherwise allow\n")  # not stated: closed
        assert closed()
        policy("timezone UTC\nfail closed\nfor everyone\n  blok x.test\n")
        assert closed()
        policy("timezone UTC\nfail open\nfor everyone\n  blok x.test\n")
        assert not closed()
        os.makedirs(f"{lab.state}/var", exist_ok=True)
        os.chmod(f"{lab.state}/var", 0o755)
        policy(POLICY.format(fail="closed"), f"{lab.state}/var/policy.good")
        assert closed()  # the last good one will be used
        os.unlink(f"{lab.state}/var/policy.good")
        os.unlink(lab.policy_path)
        assert not closed()  # nothing was ever declared
    finally:
        lab.down()
