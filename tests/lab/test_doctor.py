# SPDX-License-Identifier: GPL-3.0-or-later
"""durwardctl doctor on a real gateway: before the first start, on a good one, and beside rules of others. What it prints
as the fixing command is run, and then it must be content."""
import json
import os
import re
import shutil
import subprocess

import pytest

import labkit

NAT = (False,)
POLICY = """\
timezone UTC
fail closed
for everyone
  block tracker.example
otherwise allow
"""


def doctor(lab, *options):
    """(exit status, [findings]) of a doctor that runs in the gateway."""
    done = lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "-j", "doctor", "--settings", f"{lab.state}/settings",
                                *options])
    return done.returncode, json.loads(done.stdout)["findings"]


def found(lab, words):
    """The findings that say this, but not `ok`."""
    return [f for f in doctor(lab)[1] if words in f["words"] and f["state"] != "ok"]


def bad(findings):
    """The bad ones, but for what the daemon tells of our own doings here: that others change its rules again and again."""
    return [f for f in findings if f["state"] == "bad" and f["what"] != "daemon"]


def shell(lab, command):
    done = lab.exec("gateway", ["sh", "-c", command])
    assert done.returncode == 0, (command, done.stderr.decode())


def test_a_good_gateway_has_nothing_bad(lab):
    status, findings = doctor(lab)
    assert status == 0, [f for f in findings if f["state"] == "bad"]
    said = {f["what"]: f["state"] for f in findings}
    for what in ("kernel, IPv4", "kernel, IPv6", "default route", "rules of others", "packet rules", "daemon", "DNS server"):
        assert said[what] == "ok", (what, findings)
    assert said["NAT"] == "info"
    words = lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "doctor", "--settings", f"{lab.state}/settings"])
    assert words.returncode == 0 and b"\n0 bad, " in words.stdout, words.stdout


def settle(lab):
    """Where a rule of others came behind or before ours, ours move to their place again; then the numbers of rules hold."""
    check = [f"{labkit.REPO}/iptables/durward-rules", "check", "--params", f"{lab.state}/run/rules"]
    assert labkit.until(lambda: lab.exec("gateway", check).returncode == 0)


def forget(lab, tool):
    """Takes every rule of others out of the table mangle."""
    shell(lab, f"(echo '*mangle'; {tool}-save -t mangle | grep '^-A' | grep -v DURWARD | sed 's/^-A/-D/'; echo COMMIT) |"
               f" {tool}-restore --noflush")
    settle(lab)


# what somebody did; what the doctor says of it; how bad it is
FOREIGN = [
    pytest.param("-A PREROUTING -j CONNMARK --set-mark 1", "connection mark that are Durward's", "bad", id="connmark"),
    pytest.param("-A POSTROUTING -j CONNMARK --save-mark", "connection mark that are Durward's", "bad", id="save"),
    pytest.param("-A FORWARD -m comment --comment \"it's \\\"qos\\\"\" -j MARK --set-mark 10", "a verdict on its way is lost", "bad",
                 id="mark"),
    pytest.param("-A PREROUTING -j CONNMARK --restore-mark", "packet mark that are Durward's", "note", id="restore"),
]


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
@pytest.mark.parametrize("did, says, state", FOREIGN)
def test_rules_of_others_and_the_line_that_fixes_them(lab, tool, did, says, state):
    shell(lab, f"{tool} -t mangle {did}")
    try:
        settle(lab)
        one, = found(lab, says)
        assert one["state"] == state and one["fix"].startswith(tool), one
        status = lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "status"]).stdout.decode()
        whole = json.loads(lab.exec("gateway", [labkit.DURWARDCTL, "--socket", lab.api, "-j", "status"]).stdout)
        assert (one["fix"] in status) == (state == "bad"), status
        assert [f["fix"] for f in whole["foreign"]] == [one["fix"]] * (state == "bad"), whole
        shell(lab, one["fix"])
        assert not found(lab, says)
    finally:
        forget(lab, tool)
    assert not found(lab, says)


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
@pytest.mark.parametrize("table, chain", [("mangle", "PREROUTING"), ("security", "FORWARD"), ("mangle", "POSTROUTING")])
def test_our_jump_comes_to_the_front_again(lab, tool, table, chain):
    shell(lab, f"{tool} -t {table} -I {chain} 1 -j ACCEPT")
    try:
        settle(lab)
        rules = lab.exec("gateway", [tool, "-t", table, "-S", chain]).stdout.decode().splitlines()
        assert "DURWARD" in rules[1] and not found(lab, "stands before Durward's rules"), rules
    finally:
        shell(lab, f"{tool} -t {table} -D {chain} -j ACCEPT")
        settle(lab)


def test_bits_that_only_ours_can_make_room_for(lab):
    shell(lab, "iptables -t mangle -A FORWARD -j MARK --set-mark 0x80000000/0x80000000")
    try:
        one, = found(lab, "a verdict on its way is lost")
        assert "mark-mask 0x00ff0000" in one["fix"] and "restart durward" in one["fix"], one
    finally:
        forget(lab, "iptables")


def test_bits_that_moved_on_disk_only(lab):
    with open(f"{lab.state}/settings", encoding="utf-8") as f:
        before = f.read()
    try:
        with open(f"{lab.state}/settings", "a", encoding="utf-8") as f:
            f.write("mark-mask 0x00ff0000\n")
        one, = found(lab, "is in force")
        assert one["state"] == "bad" and one["fix"] == "systemctl restart durward"
    finally:
        with open(f"{lab.state}/settings", "w", encoding="utf-8") as f:
            f.write(before)


