#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One block list, five readers, six meanings. The same six lines are given unchanged to dnsmasq (address=), unbound
# (local-zone), HAProxy (map_end and map_dom), nginx (map with hostnames) and Squid (dstdomain), and each is asked which names
# they name: the entry's own name, a name below it, and a longer name with the same ending.
#
# Seen, run as here, with Debian 12's dnsmasq 2.90, unbound 1.17.1, HAProxy 2.6.12, nginx 1.22.1 and Squid 5.7:
#  - no line means the same to all of them, not even the plain name: four take the names below it, two do not, and
#    HAProxy's map_end takes badone.example for one.example as well;
#  - "*.two.example" is a wildcard to dnsmasq and nginx only. unbound, HAProxy and Squid load it without a word and never match;
#  - ".three.example" is read by all but unbound, which does not start; only map_end leaves three.example itself out;
#  - "four.example." with the dot at its end is loaded by all; nginx and Squid never match it, map_end only a name with that dot;
#  - "Five.example" is the same name in lower case to all but HAProxy, which matches it in no spelling but its own;
#  - "*six.example" is an ending to dnsmasq, stops nginx's start, and is silently nothing to the others.
# So who writes one list for two of these programs must write it in the form of each.
#
# Needs: apt, dpkg, python3, util-linux's unshare with user namespaces. Nothing is installed; no port of the machine is used.
set -u
arch=amd64
[ "$(dpkg --print-architecture)" = "$arch" ] || { echo "SKIP: the pinned packages are those of $arch"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir "$tmp/debs" "$tmp/root" "$tmp/run" || exit 1
(cd "$tmp/debs" && apt-get download -qq dnsmasq-base=2.90-4~deb12u2 unbound=1.17.1-2+deb12u4 libprotobuf-c1=1.4.1-1+b1 \
	libevent-2.1-7=2.1.12-stable-8+deb12u1 libpython3.11=3.11.2-6+deb12u9 \
	haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 \
	libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4 nginx=1.22.1-9+deb12u11 squid=5.7-2+deb12u6 \
	squid-common=5.7-2+deb12u6 squid-langpack=20220130-1 libecap3=1.0.1-3.4 libltdl7=2.4.7-7~deb12u1 \
	2>/dev/null) || { echo "FAIL: a pinned package is no longer to be had"; exit 1; }
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/root" || exit 1; done

cat >"$tmp/list" <<'L'
one.example
*.two.example
.three.example
four.example.
Five.example
*six.example
L

# What each reader makes of each line: own name, a name below, the same ending; y or n, in the order of the list. A whole
# program that does not start with a line is told as "-" and started again without that line.
cat >"$tmp/expected" <<'X'
dnsmasq yyn nyn yyn yyn yyn yyy
unbound yyn nnn --- yyn yyn nnn
map_end yyy nnn nyn nnn nnn nnn
map_dom yyn nnn yyn yyn nnn nnn
nginx ynn nyn yyn nnn ynn ---
squid ynn nnn yyn nnn ynn nnn
X

cat >"$tmp/inside" <<'I'
set -u
cd "$TMP/run" || exit 1
export LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu
sbin=$TMP/root/usr/sbin
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; wait' EXIT

# Prints the lines of the list that stay when the one given is left out.
without() { grep -vxF -- "$1" "$TMP/list"; }

while read -r line; do printf 'address=/%s/192.0.2.1\n' "$line"; done <"$TMP/list" >dnsmasq.conf
"$sbin/dnsmasq" -k -C dnsmasq.conf --no-resolv --no-hosts --pid-file= --listen-address=127.0.0.1 --bind-interfaces -p 5301 \
	--user="$(id -un)" >dnsmasq.log 2>&1 & pids+=($!)

unbound_conf() {
	printf 'server:\n directory: "%s"\n chroot: ""\n username: ""\n pidfile: ""\n use-syslog: no\n do-daemonize: no\n' "$PWD"
	printf ' interface: 127.0.0.1@5302\n access-control: 127.0.0.0/8 allow\n module-config: "iterator"\n'
	printf ' local-zone: "." always_refuse\n'
	while read -r line; do printf ' local-zone: "%s" always_nxdomain\n' "$line"; done
	printf 'remote-control:\n control-enable: no\n'
}
unbound_conf <"$TMP/list" >unbound-all.conf
timeout 10 "$sbin/unbound" -d -c unbound-all.conf >unbound-all.log 2>&1
echo "start unbound $(grep -c 'fatal' unbound-all.log)"
without .three.example | unbound_conf >unbound.conf
"$sbin/unbound" -d -c unbound.conf >unbound.log 2>&1 & pids+=($!)

while read -r line; do printf '%s y\n' "$line"; done <"$TMP/list" >haproxy.map
cat >haproxy.cfg <<C
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:5303
  http-request set-var(txn.l) url_param(n),map_end($PWD/haproxy.map,n) if { path /map_end }
  http-request set-var(txn.l) url_param(n),map_dom($PWD/haproxy.map,n) if { path /map_dom }
  http-request return status 200 content-type text/plain lf-string "%[var(txn.l)]"
C
"$sbin/haproxy" -db -f haproxy.cfg >haproxy.log 2>&1 & pids+=($!)

nginx_conf() {
	printf 'pid %s/nginx.pid;\ndaemon off;\nmaster_process off;\nerror_log stderr;\nevents {}\nhttp {\n access_log off;\n' "$PWD"
	for d in client_body proxy fastcgi uwsgi scgi; do printf ' %s_temp_path %s/nginx-%s;\n' "$d" "$PWD" "$d"; done
	printf ' map $arg_n $listed {\n  hostnames;\n  default n;\n'
	while read -r line; do printf '  %s y;\n' "$line"; done
	printf ' }\n server { listen 127.0.0.1:5304; location / { return 200 $listed; } }\n}\n'
}
nginx_conf <"$TMP/list" >nginx-all.conf
timeout 10 "$sbin/nginx" -t -e stderr -p "$PWD" -c "$PWD/nginx-all.conf" >nginx-all.log 2>&1
echo "start nginx $(grep -c 'emerg' nginx-all.log)"
without '*six.example' | nginx_conf >nginx.conf
"$sbin/nginx" -e stderr -p "$PWD" -c "$PWD/nginx.conf" >nginx.log 2>&1 & pids+=($!)

cat >squid.conf <<C
http_port 127.0.0.1:5305
acl listed dstdomain "$TMP/list"
acl other src all
deny_info 303:http://answer.example/y listed
deny_info 303:http://answer.example/n other
http_access deny listed
http_access deny other
cache deny all
pid_filename $PWD/squid.pid
access_log none
cache_log $PWD/squid-cache.log
netdb_filename none
coredump_dir $PWD
pinger_enable off
shutdown_lifetime 0 seconds
mime_table $TMP/root/usr/share/squid/mime.conf
icon_directory $TMP/root/usr/share/squid/icons
error_directory $TMP/root/usr/share/squid-langpack/templates
unlinkd_program /bin/true
logfile_daemon /bin/true
C
"$sbin/squid" -N -f squid.conf >squid.log 2>&1 & pids+=($!)

python3 - <<'P'
import http.client, socket, struct, time
bases = ["one", "two", "three", "four", "five", "six"]
def dns(port, name):
    q = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1); s.connect(("127.0.0.1", port)); s.send(q); a = s.recv(600)
    code, answers = a[3] & 15, struct.unpack("!H", a[6:8])[0]
    return "y" if code == 3 or answers else "n" if code == 5 else "?"
