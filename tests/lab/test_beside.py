# SPDX-License-Identifier: GPL-3.0-or-later
"""What owners have on their gateways beside Durward: firewalls, VPN clients, containers, portals, a second router. Plain
HTTP goes by the inspect path, as it does by default; what only the proxy path meets is told here, too (path T)."""
import contextlib
import re
import time

import pytest

import labkit
from labkit import until

POLICY = """
timezone UTC
fail closed
device client   mac 00:00:5e:00:53:02
device client2  mac 00:00:5e:00:53:03
for everyone
  block blocked.example  because "The lab blocks this site"
  block port tcp/23
otherwise allow
"""
PATHS = {"N": "", "T": "proxy-tcp 80\n"}
V = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
inspected = pytest.fixture(lambda: None)  # the proxy path cannot: conftest.py leaves it out

WEB = """
import http.server, socket, sys, threading, time
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(s):
        s.send_response(200); s.send_header("Content-Length", "6"); s.end_headers(); s.wfile.write(b"hello\\n")
    def log_message(s, *a): pass
for p in sys.argv[2:]:
    threading.Thread(target=Server((sys.argv[1], int(p)), H).serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def gw(lab, text):
    done = lab.exec("gateway", ["sh", "-ec", text])
    assert done.returncode == 0, done
    return done.stdout.decode()


@contextlib.contextmanager
def changed(lab, text, back):
    """The owner's change, and back to what it was."""
    gw(lab, text)
    try:
        yield
    finally:
        lab.exec("gateway", ["sh", "-c", back])


@contextlib.contextmanager
def web(lab, space, address, *ports):
    """A web server of somebody's own, on these ports."""
    server = lab.popen(space, ["/usr/bin/python3", "-c", WEB, address, *map(str, ports)], stdin=-1, stdout=-1)
    try:
        assert server.stdout.readline() == b"ready\n"
        yield
    finally:
        server.stdin.close()
        server.wait()


def works(lab, v6=False):
    """HTTP and HTTPS are judged as ever: served, refused with the page, refused with an alert."""
    assert lab.curl("http://ok.example/", v6=v6).status == 200
    page = lab.curl("http://blocked.example/", v6=v6)
    assert page.status == 403 and "The lab blocks this site" in page.body.decode()
    assert lab.curl("https://ok.example/", v6=v6).status == 200
    assert lab.curl("https://blocked.example/", v6=v6).status == 0
    assert not lab.asked("blocked.example")


def both(command):
    return f"iptables -w {command}; ip6tables -w {command}"


LOCAL = (both("-A INPUT -i lo -j ACCEPT") + ";" + both("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT") +
         "; iptables -w -A INPUT -i lan -p udp -m multiport --dports 53,67 -j ACCEPT"
         "; ip6tables -w -A INPUT -p ipv6-icmp -j ACCEPT; ip6tables -w -A INPUT -i lan -p udp --dport 53 -j ACCEPT;")


@V
def test_input_policy_drop(lab, v6):
    with changed(lab, LOCAL + both("-P INPUT DROP"), both("-P INPUT ACCEPT") + ";" + both("-F INPUT")):
        works(lab, v6)
        until(lambda: "DURWARD-IN" in gw(lab, "iptables -w -S INPUT"))  # -F took ours: they come back


@V
def test_output_policy_drop(lab, v6):
    """What we send in a server's name, and to servers, is let out though the owner lets out nothing but answers."""
    allow = (both("-A OUTPUT -o lo -j ACCEPT") + ";" + both("-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT") +
             "; ip6tables -w -A OUTPUT -p ipv6-icmp -j ACCEPT;")
    with changed(lab, allow + both("-P OUTPUT DROP"), both("-P OUTPUT ACCEPT") + ";" + both("-D OUTPUT -o lo -j ACCEPT") + ";" +
                 both("-D OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT") +
                 "; ip6tables -w -D OUTPUT -p ipv6-icmp -j ACCEPT"):
        works(lab, v6)


@V
def test_the_owners_forward_reject_holds_for_http(lab, inspected, v6):
    net, tool = ("2001:db8:2::3", "ip6tables") if v6 else ("198.51.100.3", "iptables")
    with changed(lab, f"{tool} -w -A FORWARD -i lan -d {net} -j REJECT", f"{tool} -w -D FORWARD -i lan -d {net} -j REJECT"):
        for scheme in ("http", "https"):
            began = time.monotonic()
            assert lab.curl(f"{scheme}://{tool}.addr3.test/", v6=v6).status == 0
            assert time.monotonic() - began < labkit.PATIENCE / 2
        assert not lab.asked(f"{tool}.addr3.test")
    assert lab.curl("http://addr3.test/", v6=v6).status == 200


CONF = "/proc/sys/net/ipv4/conf/"


