# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes second touches nothing, however it fails; and a refusal over a running Durward is seen and fixed."""
import json
import os
import re
import shutil
import signal

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
RULES = os.path.join(labkit.REPO, "iptables", "durward-rules")
BOTH_PATHS = pytest.mark.parametrize("own", [False, True], ids=["plain", "nat"], indirect=True)


def works(lab):
    return all(lab.curl("http://fine.test/", v6=v6).status == 200 and lab.curl("https://fine.test/", v6=v6).status == 200
               and lab.curl("http://tracker.example/", v6=v6).status == 403
               and lab.curl("https://tracker.example/", v6=v6).status == 0 for v6 in (False, True))


def status(lab):
    done = lab.ctl("-j", "status")
    return json.loads(done.stdout) if done.stdout else {}


def filters(lab):
    s = status(lab)
    return s.get("state") == "filtering" and not s["problem_keys"] and works(lab)


def loaded(lab):
    """What is loaded of rules and routes, without counters."""
    out = []
    for tool in ("iptables-save", "ip6tables-save", "ip rule", "ip -6 rule"):
        text = lab.exec("gateway", tool.split()).stdout.decode()
        out.append(re.sub(r"^[#:].*\n|\[\d+:\d+\]", "", text, flags=re.M))
    return out


def another(lab, name, **changes):
    """The settings of a second copy: folders of its own, the rest as the first one's but for the changes."""
    folder = f"{lab.state}/{name}"
    os.makedirs(f"{folder}/run", exist_ok=True)
    with open(f"{lab.state}/settings", encoding="utf-8") as f:
        lines = [line for line in f if line.split(" ", 1)[0] not in ("run-dir", "state-dir", "web-listen", *changes)]
    with open(f"{folder}/settings", "w", encoding="utf-8") as f:
        f.writelines(lines)
        f.write(f"run-dir {folder}/run\nstate-dir {folder}/var\nweb-listen none\n")
        f.writelines(f"{key} {value}\n" for key, value in changes.items())
    return f"{folder}/settings"


SECOND = {
    "the same folder": lambda lab: f"{lab.state}/settings",
    "a folder of its own": lambda lab: another(lab, "second"),
    "nothing in common but the namespace": lambda lab: another(
        lab, "third", **{"queue-first": 5500, "listen-port": 5501, "route-table": 5502, "route-priority": 5503,
                         "mark-mask": "0x00ff0000"}),
    "settings that cannot be read": lambda lab: "/nonexistent/settings",
    "users that are not there": lambda lab: another(lab, "fourth", **{"dataplane-user": "nobody-of-that-name"}),
}


@BOTH_PATHS
def test_a_second_copy_touches_nothing(own):
    assert works(own)
    before, processes = loaded(own), own.processes()
    for kind, settings in SECOND.items():
        for options in ((), ("--guarded",)):
            done = own.exec("gateway", [labkit.DURWARD, "supervisor", "--settings", settings(own), *options], timeout=120)
            words = (done.stdout + done.stderr).decode()
            print(f"{kind}: {words.strip()}")
            assert done.returncode == 1, words
            assert "already runs" in words or "nobody-of-that-name" in words or "No such file" in words, words
            assert loaded(own) == before, kind
    assert own.processes() == processes and filters(own) and not status(own)["rules_fixed"]


def test_the_boot_guard_leaves_a_running_copy_alone_whoever_asks(own):
    before = loaded(own)
    for settings in (f"{own.state}/settings", another(own, "second")):
        done = own.exec("gateway", [labkit.DURWARD, "boot-guard", "--settings", settings], timeout=120)
        assert done.returncode == 0 and loaded(own) == before, done
    assert filters(own)


def unit_scripts(lab):
    """systemd/stopped and unguard, beside durward-rules as they are installed, with the lab's parameters."""
    folder = f"{lab.state}/units"
    os.makedirs(folder)
    for name in ("stopped", "unguard"):
        with open(f"{labkit.REPO}/systemd/{name}", encoding="utf-8") as f:
            text = f.read()
        assert "/run/durward/rules" in text or name == "unguard"
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text.replace("/run/durward/rules", f"{lab.state}/run/rules")
                    .replace('durward-rules" down', f'durward-rules" down --params {lab.state}/run/rules'))
        os.chmod(f"{folder}/{name}", 0o755)
    shutil.copy(RULES, folder)
    return folder


