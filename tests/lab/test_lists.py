# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that goes bad keeps its last good copy, in the dataplane too, over reloads and a start, and says so."""
import json
import os
import signal

import labkit

NAT = (False,)
LISTED = [f"site{n}.listed.example" for n in range(40)]
POLICY = """\
fail closed
otherwise allow
"""
WITH_LIST = """\
fail closed
list adult adult.txt format domains
for everyone
  block adult because "Adult"
otherwise allow
"""


def write(lab, data):
    path = os.path.join(os.path.dirname(lab.policy_path), "adult.txt")
    with open(path + ".new", "wb") as f:
        f.write(data if isinstance(data, bytes) else "".join(f"{n}\n" for n in data).encode())
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)
    return path


def state(lab):
    return json.loads(lab.ctl("-j", "status").stdout)["lists"][0]


def blocked(lab, name):
    return lab.curl(f"http://{name}/").status == 403


def test_lists_are_read_as_their_authors_mean_them(lab):
    """Wildcard lists and Squid's form; what cannot be read is told with its count, never "ok"."""
    path, check = write(lab, ["*.wild.example", "*.other.example"]), lambda: lab.ctl("check", lab.policy_path)
    lab.set_policy(WITH_LIST)
    assert "is a wildcard list" in check().stdout and check().returncode == 0
    assert blocked(lab, "wild.example") and blocked(lab, "www.wild.example") and not blocked(lab, "notwild.example")
    write(lab, ["*.wild.example", ".squid.example", "*ext.example", "fine.example  # said so"])
    done = lab.ctl("reload")
    assert "1 of 4 lines are broken and skipped; the first is line 3 (a star" in done.stderr, done
    assert "2:12: warning: list 'adult': 1 of 4 lines" in check().stdout
    assert not blocked(lab, "wild.example") and blocked(lab, "www.wild.example")
    assert blocked(lab, "squid.example") and blocked(lab, "www.squid.example") and blocked(lab, "fine.example")
    assert not blocked(lab, "text.example")
    lab.set_policy(POLICY)
    os.unlink(path)
    lab.set_policy(POLICY + "# the copy is gone\n")


def test_a_list_that_goes_bad_keeps_its_last_good_copy(lab):
    path = write(lab, LISTED)
    lab.set_policy(WITH_LIST)
    assert state(lab)["state"] == "current" and blocked(lab, LISTED[30])
    for bad, why in ((LISTED[:3], "has shrunk from 40 names to 3"), (b"<html>502</html>\n", "a web page"),
                     (b"\0" * 100, "NUL"), (b"", "from 40 names to 0")):
        write(lab, bad)
        done = lab.ctl("reload")
        assert done.returncode == 0 and why in done.stderr and "2:12: warning: list 'adult'" in done.stderr, done
        assert state(lab)["state"] == "last-good" and state(lab)["names"] == 40
        assert why in lab.ctl("status").stdout
        assert blocked(lab, LISTED[30])
    os.unlink(path)
    assert "No such file" in lab.ctl("reload", "--accept-lists").stderr  # there is nothing to accept
    assert why in lab.words() and blocked(lab, LISTED[30])


def test_a_start_of_the_controller_is_no_consent_and_a_word_is(lab):
    write(lab, LISTED[:3])
    before = lab.processes()["controller"]
    os.kill(before, signal.SIGKILL)
    assert labkit.until(lambda: lab.ctl("status", "-q").returncode == 0 and lab.processes().get("controller") not in (None, before))
    assert labkit.until(lambda: json.loads(lab.ctl("-j", "status").stdout)["lists"])
    assert state(lab)["state"] == "last-good" and blocked(lab, LISTED[30])
    os.kill(lab.processes()["supervisor"], signal.SIGHUP)
    assert labkit.until(lambda: lab.ctl("reload", "--accept-lists", "adult").returncode == 0)
    assert state(lab)["state"] == "current" and state(lab)["names"] == 3
    assert blocked(lab, LISTED[2]) and not blocked(lab, LISTED[30])
    assert lab.ctl("reload").stderr == ""
