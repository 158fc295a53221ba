# SPDX-License-Identifier: GPL-3.0-or-later
"""iptables/durward-rules alone, in a gateway without the daemon: what it loads, takes away, and leaves to others."""
import os
import random
import re
import signal
import subprocess
import time

import pytest

import labkit

DAEMON = False
NAT = (False,)
RULES = os.path.join(labkit.REPO, "iptables", "durward-rules")
SYSCTLS = ["net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp",
           "net.netfilter.nf_conntrack_events"]


def run(lab, *argv):
    return lab.exec("gateway", list(argv), timeout=120)


def state(lab):
    """What a gateway has of rules, routes and settings; tables that hold nothing count as none."""
    out = {}
    for tool in ("iptables-save", "ip6tables-save"):
        text = run(lab, tool).stdout.decode()
        out[tool] = [re.sub(r"\[\d+:\d+\]", "", line) for line in text.splitlines()
                     if not line.startswith("#") and not re.match(r"^(:[A-Z]+ ACCEPT|\*\w+$|COMMIT)", line)]
    for family in ("-4", "-6"):
        out["rule" + family] = run(lab, "ip", family, "rule").stdout
        out["table" + family] = run(lab, "ip", family, "route", "show", "table", "4480").stdout
    out["sysctl"] = run(lab, "sysctl", "-n", *SYSCTLS).stdout
    out["sets"] = run(lab, "ipset", "list", "-n").stdout
    return out


class Script:
    def __init__(self, lab, folder):
        self.lab, self.folder = lab, str(folder)
        self.params = os.path.join(self.folder, "rules")
        self.write()

    def write(self, **changes):
        keys = {"uplinks": "wan", "client-interfaces": "lan", "proxy-tcp": "80", "run-dir": self.folder, "fail": "closed", "catch-all": "yes",
                **{k.replace("_", "-"): v for k, v in changes.items()}}
        with open(self.params, "w", encoding="ascii") as f:
            f.writelines(f"{k} {v}\n" for k, v in keys.items())

    def __call__(self, verb):
        done = run(self.lab, RULES, verb, "--params", self.params)
        return done

    def ok(self, verb):
        done = self(verb)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def says(self):
        return dict(line.split(" ", 1) for line in self("status").stdout.decode().splitlines())


@pytest.fixture
def script(lab, tmp_path):
    one = Script(lab, tmp_path)
    yield one
    one.write()
    one.ok("down")


def test_up_twice_is_one_state_and_down_leaves_nothing(lab, script):
    before = state(lab)
    script.ok("up")
    once = state(lab)
    assert once != before
    script.ok("up")
    assert state(lab) == once
    script.ok("down")
    assert state(lab) == before
    script.ok("down")
    assert state(lab) == before


def test_status_says_what_is_in_force(script):
    assert script.says()["state"] == "down" and script("status").returncode == 3
    script.ok("up")
    assert script.says() == {"v4": "up", "v6": "up", "state": "up", "fail": "closed", "catch-all": "yes"}
    script.write(fail="open", catch_all="no")
    script.ok("up")
    assert script.says() == {"v4": "up", "v6": "up", "state": "up", "fail": "open", "catch-all": "no"}
    script.ok("failed")
    assert script.says()["state"] == "failed" and script("status").returncode == 1
    script.ok("up")
    assert script.says()["state"] == "up"


def test_check_tells_who_changed_what(lab, script):
    assert script("check").returncode == 3
    script.ok("up")
    assert script("check").returncode == 0
    run(lab, "iptables", "-A", "FORWARD", "-p", "udp", "--dport", "7", "-j", "DROP")
    assert script("check").returncode == 0  # not ours
    run(lab, "iptables", "-D", "FORWARD", "-p", "udp", "--dport", "7", "-j", "DROP")
    for argv in (["ip6tables", "-t", "security", "-D", "FORWARD", "-j", "DURWARD-FWD"], ["iptables", "-F", "DURWARD-IN"],
                 ["iptables", "-t", "security", "-I", "DURWARD-FWD", "-j", "ACCEPT"], ["iptables", "-t", "raw", "-F"],
                 ["iptables", "-t", "security", "-I", "FORWARD", "-j", "ACCEPT"],
                 ["ip6tables", "-t", "mangle", "-I", "PREROUTING", "-i", "lan", "-j", "ACCEPT"]):
        assert run(lab, *argv).returncode == 0
        assert script("check").returncode == 5, argv
        script.ok("up")
        assert script("check").returncode == 0
    run(lab, "iptables", "-t", "security", "-D", "FORWARD", "-j", "ACCEPT")
    run(lab, "ip6tables", "-t", "mangle", "-D", "PREROUTING", "-i", "lan", "-j", "ACCEPT")
    script.ok("up")
    script.ok("failed")
    assert script("check").returncode == 3
    script.ok("up")
    script.ok("down")
    assert script("check").returncode == 3


def test_the_rules_of_others_stay(lab, script):
    others = [["iptables", "-t", "mangle", "-A", "FORWARD", "-p", "udp", "--dport", "7", "-j", "MARK", "--set-xmark", "0x1/0x1"],
              ["ip6tables", "-A", "INPUT", "-p", "tcp", "--dport", "7", "-j", "DROP"],
              ["ip", "rule", "add", "pref", "77", "fwmark", "0x1/0x1", "lookup", "main"]]
    for rule in others:
        assert run(lab, *rule).returncode == 0
    before = state(lab)
    script.ok("up")
    script.ok("failed")
    script.ok("up")
    script.ok("down")
    assert state(lab) == before
    for rule in others:
        run(lab, *["-D" if w == "-A" else "del" if w == "add" else w for w in rule])