@pytest.mark.skipif(not shutil.which("nft"), reason="no nft here")
def test_rules_of_nft(lab):
    shell(lab, "nft 'table inet fw { chain f { type filter hook forward priority 10; iifname lan ct mark set 5 accept; };"
               " chain i { type filter hook input priority 0; policy drop; iifname { lan, lo } accept; }; }'")
    try:
        for says in ("connection mark that are Durward's", "drops this box's own traffic"):
            one, = found(lab, says)
            assert one["state"] == "bad" and one["fix"].startswith("nft '"), one
            shell(lab, one["fix"])
        assert not found(lab, "connection mark that are Durward's")
        rules = lab.exec("gateway", ["nft", "list", "table", "inet", "fw"]).stdout.decode()
        assert "meta mark & 0x08000000 != 0x00000000 accept" in rules, rules
        assert re.search(r"ct mark set ct mark & 0xff00000[05] \| 0x00000005 accept", rules), rules  # nft folds numbers
    finally:
        shell(lab, "nft delete table inet fw")


def test_a_captive_portal_is_told_and_is_no_fault(lab):
    shell(lab, "iptables -t nat -A PREROUTING -i lan -p tcp --dport 80 -j REDIRECT --to-ports 3128 &&"
               " iptables -t nat -A POSTROUTING -o wan -j MASQUERADE")
    try:
        one, = found(lab, "never sees them")
        assert one["state"] == "info", one
        findings = doctor(lab)[1]
        assert not bad(findings) and {f["what"]: f["state"] for f in findings}["NAT"] == "ok"
    finally:
        shell(lab, "iptables -t nat -F")


def test_switches_of_the_kernel(lab):
    """Segments out of the window; no forwarding; no way out."""
    shell(lab, "sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1")
    one, = found(lab, "out of the window")
    assert one["state"] == "bad"
    shell(lab, one["fix"])
    assert not found(lab, "out of the window")
    shell(lab, "sysctl -qw net.ipv4.ip_forward=0")
    try:
        one, = found(lab, "nothing is forwarded")
        assert one["state"] == "bad"
        shell(lab, one["fix"])
        assert not bad(doctor(lab)[1])
        shell(lab, "ip route del default")
        one, = found(lab, "does not lead to the internet")
        assert one["state"] == "bad" and doctor(lab)[0] == 1
    finally:
        shell(lab, "sysctl -qw net.ipv4.ip_forward=1; ip route replace default via 198.51.100.2")


@pytest.mark.parametrize("tool", ["iptables-legacy", "ip6tables-legacy"])
def test_rules_that_only_the_legacy_tools_show(lab, tool):
    if lab.exec("gateway", [tool, "-t", "mangle", "-S"]).returncode:
        pytest.skip(f"no {tool}, or the kernel has no such tables")
    shell(lab, f"{tool} -t mangle -A FORWARD -i lan -j CONNMARK --set-mark 1")
    try:
        one, = found(lab, "connection mark that are Durward's")
        assert one["fix"].startswith(f"{tool} -t mangle -R FORWARD 1 -i lan "), one
        shell(lab, one["fix"])
        assert not found(lab, "connection mark that are Durward's")
    finally:
        shell(lab, f"{tool} -t mangle -F FORWARD")


def test_one_interface(lab):
    """A box with devices and router behind the same interface, as a namespace of its own."""
    name = f"{lab.prefix}-one"

    def run(*argv):
        return subprocess.run(["ip", "netns", "exec", name, *argv], capture_output=True, text=True, check=False)

    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in ("ip link add eth0 type bridge", "ip link set eth0 up", "ip address add 192.0.2.9/24 dev eth0",
                        "ip route add default via 192.0.2.1"):
            assert run(*command.split()).returncode == 0, command
        findings = json.loads(run(labkit.DURWARDCTL, "-j", "doctor").stdout)["findings"]
        assert [f["state"] for f in findings if f["what"] == "one interface"] == ["info"], findings
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_before_the_first_start_and_after_a_crash():
    """The README's order: install, policy, settings, doctor, start. What only a start brings is not missed yet."""
    lab = labkit.Lab(daemon=False).up()
    try:
        lab.furnish(POLICY)
        os.makedirs(f"{lab.state}/var", exist_ok=True)
        status, findings = doctor(lab)
        bad = [f for f in findings if f["state"] == "bad"]
        assert status == 0 and not bad, bad
        daemon, = [f for f in findings if f["what"] == "daemon"]
        assert daemon["state"] == "note" and daemon["fix"].endswith("systemctl enable --now durward"), daemon
        os.unlink(lab.policy_path)
        status, findings = doctor(lab)
        one, = [f for f in findings if f["state"] == "bad"]
        assert status == 1 and one["fix"].startswith("cp ") and one["fix"].endswith(lab.policy_path), one
        shell(lab, one["fix"].replace("docs/sample", f"{labkit.REPO}/docs/sample"))
        assert doctor(lab)[0] == 0
        # something was kept: it has run, and does no more
        with open(f"{lab.state}/var/events.db", "w", encoding="ascii"):
            pass
        status, findings = doctor(lab)
        said = {f["what"]: f for f in findings if f["state"] == "bad"}
        assert status == 1 and "not in force" in said["packet rules"]["words"], said
        assert said["daemon"]["fix"] == "systemctl start durward", said
    finally:
        lab.down()
