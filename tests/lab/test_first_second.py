# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first moment on what says how things are says the same: READY=1, status, readyz, doctor, the rules."""
import http.client
import json
import os
import socket

import pytest

import labkit

POLICY = """\
timezone UTC
fail {fail}
for everyone
  block tracker.example
otherwise allow
"""
RULES = os.path.join(labkit.REPO, "iptables", "durward-rules")


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=labkit.PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(lab, path):
    """As fast as it can be asked: no program is started for it."""
    c = Unix(lab.api)
    c.request("GET", path)
    r = c.getresponse()
    return r.status, r.read()


def doctor(lab):
    done = lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "-j", "doctor", "--settings",
                                f"{lab.state}/settings"])
    return {f["what"]: f for f in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_status_and_doctor_agree_from_the_first_moment(fail):
    lab, daemon = labkit.Lab(daemon=False).up(), None
    try:
        lab.furnish(POLICY.format(fail=fail))
        for life in range(5):
            ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            ready.bind(f"{lab.state}/ready{life}")
            ready.settimeout(2 * labkit.PATIENCE)
            with open(f"{lab.state}/log/durward.log", "ab") as log:
                daemon = lab.popen("gateway", ["env", f"NOTIFY_SOCKET={lab.state}/ready{life}", labkit.DURWARD, "supervisor",
                                               "--settings", f"{lab.state}/settings"], stdout=log, stderr=log)
            if life % 2:  # doctor asked in the middle of the start: it waits for its end
                assert labkit.until(lambda: os.path.exists(lab.api), step=0.005)
                found = doctor(lab)
                assert all(found[what]["state"] == "ok" for what in ("packet rules", "policy route", "daemon")), found
            while b"READY=1" not in ready.recv(4096):
                pass
            s = json.loads(get(lab, "/api/v1/status")[1])
            assert s["state"] == "filtering" and not s["problems"] and s["policy"]["revision_taken"], s
            assert get(lab, "/readyz") == (200, b"ready\n")
            assert lab.exec("gateway", [RULES, "status", "--params", f"{lab.state}/run/rules"]).returncode == 0
            found = doctor(lab)
            assert all(found[what]["state"] == "ok" for what in ("packet rules", "policy route", "daemon")), found
            daemon.terminate()
            assert daemon.wait(60) == 0
    finally:
        if daemon:
            daemon.kill()
        lab.down()


def test_doctor_names_a_kernel_that_forgets_the_ends_of_flows():
    lab = labkit.Lab(policy=POLICY.format(fail="closed")).up()
    try:
        for value, state in (("2", "note"), ("0", "note"), ("1", "ok")):
            lab.exec("gateway", ["sysctl", "-qw", f"net.netfilter.nf_conntrack_events={value}"], check=True)
            row = doctor(lab)["net/netfilter/nf_conntrack_events"]
            assert row["state"] == state, row
            assert state == "ok" or "nf_conntrack_events=1" in row["fix"], row
    finally:
        lab.down()
