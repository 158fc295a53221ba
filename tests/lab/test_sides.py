# SPDX-License-Identifier: GPL-3.0-or-later
"""Which side a packet comes from: interfaces that come, go and are renamed while Durward runs, a start before there is a
default route, a box with one interface, and what enters by the uplink."""
import contextlib
import http.server
import shutil
import socket
import subprocess
import threading

import pytest

import labkit
from labkit import until

ALONE = True
POLICY = """
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
group guests net 203.0.113.0/24 2001:db8:3::/64
for guests
  block guests.example
for unknown-devices
  block port tcp/2323
for everyone
  block blocked.example
  block port tcp/23
otherwise allow
"""
AUTO = f"client-interfaces auto\nrules-script {labkit.REPO}/iptables/durward-rules\n"
V = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
PLAIN_AND_NAT = pytest.mark.parametrize("nat", [False, True], ids=["plain", "nat"])


def gw(lab, text):
    done = lab.exec("gateway", ["sh", "-ec", text])
    assert done.returncode == 0, done
    return done.stdout.decode()


@contextlib.contextmanager
def gateway(nat=False, prepare=lambda lab: None, settings=AUTO):
    """A gateway that `prepare` has changed before Durward starts in it."""
    lab = labkit.Lab(nat=nat, daemon=False).up()
    try:
        prepare(lab)
        lab.furnish(POLICY, settings)
        daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"], stderr=-1)
        try:
            assert until(lambda: lab.ctl("status", "-q").returncode == 0), lab.ctl("status")
            yield lab
        finally:
            daemon.terminate()
            words = daemon.communicate(timeout=90)[1].decode()
            print(words)
            assert daemon.returncode == 0, words
    finally:
        lab.down()


def guest(lab, name="guest0"):
    """A network of its own on an interface that is made now; commands run there through the namespace's name."""
    space = f"{lab.prefix}-guest"
    for line in (f"netns add {space}", f"link add {name} netns {lab.prefix}-gateway type veth peer name eth0 netns {space}",
                 f"-n {lab.prefix}-gateway addr add 203.0.113.1/24 dev {name}",
                 f"-n {lab.prefix}-gateway addr add 2001:db8:3::1/64 dev {name} nodad",
                 f"-n {lab.prefix}-gateway link set {name} up", f"-n {space} addr add 203.0.113.9/24 dev eth0",
                 f"-n {space} addr add 2001:db8:3::9/64 dev eth0 nodad", f"-n {space} link set eth0 up",
                 f"-n {space} route add default via 203.0.113.1", f"-n {space} route add default via 2001:db8:3::1"):
        subprocess.run(["ip", *line.split()], check=True)
    return space


def ask(space, url, v6=False):
    """The status that curl sees there; 0: none."""
    host = url.split("/")[2]
    port = 443 if url.startswith("https") else 80
    to = "[2001:db8:2::2]" if v6 else "198.51.100.2"
    done = subprocess.run(
        ["ip", "netns", "exec", space, "curl", "-sk", "-m", str(labkit.PATIENCE), "-o", "/dev/null", "-w", "%{http_code}",
         "--resolve", f"{host}:{port}:{to}", url], capture_output=True, text=True, check=False)
    return int(done.stdout or 0)


@PLAIN_AND_NAT
@pytest.mark.parametrize("proxy", ["none", "80"], ids=["inspect", "proxy"])
def test_an_interface_that_comes_later_is_judged(nat, proxy):
    """From its first packet: the rules name the uplinks, and not the clients' interfaces. So when it is renamed."""
    with gateway(nat, settings=AUTO + f"proxy-tcp {proxy}\n") as lab:
        space = guest(lab)
        try:
            lab.exec("origin", ["ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.1"])
            lab.exec("origin", ["ip", "route", "add", "2001:db8:3::/64", "via", "2001:db8:2::1"])
            for name in ("guest0", "renamed0"):
                if name == "renamed0":
                    for line in ("link set guest0 down", "link set guest0 name renamed0", "link set renamed0 up"):
                        gw(lab, f"ip {line}")
                    gw(lab, "ip addr add 2001:db8:3::1/64 dev renamed0 nodad 2>/dev/null || true")
                for v6 in (False, True):
                    assert ask(space, "http://guests.example/", v6) == 403
                    assert ask(space, "https://guests.example/", v6) == 0
                    assert until(lambda v6=v6: ask(space, "http://ok.example/", v6) == 200)
                    assert ask(space, "https://ok.example/", v6) == 200
            assert not lab.asked("guests.example")
            assert until(lambda: "renamed0" in open(f"{lab.state}/run/rules", encoding="ascii").read())
        finally:
            subprocess.run(["ip", "netns", "del", space], check=True)