def http_(port, target, host="ask.example"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    c.putrequest("GET", target, skip_host=True); c.putheader("Host", host); c.endheaders()
    r = c.getresponse(); body = r.read().decode()
    return (r.getheader("Location") or body).strip()[-1:]
readers = {
    "dnsmasq": lambda n: dns(5301, n), "unbound": lambda n: dns(5302, n),
    "map_end": lambda n: http_(5303, "/map_end?n=" + n), "map_dom": lambda n: http_(5303, "/map_dom?n=" + n),
    "nginx": lambda n: http_(5304, "/?n=" + n), "squid": lambda n: http_(5305, "http://" + n + "/", n)}
end = time.time() + 60  # The programs start meanwhile.
def ask(f, name):
    while True:
        try: return f(name)
        except OSError:
            if time.time() > end: return "?"
            time.sleep(.25)
for reader, f in readers.items():
    print("seen", reader, *("".join(ask(f, p + b + ".example") for p in ("", "www.", "bad")) for b in bases))
print("literal", *(ask(readers[r], n) for r in ("map_end", "map_dom") for n in ("four.example.", "Five.example")))
P
I
# shellcheck disable=SC2016 # expanded inside
TMP=$tmp unshare -rn bash -c 'ip link set lo up && exec unshare -U --map-user=1000 --map-group=1000 bash "$TMP/inside"' \
	>"$tmp/out" 2>"$tmp/err"

fail=0
check() { # what, expected, seen
	if [ "$2" = "$3" ]; then echo "PASS $1: $3"; else echo "FAIL $1: expected '$2', seen '$3'"; fail=1; fi
}
got() { sed -n "s/^$1 //p" "$tmp/out"; }
check "unbound does not start with .three.example" 1 "$(got 'start unbound')"
check "nginx does not start with *six.example" 1 "$(got 'start nginx')"
while read -r reader row; do
	seen=$(got "seen $reader")
	# A line that keeps the program from starting was left out above: it has no meaning to compare.
	case $reader in
	unbound) seen=$(awk '{ $3 = "---"; print }' <<<"$seen") ;;
	nginx) seen=$(awk '{ $6 = "---"; print }' <<<"$seen") ;;
	esac
	check "$reader" "$row" "$seen"
done <"$tmp/expected"
check "HAProxy takes an entry's own dot and capitals" "y y y y" "$(got literal)"
[ "$fail" = 0 ] || { head -20 "$tmp/err"; tail -n 12 "$tmp"/run/*.log; }
exit "$fail"
