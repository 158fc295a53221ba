# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs flush rules, accept in front of ours, or replace tables, while blocked names are asked for without a pause:
with `fail closed` not one is served, and what is allowed works again by itself."""
import subprocess
import threading
import time

import pytest

import labkit
from labkit import until

LONG = True
POLICY = """
timezone UTC
fail closed
for everyone
  block blocked.example
  block port tcp/23
otherwise allow
"""

EMPTY = ":PREROUTING ACCEPT [0:0]\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [0:0]\\n:OUTPUT ACCEPT [0:0]\\n:POSTROUTING ACCEPT [0:0]"
FLUSHES = {
    "mangle -F": "iptables -w -t mangle -F; ip6tables -w -t mangle -F",
    "security -F": "iptables -w -t security -F; ip6tables -w -t security -F",
    "FORWARD of mangle and security": "for t in mangle security; do for i in iptables ip6tables; do $i -w -t $t -F FORWARD; done; done",
    "a chain of ours": "for c in DURWARD-QUEUE DURWARD-TLS DURWARD-TLSR DURWARD-PASS; do for i in iptables ip6tables; do "
                       "$i -w -t security -F $c; done; sleep 0.3; done",
    "filter -F": "iptables -w -F; ip6tables -w -F",
    "every table -F, -X": "for t in raw mangle security filter; do for i in iptables ip6tables; do "
                          "$i -w -t $t -F; $i -w -t $t -X 2>/dev/null; done; done; true",
    "iptables-restore without --noflush": f"for i in iptables ip6tables; do printf '*mangle\\n{EMPTY}\\nCOMMIT\\n' | $i-restore; done",
    "accept in front of us": "for i in iptables ip6tables; do $i -w -I FORWARD 1 -j ACCEPT; $i -w -t mangle -I FORWARD 1 -j ACCEPT; "
                             "$i -w -t mangle -I PREROUTING 1 -i lan -j ACCEPT; $i -w -t security -I FORWARD 1 -j ACCEPT; done",
    "nft flush ruleset": "nft flush ruleset",
    # in a copy of its configuration: `ip netns exec` has given this shell mounts of its own
    "ufw reload": "cp -a /etc/ufw $0/ufw.$$ && mount --bind $0/ufw.$$ /etc/ufw && ufw default allow routed >/dev/null && "
                  "ufw default allow incoming >/dev/null && ufw --force enable && ufw reload",
}
BACK = ("for n in 1 2 3; do for i in iptables ip6tables; do $i -w -D FORWARD -j ACCEPT; $i -w -t mangle -D FORWARD -j ACCEPT; "
        "$i -w -t mangle -D PREROUTING -i lan -j ACCEPT; $i -w -t security -D FORWARD -j ACCEPT; done; done 2>/dev/null; true")


class Asking:
    """Blocked names over HTTP and HTTPS, each a new connection, from several threads, as fast as they are answered."""

    def __init__(self, lab):
        self.lab, self.going, self.asked = lab, True, 0
        self.threads = [threading.Thread(target=self.ask, args=(k,)) for k in range(4)]

    def ask(self, k):
        scheme, v6 = ("http", "https")[k % 2], k >= 2
        while self.going:
            n = self.asked
            self.asked += 1
            subprocess.run(["ip", "netns", "exec", f"{self.lab.prefix}-client", "curl", "-s", "-k", "-6" if v6 else "-4", "-m", "2",
                            "-o", "/dev/null", f"{scheme}://n{n}.blocked.example/"], stdin=subprocess.DEVNULL, check=False)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for t in self.threads:
            t.join()


@pytest.mark.parametrize("what", FLUSHES)
def test_nothing_blocked_is_served(lab, what):
    masquerade = lab.exec("gateway", ["iptables-save", "-t", "nat"]).stdout
    with Asking(lab) as asking:
        until(lambda: asking.asked > 8)
        for _ in range(2):
            done = lab.exec("gateway", ["sh", "-c", FLUSHES[what], lab.state])
            assert done.returncode == 0, done
            before = asking.asked
            until(lambda: asking.asked > before + 8)
            time.sleep(1.2)  # into and behind the repair
    # the owner's own rules are the owner's to put back; those in front of ours do no harm where they stand
    if what == "accept in front of us":
        until(lambda: lab.curl("http://ok.example/", timeout=5).status == 200)
        until(lambda: lab.curl("http://blocked.example/", timeout=5).status == 403)
        lab.exec("gateway", ["sh", "-c", BACK])
    if what == "ufw reload":
        lab.exec("gateway", ["sh", "-c", "cp -a /etc/ufw $0/ufw && mount --bind $0/ufw /etc/ufw && ufw --force enable && ufw disable", lab.state])
    lab.exec("gateway", ["iptables-restore", "--noflush"], stdin=masquerade)
    for scheme in ("http", "https"):
        for v6 in (False, True):
            until(lambda: lab.curl(f"{scheme}://ok.example/", v6=v6, timeout=5).status == 200)
    leaks = [line for line in lab.origin_log() if "blocked.example" in str(line)]
    assert not leaks, leaks[:3]
    assert lab.curl("http://blocked.example/").status == 403