def test_before_there_is_a_default_route_all_is_judged():
    """At boot the wan may have its address before its route: it is not taken for the clients' side for good."""
    def no_route(lab):
        gw(lab, "ip route del default; ip -6 route del default")
    with gateway(prepare=no_route) as lab:
        assert lab.curl("http://blocked.example/").status == 403
        assert lab.curl("http://ok.example/").status == 200
        assert "no interface leads to the internet yet" in lab.ctl("status").stdout
        assert "\nuplinks none\n" in open(f"{lab.state}/run/rules", encoding="ascii").read()
        gw(lab, "ip route add default via 198.51.100.2; ip -6 route add default via 2001:db8:2::2")
        assert until(lambda: "\nuplinks wan\n" in open(f"{lab.state}/run/rules", encoding="ascii").read())
        assert until(lambda: "-A DURWARD-TLSR -i wan" in gw(lab, "iptables-save -t security; ip6tables-save -t security"))
        assert until(lambda: "no interface leads" not in lab.ctl("status").stdout)
        for v6 in (False, True):
            assert lab.curl("http://blocked.example/", v6=v6).status == 403
            assert lab.curl("https://blocked.example/", v6=v6).status == 0
            assert lab.curl("https://ok.example/", v6=v6).status == 200


# The origin as the network's router: it moves onto the clients' switch, with an address of that network; the gateway's only
# interface is `lan`, and it masquerades, so that answers come back to it.
def one_armed(lab):
    gw(lab, "ip link set wan down; ip addr flush dev wan; ip link set wan master lan; ip link set wan up;"
            "ip route add default via 192.0.2.254; ip -6 route add default via 2001:db8:1::fe;"
            "iptables -w -t nat -F POSTROUTING;"
            "iptables -w -t nat -A POSTROUTING -s 192.0.2.0/24 ! -d 192.0.2.0/24 -j MASQUERADE;"
            "ip6tables -w -t nat -A POSTROUTING -s 2001:db8:1::/64 ! -d 2001:db8:1::/64 -j MASQUERADE")
    done = lab.exec("origin", ["sh", "-ec", "ip addr add 192.0.2.254/24 dev eth0; ip addr add 2001:db8:1::fe/64 dev eth0 nodad"])
    assert done.returncode == 0, done


def with_containers(lab):
    one_armed(lab)
    gw(lab, "ip link add docker0 type bridge; ip addr add 203.0.113.129/25 dev docker0; ip link set docker0 up")


@pytest.mark.parametrize("prepare", [one_armed, with_containers], ids=["alone", "with containers"])
def test_one_interface(prepare):
    """Clients, gateway and router on one switch: the source's prefix tells the direction."""
    with gateway(prepare=prepare) as lab:
        assert "uplinks lan\n" in open(f"{lab.state}/run/rules", encoding="ascii").read()
        watch = lab.popen("client", ["tcpdump", "-l", "-n", "-i", "eth0",
                                     "icmp[icmptype] == icmp-redirect or (icmp6 and ip6[40] == 137)"])
        until(lambda: b"listening" in watch.stderr.readline())
        for v6 in (False, True):
            for name, status in (("ok.example", 200), ("blocked.example", 403)):
                assert lab.curl(f"http://{name}/", v6=v6).status == status
            assert lab.curl("https://ok.example/", v6=v6).status == 200
            assert lab.curl("https://blocked.example/", v6=v6).status == 0
            assert lab.quic("ok.example", v6=v6) is not None
            assert lab.quic("blocked.example", v6=v6) is None
        watch.terminate()
        assert b"edirect" not in watch.communicate()[0]
        assert not lab.asked("blocked.example")
        events = until(lambda: [e for e in lab.events("ok.example") if e.get("who") == "one"])
        assert events
        # nobody's: neither the router nor a server has become a device of the network
        devices = lab.ctl("-j", "show", "devices").stdout
        assert "198.51.100" not in devices and "00:00:5e:00:53:12" not in devices


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(lab, space, address, port):
    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with lab.inside(space):
        server = Server((address, port), Web)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@PLAIN_AND_NAT
def test_what_enters_by_the_uplink_is_nobodys(nat):
    """A port forward: rules for unknown devices do not meet it, the log shows the device that it goes to, and the router of
    the provider does not become a device."""
    with gateway(nat) as lab:
        gw(lab, "for p in 80 2323; do iptables -w -t nat -A PREROUTING -i wan -p tcp --dport $p -j DNAT --to 192.0.2.3; done")
        for port in (80, 2323):
            with served(lab, "client2", "192.0.2.3", port):
                done = lab.exec("origin", ["curl", "-sS", "-m", str(labkit.PATIENCE), "-H", "Host: shop.example",
                                           f"http://198.51.100.1:{port}/"])
                assert done.stdout == b"hello\n", (port, done)
        events = until(lambda: [e for e in lab.events("shop.example")])
        assert {e.get("who") for e in events} == {"two"}, events
        devices = lab.ctl("-j", "show", "devices").stdout
        assert "198.51.100.2" not in devices and "00:00:5e:00:53:12" not in devices, devices
        # from inside they do
        trace = lab.ctl("explain", "unknown-devices", "198.51.100.2", "tcp/2323").stdout
        assert trace.startswith("block ")