@pytest.mark.parametrize("valid_mark", [0, 1])
@pytest.mark.parametrize("rp_filter", ["all=0", "all=1", "all=2", "lan=1", "wan=2"])
def test_src_valid_mark_and_rp_filter(lab, rp_filter, valid_mark):
    """VPN clients set the one, distributions the other. Neither the policy route of diverted packets nor the hold of `fail
    closed` is taken for the way back to a source (netsetup/route.h)."""
    where, value = rp_filter.split("=")
    was = gw(lab, f"cat {CONF}{where}/rp_filter").strip()
    with changed(lab, f"echo {valid_mark} >{CONF}all/src_valid_mark; echo {value} >{CONF}{where}/rp_filter",
                 f"echo 0 >{CONF}all/src_valid_mark; echo {was} >{CONF}{where}/rp_filter"):
        assert until(lambda: lab.curl("http://ok.example/", timeout=3).status == 200)
        works(lab)
        assert " prohibit" in gw(lab, "ip rule")


def test_rp_filter_beside_routes_by_marks(lab):
    """Then src_valid_mark would answer otherwise: the hold is not raised, and that is told."""
    with changed(lab, f"echo 1 >{CONF}lan/rp_filter; ip rule add fwmark 7 table 77 priority 700",
                 f"echo 0 >{CONF}lan/rp_filter; ip rule del priority 700"):
        assert until(lambda: " prohibit" not in gw(lab, "ip rule"))
        works(lab)
        assert until(lambda: "rp_filter is on, and rules choose routes by marks" in lab.ctl("status").stdout)
    assert until(lambda: " prohibit" in gw(lab, "ip rule"))


BRIDGE = "/proc/sys/net/bridge/bridge-nf-call-"


def test_bridge_netfilter(lab, inspected):
    """Containers switch it on. Frames between neighbours on one switch are not judged, nor are their discoveries."""
    if lab.exec("gateway", ["test", "-e", BRIDGE + "iptables"]).returncode:
        pytest.skip("this kernel has no bridge netfilter")
    on = "; ".join(f"echo 1 >{BRIDGE}{f}" for f in ("iptables", "ip6tables"))
    with changed(lab, on + "; iptables -w -N BESIDE", "; ".join(f"echo 0 >{BRIDGE}{f}" for f in ("iptables", "ip6tables")) +
                 "; iptables -w -X BESIDE"):
        until(lambda: "physdev-is-bridged" in gw(lab, "iptables-save -t security"))
        for v6 in (False, True):
            works(lab, v6)
        lab.exec("client", ["ip", "neigh", "flush", "all"])
        # port 23 is refused to all; a neighbour's is the switch's business
        for address in ("192.0.2.3", "2001:db8:1::3"):
            with web(lab, "client2", address, 80, 23):
                host = f"[{address}]" if ":" in address else address
                assert lab.curl(f"http://{host}/", v6=":" in address).status == 200
                assert lab.exec("client", ["bash", "-c", f"exec 3<>/dev/tcp/{address}/23"]).returncode == 0


def test_a_second_router_of_the_network(lab, inspected):
    """Its answers do not come through here, so that conntrack calls the rest INVALID: it works on every port."""
    with changed(lab, "ip route add 203.0.113.0/24 via 192.0.2.3", "ip route del 203.0.113.0/24"):
        lab.exec("client2", ["ip", "addr", "add", "203.0.113.50/32", "dev", "lo"], check=True)
        try:
            with web(lab, "client2", "203.0.113.50", 8081, 80):
                for port in (8081, 80):
                    assert lab.curl(f"http://203.0.113.50:{port}/").status == 200
        finally:
            lab.exec("client2", ["ip", "addr", "del", "203.0.113.50/32", "dev", "lo"])


def test_no_redirect_leads_a_client_around_us(lab, inspected):
    with changed(lab, "ip route add 203.0.113.0/24 via 192.0.2.3; for i in all lan; do echo 1 >/proc/sys/net/ipv4/conf/$i/send_redirects; done",
                 "ip route del 203.0.113.0/24"):
        listener = lab.popen("client", ["timeout", "4", "tcpdump", "-l", "-n", "-i", "eth0", "icmp[icmptype] == icmp-redirect"],
                             stdout=-1, stderr=-1)
        listener.stderr.readline()
        for _ in range(3):
            lab.exec("client", ["ping", "-c", "1", "-W", "1", "203.0.113.50"])
        assert b"redirect" not in listener.communicate()[0]


