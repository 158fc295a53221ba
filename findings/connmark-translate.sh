#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# iptables-translate and masked connection marks. Programs that share the mark of a connection (a shaper, a VPN, a proxy) each
# keep to their own bits by a mask. Here such rules and what iptables-translate makes of them are loaded one after the other in
# a network namespace of their own, a ping runs through them, and nft tells the marks the packet and its connection then carry.
#
# Seen, run as here, with Debian 12's iptables 1.8.9 (nf_tables) and nft 1.0.6; each time iptables-translate ends with 0 and
# nft loads its line without a word:
#  - CONNMARK --set-xmark and --set-mark VALUE/MASK come out as "ct mark xor VALUE and REST", which nft reads as
#    "xor (VALUE and REST)", that is xor 0: the rule counts its packets and changes nothing;
#  - CONNMARK --save-mark and --restore-mark with both masks come out as a plain copy: the bits outside the mask, which the
#    original leaves alone, are wiped in the connection's and in the packet's mark;
#  - MARK --set-xmark VALUE/MASK, written the other way round, comes out right;
#  - TPROXY, -m socket and -m bpf come out as an nft comment, again with 0: a script that feeds the lines to nft loses the rules.
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
export LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu XTABLES_LIBDIR=$TMP/root/usr/lib/x86_64-linux-gnu/xtables
nft() { "$TMP/root/usr/sbin/nft" "$@"; }
xt() { local as=$1; shift; "$TMP/root/usr/sbin/xtables-nft-multi" "$as" "$@"; }
marks() { nft list set ip seen "$1" | sed -n 's/.*elements = { \(.*\) }.*/\1/p'; }

# Prints the packet's and the connection's mark behind a rule in OUTPUT: what stands in front, own or translated, the rule.
run() {
	local before=$1 how=$2; shift 2
	nft flush ruleset
	nft -f - <<-T
		table ip before { chain o { type filter hook output priority -160; icmp type echo-request $before; }; }
		table ip mangle { chain OUTPUT { type route hook output priority -150; }; }
		table ip seen { set packet { type mark; flags dynamic; }; set connection { type mark; flags dynamic; }
			chain o { type filter hook output priority 100
				icmp type echo-request add @packet { meta mark } add @connection { ct mark }; }; }
	T
	if [ "$how" = own ]; then
		xt iptables -t mangle -A OUTPUT "$@" || echo "not loaded"
	else
		# The line says: nft 'add rule ...'; the words inside the quotes are nft's.
		local line; line=$(xt iptables-translate -t mangle -A OUTPUT "$@") || echo "exit $?"
		line=${line#nft \'}; nft "${line%\'}" || echo "not loaded"
	fi
	ping -c 1 -W 2 127.0.0.1 >/dev/null || echo "no ping"
	echo "$(marks packet) $(marks connection)"
}
both() {
	local name=$1 before=$2 how; shift 2
	for how in own translated; do echo "$name $how: $(run "$before" "$how" "$@")"; done
}
both set-xmark "ct mark set 0x1211 meta mark set 0x3400" -j CONNMARK --set-xmark 0x5/0xff
both set-mark "ct mark set 0x1211 meta mark set 0x3400" -j CONNMARK --set-mark 0x5/0xff
both save-mark "ct mark set 0x1200 meta mark set 0x3405" -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff
both restore-mark "ct mark set 0x1205 meta mark set 0x3400" -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff
both mark "ct mark set 0x1200 meta mark set 0x3411" -j MARK --set-xmark 0x5/0xff
comment() { local name=$1 line; shift; line=$(xt iptables-translate -t mangle -A PREROUTING "$@"); echo "$name: ${line:0:5} $?"; }
comment TPROXY -p tcp -j TPROXY --on-port 8480 --on-ip 127.0.0.1 --tproxy-mark 1/1
comment socket -p tcp -m socket --transparent -j ACCEPT
comment bpf -m bpf --bytecode '1,6 0 0 1' -j ACCEPT
I
TMP=$tmp unshare -rn bash "$tmp/inside" >"$tmp/out" 2>"$tmp/err"

fail=0
check() { # what, expected
	local seen; seen=$(sed -n "s/^$1: //p" "$tmp/out")
	if [ "$2" = "$seen" ]; then echo "PASS $1: $seen"; else echo "FAIL $1: expected '$2', seen '$seen'"; fail=1; fi
}
# The packet's mark, then the connection's.
check "set-xmark own" "0x00003400 0x00001205"
check "set-xmark translated" "0x00003400 0x00001211"
check "set-mark own" "0x00003400 0x00001205"
check "set-mark translated" "0x00003400 0x00001211"
check "save-mark own" "0x00003405 0x00001205"
check "save-mark translated" "0x00003405 0x00000005"
check "restore-mark own" "0x00003405 0x00001205"
check "restore-mark translated" "0x00000005 0x00001205"
check "mark own" "0x00003405 0x00001200"
check "mark translated" "0x00003405 0x00001200"
# The first letters of the translation and its exit status.
for match in TPROXY socket bpf; do check "$match" "nft # 0"; done
[ "$fail" = 0 ] || cat "$tmp/out" "$tmp/err"
exit "$fail"