def test_an_interface_that_is_not_there_is_told():
    with gateway(settings=AUTO.replace("auto", "lan guest7")) as lab:
        told = until(lambda: [line for line in lab.ctl("status").stdout.splitlines() if "guest7" in line])
        assert told and "does not exist" in told[0], lab.ctl("status").stdout
        assert lab.curl("http://blocked.example/").status == 403
        assert lab.curl("http://ok.example/").status == 200


def test_a_kernel_without_the_table_security(tmp_path):
    """The flows are judged in mangle then. (This kernel has the table: tools that know nothing of it stand before the real ones.)"""
    for tool in ("iptables", "ip6tables"):
        real = shutil.which(tool), shutil.which(f"{tool}-restore")
        (tmp_path / tool).write_text(f'#!/bin/sh\ncase "$*" in *"-t security"*) exit 3 ;; esac\nexec {real[0]} "$@"\n')
        (tmp_path / f"{tool}-restore").write_text(
            f'#!/bin/sh\nt=$(cat)\ncase $t in *"*security"*) exit 2 ;; esac\nprintf "%s\\n" "$t" | exec {real[1]} "$@"\n')
    with open(f"{labkit.REPO}/iptables/durward-rules", encoding="utf-8") as f:
        (tmp_path / "durward-rules").write_text(f.read().replace("PATH=$PATH:", f"PATH={tmp_path}:$PATH:"))
    for f in tmp_path.iterdir():
        f.chmod(0o755)
    tmp_path.chmod(0o755)
    with gateway(settings=f"rules-script {tmp_path}/durward-rules\n") as lab:
        assert "-A FORWARD -j DURWARD-FWD" in gw(lab, "iptables-save -t mangle")
        for v6 in (False, True):
            assert lab.curl("http://blocked.example/", v6=v6).status == 403
            assert lab.curl("http://ok.example/", v6=v6).status == 200
            assert lab.curl("https://ok.example/", v6=v6).status == 200
            assert lab.curl("https://blocked.example/", v6=v6).status == 0
        gw(lab, "iptables -w -t mangle -F")
        assert until(lambda: lab.curl("http://blocked.example/", timeout=5).status == 403)
        done = lab.exec("gateway", [f"{tmp_path}/durward-rules", "down", "--params", f"{lab.state}/run/rules"])
        assert done.returncode == 0, done
        assert "DURWARD" not in gw(lab, "iptables-save; ip6tables-save")


def test_a_name_that_the_rules_cannot_hold():
    """It is left out and told, and stops nothing: neither the rules nor their end."""
    def odd(lab):
        gw(lab, "ip link add 'br~x' type bridge; ip addr add 203.0.113.1/24 dev 'br~x'; ip link set 'br~x' up")
    with gateway(prepare=odd) as lab:
        assert lab.curl("http://blocked.example/").status == 403
        assert lab.curl("http://ok.example/").status == 200
        assert until(lambda: "br~x" in lab.ctl("status").stdout)
        with open(f"{lab.state}/run/rules", "a", encoding="ascii") as f:
            f.write("colour bl~ue\nmark-mask nonsense\n")
        done = lab.exec("gateway", [f"{labkit.REPO}/iptables/durward-rules", "down", "--params", f"{lab.state}/run/rules"])
        assert done.returncode == 0 and "DURWARD" not in gw(lab, "iptables-save; ip6tables-save"), done
        assert lab.curl("http://blocked.example/").status == 200


def test_a_hold_of_earlier_settings_goes():
    """After a crash with one hold-priority and a start with another nothing is left that refuses."""
    lab = labkit.Lab(daemon=False).up()
    try:
        for priority in (10, 20):
            lab.furnish(POLICY, AUTO + f"hold-priority {priority}\n")
            daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"], stderr=-1)
            assert until(lambda: lab.ctl("status", "-q").returncode == 0)
            assert f"{priority + 1}:" in gw(lab, "ip rule | grep prohibit")
            if priority == 10:
                subprocess.run(["kill", "-9", *map(str, lab.processes().values())], check=True)
            else:
                daemon.terminate()
            daemon.communicate(timeout=90)
        assert "prohibit" not in gw(lab, "ip rule; ip -6 rule")
        assert lab.curl("http://ok.example/").status == 200
    finally:
        lab.down()
