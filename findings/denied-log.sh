#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the readers of Squid's log make of its refusals. Squid itself refuses requests in the four ways its manual names (its own
# page, a redirect to the owner's block page for GET and another status for CONNECT, a password asked for), serves one, and
# writes the log; sarg, lightsquid and calamaris read it.
#
# Seen, run as here, with Debian 12's Squid 5.7, sarg 2.4.0, lightsquid 1.8 and calamaris 2.99:
#  - Squid logs each as TCP_DENIED with the status sent: 403, 302 (deny_info with an address), 303 (the same with a status), 407;
#  - sarg's "Denied" page lists 403 alone. A site refused by a redirect to a block page is missing there, and stands among the
#    top sites beside those that were served, with its bytes and no mark; only the user's own page marks it as denied, so two
#    pages of one report differ;
#  - lightsquid leaves out every TCP_DENIED line: who only met refusals is not in its report at all. Started without a
#    date, as the package's own cron table does, it reads no line that is later than 2020;
#  - calamaris counts all of them as errors, but keeps the name only for the redirects; the 403 and 407 become "<error>".
# So a gateway that writes this format for such readers writes its refusals as TCP_DENIED/403, whatever it sent.
#
# Needs: apt, dpkg, python3, perl, sarg's and squid's common libraries, unshare with user namespaces. Nothing is installed.
set -u
arch=amd64
[ "$(dpkg --print-architecture)" = "$arch" ] || { echo "SKIP: the pinned packages are those of $arch"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir "$tmp/debs" "$tmp/root" "$tmp/run" "$tmp/light" || exit 1
(cd "$tmp/debs" && apt-get download -qq squid=5.7-2+deb12u6 squid-common=5.7-2+deb12u6 squid-langpack=20220130-1 \
	libecap3=1.0.1-3.4 libltdl7=2.4.7-7~deb12u1 sarg=2.4.0-3 libgd3=2.3.3-9+deb12u1 lightsquid=1.8-7 calamaris=2.99.4.7-1 \
	2>/dev/null) || { echo "FAIL: a pinned package is no longer to be had"; exit 1; }
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/root" || exit 1; done

cat >"$tmp/inside" <<'I'
set -u
cd "$TMP/run" || exit 1
export LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu
cat >squid.conf <<C
http_port 127.0.0.1:3128
auth_param basic program /bin/true
acl login proxy_auth REQUIRED
acl served dst 127.0.0.1
acl page dstdomain page.example
acl away dstdomain away.example
acl tunnel dstdomain tunnel.example
acl members dstdomain members.example
deny_info http://gateway.example/blocked away
deny_info 303:http://gateway.example/blocked tunnel
http_access deny page
http_access deny away
http_access deny tunnel
http_access deny members !login
http_access allow served
http_access deny all
access_log stdio:$PWD/access.log squid
pid_filename $PWD/squid.pid
cache_log $PWD/squid-cache.log
cache deny all
netdb_filename none
coredump_dir $PWD
pinger_enable off
shutdown_lifetime 0 seconds
mime_table $TMP/root/usr/share/squid/mime.conf
icon_directory $TMP/root/usr/share/squid/icons
error_directory $TMP/root/usr/share/squid-langpack/templates
unlinkd_program /bin/true
hosts_file $PWD/hosts
C
echo '127.0.0.1 served.example' >hosts
"$TMP/root/usr/sbin/squid" -N -f squid.conf >squid.log 2>&1 & squid=$!
python3 -m http.server -b 127.0.0.1 -d "$TMP/debs" 8000 >web.log 2>&1 & web=$!
trap 'kill $squid $web 2>/dev/null; wait' EXIT
python3 - <<'P'
import http.client, socket, time
def ask(source, method, target):
    c = http.client.HTTPConnection("127.0.0.1", 3128, timeout=10, source_address=(source, 0))
    c.request(method, target); r = c.getresponse(); r.read(); return r.status
def wait(f):  # Both programs start meanwhile.
    for i in range(240):
        try: return f()
        except OSError: time.sleep(.25)
wait(lambda: socket.create_connection(("127.0.0.1", 8000)).close())
print("served", wait(lambda: ask("127.0.0.2", "GET", "http://served.example:8000/")))
print("served", ask("127.0.0.2", "GET", "http://served.example:8000/"))  # lightsquid drops a day of one line.
for name in ("page", "away", "members"): print(name, ask("127.0.0.2", "GET", "http://" + name + ".example/"))
print("tunnel", ask("127.0.0.2", "CONNECT", "tunnel.example:443"))
print("other client", ask("127.0.0.3", "GET", "http://away.example/"))
P
I
# shellcheck disable=SC2016 # expanded inside
TMP=$tmp unshare -rn bash -c 'ip link set lo up && exec unshare -U --map-user=1000 --map-group=1000 bash "$TMP/inside"' \
	>"$tmp/out" 2>"$tmp/err"
log=$tmp/run/access.log

# The files of a folder in one line; lightsquid's own notes begin with a dot.
inside() { find "$1" -mindepth 1 -maxdepth 1 ! -name '.*' -printf '%f\n' | sort | xargs; }

# sarg
cat >"$tmp/sarg.conf" <<C
access_log $log
output_dir $tmp/sarg
temporary_dir $tmp
exclude_codes /dev/null
resolve_ip no
usertab none
exclude_hosts none
exclude_users none
external_css_file none
www_document_root $tmp/sarg
report_type topusers topsites sites_users users_sites date_time denied auth_failures site_user_time_date downloads
C
LD_LIBRARY_PATH=$tmp/root/usr/lib/x86_64-linux-gnu "$tmp/root/usr/bin/sarg" -f "$tmp/sarg.conf" >"$tmp/sarg.log" 2>&1
# lightsquid: its settings and scripts are read from the folder it is started in; reports are plain files.
cp -r "$tmp/root/usr/share/lightsquid/." "$tmp/light/"
rm -f "$tmp/light/lightsquid.cfg"
mkdir "$tmp/report"
sed "s#\"/usr/share/lightsquid/#\"$tmp/light/#; s#\"/etc/lightsquid\"#\"$tmp/light\"#
	s#\"/var/lib/lightsquid/report\"#\"$tmp/report\"#; s#\"/var/log/squid3\"#\"$tmp/run\"#" \
	"$tmp/root/etc/lightsquid/lightsquid.cfg" >"$tmp/light/lightsquid.cfg"
touch "$tmp/light/skipuser.cfg" "$tmp/light/group.cfg" "$tmp/light/realname.cfg"
day=$(date -d "@$(head -n 1 "$log" | cut -d. -f1)" +%Y%m%d)
(cd "$tmp/light" && perl -I. lightparser.pl) >"$tmp/light.log" 2>&1
plain=$(inside "$tmp/report")
(cd "$tmp/light" && perl -I. lightparser.pl "$day") >>"$tmp/light.log" 2>&1
(cd "$tmp" && perl root/usr/bin/calamaris -a) <"$log" >"$tmp/calamaris.txt" 2>&1

fail=0
check() { # what, expected, seen
	if [ "$2" = "$3" ]; then echo "PASS $1: $3"; else echo "FAIL $1: expected '$2', seen '$3'"; fail=1; fi
}
# The names of the sites in text,, each once, in one line.
names() { cat "$@" 2>/dev/null | grep -oE '[a-z]+\.example' | sort -u | xargs; }

check "Squid's log" "2 TCP_DENIED/302 1 TCP_DENIED/303 1 TCP_DENIED/403 1 TCP_DENIED/407 2 TCP_MISS/200" \
	"$(awk '{ print $4 }' "$log" | sort | uniq -c | xargs)"
check "sarg: Denied page" "page.example" "$(names "$tmp"/sarg/*/denied.html)"
check "sarg: Authentication failures" "members.example" "$(names "$tmp"/sarg/*/authfail.html)"
check "sarg: Top sites" "away.example page.example served.example tunnel.example" "$(names "$tmp"/sarg/*/topsites.html)"
check "sarg: the user's sites" "away.example page.example served.example tunnel.example" \
	"$(names "$tmp"/sarg/*/127_0_0_2/127_0_0_2.html)"
grep -h DENIED "$tmp"/sarg/*/127_0_0_2/127_0_0_2.html >"$tmp/marked"
check "sarg: marked there as denied" "away.example page.example tunnel.example" "$(names "$tmp/marked")"
check "sarg: marked in Top sites" 0 "$(cat "$tmp"/sarg/*/topsites.html | grep -c DENIED)"
check "lightsquid without a date: reports" "" "$plain"
check "lightsquid: users" "127.0.0.2" "$(inside "$tmp/report/$day")"
check "lightsquid: sites" "served.example" "$(names "$tmp/report/$day/127.0.0.2")"
check "calamaris: errors" 5 "$(awk '$1 == "ERROR" { print $2; exit }' "$tmp/calamaris.txt")"
check "calamaris: names" "away.example served.example tunnel.example" "$(names "$tmp/calamaris.txt")"
[ "$fail" = 0 ] || { cat "$tmp/out" "$tmp/err" "$log"; tail -n 8 "$tmp/run/squid.log" "$tmp/sarg.log" "$tmp/light.log"; }
exit "$fail"
