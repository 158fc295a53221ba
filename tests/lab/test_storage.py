# SPDX-License-Identifier: GPL-3.0-or-later
"""The record and the admin store on a real gateway: a full disk ends by itself, a flood erases nobody's history."""
import contextlib
import json
import os
import socket
import subprocess

import pytest

import labkit

ALONE = True
LONG = True
POLICY = """\
timezone UTC
fail closed
device phone mac 00:00:5e:00:53:03
for everyone
  block tracker.example
otherwise allow
"""
FLOOD = 8000


def status(lab):
    return json.loads(lab.ctl("-j", "status").stdout)


def problem(lab, words):
    return [p for p in status(lab)["problems"] if words in p]


@contextlib.contextmanager
def tmpfs(path, size):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=750,uid=64481,gid=64481", "durward-test", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """A file that takes all that is free there."""
    name = os.path.join(path, "ballast")
    with open(name, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"\1" * 4096)
    return name


@contextlib.contextmanager
def daemon(lab):
    process = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_a_disk_that_is_full_at_the_start_is_waited_for():
    lab = labkit.Lab(daemon=False).up()
    try:
        lab.furnish(POLICY)
        with tmpfs(f"{lab.state}/var", "4m"):
            ballast = fill(f"{lab.state}/var")
            with daemon(lab):
                assert labkit.until(lambda: lab.curl("http://tracker.example/").status == 403)  # filtering waits for no disk
                assert lab.curl("http://fine.test/", v6=True).status == 200
                assert problem(lab, "No space left on device") and problem(lab, "is not kept"), status(lab)
                assert passwd(lab) == 1
                first = status(lab)["policy"]["revision"]
                lab.set_policy(POLICY + "# another\n")
                assert status(lab)["policy"]["revision"] == first + 1
                os.unlink(ballast)
                assert labkit.until(lambda: not status(lab)["problems"] or not
                                    [p for p in status(lab)["problems"] if "50 MB" not in p]), status(lab)["problems"]
                assert status(lab)["policy"]["revision_kept"]
                assert passwd(lab) == 0
                assert lab.curl("http://tracker.example/kept").status == 403
                assert labkit.until(lambda: lab.events('"tracker.example"'))
            with daemon(lab):  # and the number does not go back
                assert labkit.until(lambda: lab.ctl("status").returncode == 0)
                assert status(lab)["policy"]["revision"] == first + 1
    finally:
        lab.down()


def passwd(lab):
    return lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "passwd"], stdin=b"a good password\n").returncode


def test_a_damaged_database_of_the_password_is_left_to_the_console():
    lab = labkit.Lab(daemon=False).up()
    try:
        lab.furnish(POLICY)
        path = f"{lab.state}/var/durward.db"
        with daemon(lab):
            assert labkit.until(lambda: passwd(lab) == 0)
            assert lab.ctl("set-aside").returncode == 1  # nothing is wrong with it
            first = status(lab)["policy"]["revision"]
        with open(path, "r+b") as f:
            f.seek(4096)
            f.write(b"\xee" * 2048)
        with open(path, "rb") as f:
            damaged = f.read()
        with daemon(lab):
            assert labkit.until(lambda: lab.curl("http://tracker.example/").status == 403)
            assert problem(lab, "durwardctl set-aside"), status(lab)
            assert passwd(lab) == 1
            lab.set_policy(POLICY + "# another\n")
            assert status(lab)["policy"]["revision"] == first + 1
            with open(path, "rb") as f:
                assert f.read() == damaged
            assert lab.ctl("set-aside").returncode == 0
            assert [name for name in os.listdir(f"{lab.state}/var") if name.startswith("durward.db.damaged-")]
            assert passwd(lab) == 0
            assert labkit.until(lambda: not problem(lab, "durwardctl set-aside") and status(lab)["policy"]["revision_kept"])
    finally:
        lab.down()


def garbage(lab, v6, n):
    """n datagrams that are no QUIC, each a flow of its own, from the client without a name."""
    far = labkit.ORIGIN[6 if v6 else 4]
    with lab.inside("client"):
        for _ in range(n):
            with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"\x40garbage of no known protocol", (far, 443))


@pytest.fixture(scope="module")
def small():
    """A record of 1000 rows: what is kept of them shows soon."""
    lab = labkit.Lab(policy=POLICY, settings="events-rows 1000\n").up()
    yield lab
    lab.down()


@pytest.mark.timeout(400)  # sums come after half a minute, and the record is pruned each minute
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_a_flood_is_counted_and_erases_nobodys_history(small, v6):
    lab = small
    word = "six" if v6 else "four"
    assert lab.curl(f"http://{word}.tracker.example/", ns="client2", v6=v6).status == 403
    assert lab.curl(f"http://{word}.test/", ns="client2", v6=v6).status == 200
    before = status(lab)["events"]
    garbage(lab, v6, FLOOD)
    # a queue may have been full; what was judged is all there
    assert labkit.until(lambda: (e := status(lab)["events"])["allowed"] + e["blocked"]
                        - before["allowed"] - before["blocked"] > FLOOD / 2), status(lab)
    assert status(lab)["events"]["summed"] > before["summed"] + FLOOD / 4
    assert status(lab)["events"]["lost"] == before["lost"]
    sums = labkit.until(lambda: [e for e in lab.events(limit=1000) if e["count"] > 100 and e["id"] > before["last_id"]],
                        seconds=120)
    assert sums and all(e["last"] > e["time"] and e["who"] is None for e in sums), sums
    assert "times until" in lab.ctl("log", "-n", "1000").stdout
    # the record is full, and what the phone did is still in it
    assert labkit.until(lambda: len(lab.events(limit=100000)) <= 1000, seconds=150, step=1)
    phone = {e["name"]: e["verdict"] for e in labkit.read_json(lab.ctl("-j", "log", "-n", "1000", "phone").stdout)}
    assert phone.get(f"{word}.tracker.example") == "block" and phone.get(f"{word}.test") == "allow", phone