def test_leftovers_of_a_killed_run_are_taken_away(lab, script):
    before = state(lab)
    for _ in range(12):
        for verb in ("up", "down"):
            one = lab.popen("gateway", [RULES, verb, "--params", script.params], start_new_session=True)
            time.sleep(random.uniform(0, 0.06))
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()
    # a route as the daemon adds it, and one more of an earlier life
    for family in ("-4", "-6"):
        for _ in range(2):
            run(lab, "ip", family, "rule", "add", "pref", "4480", "fwmark", "0x8000000/0x8000000", "lookup", "4480")
        run(lab, "ip", family, "route", "add", "local", "default", "dev", "lo", "table", "4480")
    script.ok("up")
    script.ok("down")
    assert state(lab) == before


def test_P32_both_families_have_the_same_rules(lab, script):
    script.ok("up")
    known = state(lab)

    def twin(tool):
        text = "\n".join(known[tool])
        for a, b in (("icmp6-adm-prohibited", "icmp-admin-prohibited"), ("ipv6-icmp", "icmp"), ("-p icmpv6", "-p icmp"),
                     ("! -s 0.0.0.0/32 ", ""), ("-A DURWARD-TAKE -m addrtype --dst-type BROADCAST -j RETURN\n", ""),
                     ("-m icmp6 --icmpv6-type 137", "-m icmp --icmp-type 5"),
                     ("-A DURWARD-UNSEEN -s ::/128", "-A DURWARD-UNSEEN -s 0.0.0.0/32")):
            text = text.replace(a, b)
        text = re.sub(r'--bytecode "[^"]*"', "--bytecode X", text)
        text = re.sub(r" --on-ip \S+", "", text)
        # the supervisor probes each queue over IPv4 alone: a queue is of no family
        return [line for line in text.splitlines() if "DURWARD" in line and "-A DURWARD-PROBE" not in line]

    assert twin("iptables-save") == twin("ip6tables-save")


@pytest.mark.parametrize("change", [
    {"mark_mask": "0x00ff"}, {"mark_mask": "0xf0f00000"}, {"mark_mask": "255"}, {"queue_first": "70000"}, {"queue_count": "0"},
    {"listen_port": "0"}, {"inspect_tcp": "443,x"}, {"inspect_tcp": "9-3"}, {"proxy_tcp": "80;reboot"}, {"catch_all": "maybe"},
    {"fail": "softly"}, {"run_dir": "here"}, {"client_interfaces": "-j"}, {"client_interfaces": "a-very-long-interface"},
    {"uplinks": "-j"}, {"own_nets": "192.0.2.0/24x"}, {"bridges": "lan=aa:bb;cc"}, {"hold_priority": "0"},
    {"colour": "blue"}], ids=lambda c: "-".join(map("-".join, c.items())))
def test_a_bad_parameter_changes_nothing(lab, script, change):
    script.ok("up")
    before = state(lab)
    script.write(**change)
    if "mark_mask" in change and change["mark_mask"] == "0x00ff":
        script.write(mark_mask="0x007f")
    done = script("up")
    assert done.returncode == 1 and done.stderr.decode().count("\n") == 1, done
    assert state(lab) == before
    script.write()


def test_many_ports_and_interfaces(lab, script):
    ports = ",".join(str(p) for p in range(1000, 1040)) + ",2000-2100"
    script.write(inspect_tcp=ports, inspect_udp="all-udp", proxy_tcp=ports, client_interfaces="lan wan lan+", uplinks="wan ppp+",
                 queue_count=4)
    script.ok("up")
    saved = "\n".join(state(lab)["iptables-save"])
    assert all(str(p) in saved for p in range(1000, 1040)) and "2000:2100" in saved and "1:65535" in saved
    assert "--queue-balance 4400:4403" in saved and "--queue-cpu-fanout" not in saved
    script.write(inspect_tcp="none", inspect_udp="none", proxy_tcp="none", client_interfaces="none",
                 uplinks="none")
    script.ok("up")


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_what_nobody_answers(lab, script, v6):
    """Queues without a reader: closed holds flows back, open lets them pass, failed refuses them at once."""
    def ping(where):
        return lab.exec("client", ["ping", "-c1", "-W1", where]).returncode == 0

    origin, gateway = labkit.ORIGIN[6 if v6 else 4], "2001:db8:1::1" if v6 else "192.0.2.1"
    assert labkit.until(lambda: ping(origin))
    script.ok("up")
    assert not ping(origin) and labkit.until(lambda: ping(gateway))
    script.write(fail="open", proxy_tcp="none")
    script.ok("up")
    assert labkit.until(lambda: ping(origin)) and lab.curl("https://open.test/", v6=v6).status == 200
    script.ok("failed")
    assert not ping(origin) and labkit.until(lambda: ping(gateway))
    refused = lab.curl(f"http://{f'[{origin}]' if v6 else origin}/", v6=v6)
    assert refused.exit == 7 and refused.seconds < labkit.AT_ONCE, refused
    script.ok("down")
    assert labkit.until(lambda: ping(origin))


def test_print_needs_no_root_and_no_kernel(script):
    done = subprocess.run([RULES, "print", "--params", script.params], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and done.stdout.count("*mangle") == 2


def test_usage():
    for argv in ([], ["sideways"], ["up", "--params"], ["up", "extra"]):
        assert subprocess.run([RULES] + argv, capture_output=True, check=False).returncode == 2
