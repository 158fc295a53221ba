#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Bedtimes in nft: the hour of a rule is read in the zone of who loads it, its day in UTC. One set of rules is loaded in a network
# namespace of its own under a TZ whose day differs from UTC's at this moment, a ping runs through them, and their counters tell
# which matched. Then iptables' -m time, the same through iptables-translate, and what the list says in other zones.
#
# Seen, run as here, with Debian 12's nft 1.0.6 and iptables 1.8.9 (nf_tables), the kernel's own zone at UTC:
#  - "meta hour" takes the local time of the moment it is loaded, "meta day" the day in UTC: a rule for Tuesday 01:00,
#    loaded in a zone ahead of UTC, acts on Wednesday 01:00 there. The local day's rule counts nothing, the UTC day's does;
#  - iptables -m time is UTC in both; iptables-translate writes the hours down as they are, without a word, so that they become
#    those of the zone of whoever loads the line: the original counts the ping, its translation does not. --kerneltz, the
#    opposite wish, gives the same line;
#  - a list is printed in the zone of who asks, without naming it: the list of one zone, loaded in another, moves the rule;
#  - a night (21:00-06:00) that crosses midnight in UTC is listed as what it is not (!= "06:00"-"21:00"), which means the same.
#    One that crosses it only in the loader's zone, west of UTC, is listed there with 1193043 hours, and that list does not load.
#
# Needs: apt, dpkg, ping, unshare; root, or user namespaces that may load nftables. Nothing is installed.
set -u
arch=amd64
[ "$(dpkg --print-architecture)" = "$arch" ] || { echo "SKIP: the pinned packages are those of $arch"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/debs" "$tmp/root" || exit 1
(cd "$tmp/debs" && apt-get download -qq iptables=1.8.9-2 libxtables12=1.8.9-2 libnftnl11=1.2.4-2 \
	nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 2>/dev/null) ||
	{ echo "FAIL: a pinned package is no longer to be had"; exit 1; }
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/root" || exit 1; done

cat >"$tmp/inside" <<'I'
set -u
ip link set lo up
export LC_ALL=C LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu XTABLES_LIBDIR=$TMP/root/usr/lib/x86_64-linux-gnu/xtables
nft() { "$TMP/root/usr/sbin/nft" "$@"; }
xt() { local as=$1; shift; "$TMP/root/usr/sbin/xtables-nft-multi" "$as" "$@"; }
count() { nft list chain ip "$1" "$2" | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' | xargs; }
# Loads the nft command that iptables-translate prints, in the zone $1.
load_translated() { local zone=$1 line=${2#nft \'}; TZ=$zone nft "${line%\'}"; }

# A zone where it is another day than in UTC: 14 hours ahead, or 12 behind. POSIX signs are the other way round.
now=$(date +%s)
if [ "$(TZ=UTC date -d "@$now" +%-H)" -ge 11 ]; then zone='<+14>-14'; else zone='<-12>12'; fi
at() { TZ=$1 date -d "@$((now + $2))" "+$3"; }

nft -f - <<T
table ip clock { chain o { type filter hook output priority 0; }; }
table ip mangle { chain OUTPUT { type route hook output priority -150; }; }
T
rule() { TZ=$zone nft "add rule ip clock o icmp type echo-request $1 counter"; }
rule "meta hour \"$(at "$zone" -1200 %H:%M)\"-\"$(at "$zone" 1200 %H:%M)\""
rule "meta hour \"$(at UTC -1200 %H:%M)\"-\"$(at UTC 1200 %H:%M)\""
rule "meta day \"$(at "$zone" 0 %A)\""
rule "meta day \"$(at UTC 0 %A)\""
time=(-p icmp --icmp-type echo-request -m time --timestart "$(at UTC -1200 %H:%M)" --timestop "$(at UTC 1200 %H:%M)"
	--weekdays "$(at UTC 0 %a)")
TZ=$zone xt iptables -t mangle -A OUTPUT "${time[@]}"
load_translated "$zone" "$(xt iptables-translate -t mangle -A OUTPUT "${time[@]}")" >&2
ping -c 1 -W 2 127.0.0.1 >/dev/null || echo "no ping"
echo "counters: $(count clock o)"
echo "iptables: $(count mangle OUTPUT)"

# The same rule through two zones; India has neither a full hour nor a change of clocks, so the numbers stay.
india='<+0530>-5:30'
nft flush ruleset; nft 'add table ip filter; add chain ip filter FORWARD'
utc=$(xt iptables-translate -A FORWARD -m time --timestart 21:00 --timestop 23:00 -j DROP)
kernel=$(xt iptables-translate -A FORWARD -m time --timestart 21:00 --timestop 23:00 --kerneltz -j DROP)
[ "$utc" = "$kernel" ] && echo "kerneltz: same" || echo "kerneltz: other"
hours() { TZ=$1 nft list chain ip filter FORWARD | sed -n 's/.*hour \(.*\) counter.*/\1/p'; }
load_translated "$india" "$utc"
echo "evening: $(hours "$india") | $(hours UTC)"
TZ=$india nft list ruleset >"$TMP/list"; nft flush ruleset; TZ=UTC nft -f "$TMP/list"
echo "moved: $(hours UTC)"
nft flush chain ip filter FORWARD
TZ=UTC nft 'add rule ip filter FORWARD meta hour "21:00"-"06:00" counter drop'
echo "night in UTC: $(hours UTC)"
nft flush chain ip filter FORWARD
TZ='<-05>5' nft 'add rule ip filter FORWARD meta hour "21:00"-"06:00" counter drop'
echo "night at -05: $(hours '<-05>5') | $(hours UTC)"
TZ='<-05>5' nft list ruleset >"$TMP/list"; nft flush ruleset; TZ='<-05>5' nft -f "$TMP/list"; echo "night again: $?"
I
TMP=$tmp unshare -rn bash "$tmp/inside" >"$tmp/out" 2>"$tmp/err"

fail=0
check() { # what, expected
	local seen; seen=$(sed -n "s/^$1: //p" "$tmp/out")
	if [ "$2" = "$seen" ]; then echo "PASS $1: $seen"; else echo "FAIL $1: expected '$2', seen '$seen'"; fail=1; fi
}
# In this order: the local hour, UTC's hour, the local day, UTC's day.
check counters "1 0 0 1"
# The original, then its translation.
check iptables "1 0"
check kerneltz same
check evening '"21:00"-"23:00" | "15:30"-"17:30"'
check moved '"21:00"-"23:00"'
check "night in UTC" '!= "06:00"-"21:00"'
check "night at -05" '"1193043:28:16"-"06:00" | "02:00"-"11:00"'
check "night again" 1
[ "$fail" = 0 ] || cat "$tmp/out" "$tmp/err"
exit "$fail"