def test_what_the_units_run_after_a_second_copy_failed(own):
    """ExecStopPost of a unit whose copy found another one running, and the end of its boot guard."""
    folder, before = unit_scripts(own), loaded(own)
    for script in ("stopped", "unguard"):
        done = own.exec("gateway", ["env", "SERVICE_RESULT=exit-code", f"{folder}/{script}"])
        assert done.returncode == 0 and loaded(own) == before, (script, done)
    assert filters(own)
    # and with nobody there they do what they are for
    for role in ("failsafe", "supervisor"):
        os.kill(own.processes()[role], signal.SIGKILL)
    assert labkit.until(lambda: not own.processes())
    own.exec("gateway", [RULES, "up", "--params", f"{own.state}/run/rules"])
    assert own.exec("gateway", ["env", "SERVICE_RESULT=signal", f"{folder}/stopped"]).returncode == 0
    assert own.curl("http://fine.test/").exit == 7 and own.curl("https://fine.test/", v6=True).exit == 7
    assert own.exec("gateway", [f"{folder}/unguard"]).returncode == 0
    assert own.curl("http://tracker.example/").status == 200


@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_a_refusal_over_a_running_copy_is_fixed(own, whose):
    """durward-rules failed, as an old second copy or anybody might call it."""
    assert filters(own)
    params = f"{own.state}/run/rules"
    if whose != "ours":
        os.makedirs(f"{own.state}/other")
        with open(params, encoding="ascii") as f:
            text = f.read().replace(f"run-dir {own.state}/run", f"run-dir {own.state}/other")
        params = f"{own.state}/other/rules"
        with open(params, "w", encoding="ascii") as f:
            f.write(text)
    assert own.exec("gateway", [RULES, "failed", "--params", params]).returncode == 0
    assert labkit.until(lambda: filters(own)), (status(own), own.words())
    assert status(own)["rules_fixed"] >= 1 and not status(own)["problems"], status(own)


def test_a_late_failsafe_leaves_the_next_copy_alone(own):
    """It was held up: when it runs again, another supervisor filters."""
    processes = own.processes()
    os.kill(processes["failsafe"], signal.SIGSTOP)
    again = None
    try:
        os.kill(processes["supervisor"], signal.SIGKILL)
        assert labkit.until(lambda: set(own.processes()) == {"failsafe"}), own.processes()
        with open(f"{own.state}/log/durward.log", "ab") as log:
            again = own.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{own.state}/settings"], stdout=log,
                              stderr=log)
        assert labkit.until(lambda: filters(own)), own.words()
        before = loaded(own)
        os.kill(processes["failsafe"], signal.SIGCONT)
        assert labkit.until(lambda: "nothing to failsafe" in own.words()), own.words()
        assert loaded(own) == before and filters(own) and not status(own)["rules_fixed"]
    finally:
        if again:
            again.terminate()
            again.wait(60)


def test_a_start_waits_for_a_failsafe_at_work(own):
    """Its refusal comes first, and then the new one's rules; not the other way round."""
    script = f"{own.state}/slow-rules"
    own.down()
    own.daemon = False
    own.up().furnish(POLICY, settings=f"client-interfaces lan\nrules-script {script}\n")
    with open(script, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\n[ "$1" != failed ] || sleep 3\nexec {RULES} "$@"\n')
    os.chmod(script, 0o755)
    daemons = []

    def start():
        with open(f"{own.state}/log/durward.log", "ab") as log:
            daemons.append(own.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{own.state}/settings"],
                                     stdout=log, stderr=log))

    try:
        start()
        assert labkit.until(lambda: filters(own)), own.words()
        os.kill(own.processes()["supervisor"], signal.SIGKILL)
        daemons[0].wait(60)
        start()  # within the three seconds
        assert labkit.until(lambda: filters(own)), own.words()
        words = own.words()
        assert words.index("the supervisor died: fail closed") < words.rindex("ready: filtering") and "already" not in words
        assert not status(own)["rules_fixed"]
    finally:
        for d in daemons:
            d.terminate()
            d.wait(60)