@V
def test_the_owners_mss_clamp_holds(lab, v6):
    """In mangle FORWARD, for judged ports and others."""
    tool = "ip6tables" if v6 else "iptables"
    rule = "FORWARD -o wan -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000"
    where = "2001:db8:2::2" if v6 else "198.51.100.2"
    # tcpdump cannot look behind IPv6 headers: 40 is the IP header, 53 the TCP flags
    only = "ip6[6] == 6 and ip6[53] & 0x12 == 2" if v6 else "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"
    ports = [22, 443, 993, 8443, 25]
    if lab.path == "N":
        ports.append(80)
    with changed(lab, f"{tool} -w -t mangle -A {rule}", f"{tool} -w -t mangle -D {rule}"):
        seen = lab.popen("origin", ["tcpdump", "-l", "-n", "-i", "eth0", only], stdout=-1, stderr=-1)
        try:
            until(lambda: b"listening" in seen.stderr.readline())
            for port in ports:
                lab.exec("client", ["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{where}/{port}"])
            got = {}
            while set(ports) - set(got):
                line = seen.stdout.readline().decode()
                port = int(re.search(r"\.(\d+): Flags", line.split(">")[1]).group(1))
                got[port] = int(re.search(r"mss (\d+)", line).group(1))
        finally:
            seen.terminate()
            seen.communicate()
    assert got == {port: 1000 for port in ports}


@V
def test_a_captive_portals_redirect_wins(lab, inspected, v6):
    tool, mine = ("ip6tables", "::") if v6 else ("iptables", "0.0.0.0")
    rule = "PREROUTING -i lan -p tcp --dport 80 -j REDIRECT --to-ports 2050"
    with changed(lab, f"{tool} -w -t nat -A {rule}", f"{tool} -w -t nat -D {rule}"), web(lab, "gateway", mine, 2050):
        assert lab.curl("http://ok.example/", v6=v6).body == b"hello\n"
        assert lab.curl("https://blocked.example/", v6=v6).status == 0


def test_a_full_tunnel_vpn_on_the_gateway(lab):
    """What comes in by the wan is not on the way back to its source by the main table: it is an uplink all the same."""
    echo = ("import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('203.0.113.7',51820))\n"
            "print('ready',flush=True)\nwhile 1:\n  d,a=s.recvfrom(2000);s.sendto(d,a)\n")
    # what goes unanswered for a second is asked again
    ask = ("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.setsockopt(socket.SOL_SOCKET,36,0xca6c)\n"
           f"s.settimeout(1);heard=0\nfor i in range({labkit.PATIENCE}):\n  s.sendto(b'x',('203.0.113.7',51820))\n"
           "  try: s.recvfrom(100);heard+=1\n  except TimeoutError: continue\n  if heard==3: break\nelse: raise SystemExit(1)\n")
    lab.exec("origin", ["ip", "addr", "add", "203.0.113.7/32", "dev", "lo"], check=True)
    server = lab.popen("origin", ["/usr/bin/python3", "-c", echo], stdout=-1)
    try:
        assert server.stdout.readline() == b"ready\n"
        with changed(lab, "ip link add vpn0 type veth peer name vpn1; ip link set vpn1 up; ip link set vpn0 up;"
                     "ip addr add 203.0.113.130/32 dev vpn0; ip route add default dev vpn0 table 51820;"
                     "ip rule add not fwmark 0xca6c table 51820 priority 30001;"
                     "ip rule add table main suppress_prefixlength 0 priority 30000",
                     "ip rule del priority 30000; ip rule del priority 30001; ip link del vpn0"):
            # the rules follow: the tunnel's interface carries a default route, so it is an uplink
            until(lambda: "-A DURWARD-WAY -i vpn0 -j RETURN" in gw(lab, "iptables-save -t mangle"))
            assert lab.exec("gateway", ["/usr/bin/python3", "-c", ask]).returncode == 0
    finally:
        server.kill()
        server.wait()
        lab.exec("origin", ["ip", "addr", "del", "203.0.113.7/32", "dev", "lo"])


def test_a_mark_of_the_owners_chooses_the_route(lab, inspected):
    """`ip rule fwmark N` compares the whole mark: ours is not in it when the route is chosen."""
    with changed(lab, "iptables -w -t mangle -A PREROUTING -i lan -d 198.51.100.4 -j MARK --set-mark 7;"
                 "ip rule add fwmark 7 table 77 priority 700; ip route add blackhole default table 77",
                 "iptables -w -t mangle -D PREROUTING -i lan -d 198.51.100.4 -j MARK --set-mark 7;"
                 "ip rule del priority 700; ip route flush table 77"):
        assert lab.curl("http://addr4.test/", timeout=3).status == 0
        works(lab)
    assert lab.curl("http://addr4.test/").status == 200


def test_an_unmasked_restore_takes_nobody_off_line(lab, inspected):
    """The usual recipe of traffic shapers in PREROUTING: it wipes all marks before the route is chosen."""
    recipe = ("-t mangle -A PREROUTING -i lan -j CONNMARK --restore-mark",
              "-t mangle -A PREROUTING -m mark ! --mark 0 -j ACCEPT")
    undo = [r.replace(" -A ", " -D ") for r in recipe]
    with changed(lab, ";".join(both(r) for r in recipe), ";".join(both(r) for r in undo)):
        # rules of theirs now stand behind our last words, which come to the end again
        until(lambda: gw(lab, "iptables -w -t mangle -S PREROUTING").rstrip().endswith("-j DURWARD-ROUTE"))
        works(lab)
