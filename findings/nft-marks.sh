#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What nft lists of the marks it was given. A ruleset is loaded, listed, and the list is loaded again.
#
# Seen, run as here, with Debian 12's nft 1.0.6 (libnftnl 1.2.4):
#  - "mark and MASK or VALUE", the usual way to set some bits, is listed with another mask: the bits of VALUE are added to it
#    (0xff000000 | 5 becomes 0xff000005 | 5). It means the same, and nft's JSON shows the same changed mask, so whoever
#    compares a live ruleset with what was loaded, or searches the list for the mask that a program owns, finds a difference;
#  - a match on the upper bits of a mark is listed as a prefix, as if a mark were a network (mark 0x05000000/8), a match on the
#    lower bits as a mask;
#  - "or VALUE and MASK" without brackets binds the "and" first: with no bit in common the rule is kept as "mark set mark";
#  - the list loads again and then lists as itself: one round is enough to compare with;
#  - bits of two marks, (ct mark and A) or (meta mark and B), cannot be joined in one statement: refused at load, exit 1.
#
# Needs: apt, dpkg, python3, unshare; root, or user namespaces that may load nftables. Nothing is installed.
set -u
arch=amd64
[ "$(dpkg --print-architecture)" = "$arch" ] || { echo "SKIP: the pinned packages are those of $arch"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/debs" "$tmp/root" || exit 1
(cd "$tmp/debs" && apt-get download -qq nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 2>/dev/null) ||
	{ echo "FAIL: a pinned package is no longer to be had"; exit 1; }
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/root" || exit 1; done

# A rule, what nft lists of it; "refused" when it does not load.
cat >"$tmp/rules" <<'R'
ct mark set ct mark and 0xff000000 or 0x5|ct mark set ct mark & 0xff000005 | 0x00000005
meta mark set meta mark and 0xffff0000 or 0x1234|meta mark set meta mark & 0xffff1234 | 0x00001234
meta mark set ct mark and 0xff or 0x100|meta mark set ct mark & 0x000001ff | 0x00000100
meta mark set meta mark or 0x5|meta mark set meta mark | 0x00000005
ct mark set ct mark and 0xff|ct mark set ct mark & 0x000000ff
ct mark set ct mark or 0x5 and 0xff00|ct mark set ct mark
ct mark and 0xff000000 == 0x05000000 accept|ct mark 0x05000000/8 accept
ct mark and 0x000000ff == 0x00000005 accept|ct mark & 0x000000ff == 0x00000005 accept
ct mark set (ct mark and 0xff) or (meta mark and 0xff00)|refused
R
cat >"$tmp/inside" <<'I'
export LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu
nft() { "$TMP/root/usr/sbin/nft" "$@"; }
rule() { nft list chain ip t c | sed -n 's/^\t\t//p'; }
while IFS='|' read -r given _; do
	nft flush ruleset; nft 'add table ip t; add chain ip t c'
	if nft "add rule ip t c $given" 2>/dev/null; then
		once=$(rule); nft list ruleset >"$TMP/list"
		nft flush ruleset; nft -f "$TMP/list" || echo "not loaded again"
		[ "$(rule)" = "$once" ] && again=same || again=other
		echo "$given|$once|$again"
	else
		echo "$given|refused|same"
	fi
done <"$TMP/rules"
nft flush ruleset; nft 'add table ip t; add chain ip t c; add rule ip t c ct mark set ct mark and 0xff000000 or 0x5'
nft -j list chain ip t c | python3 -c 'import json, sys
e = [r["rule"]["expr"] for r in json.load(sys.stdin)["nftables"] if "rule" in r][0]
print("json|" + str(e[0]["mangle"]["value"]["|"][0]["&"][1]) + "|")'
I
TMP=$tmp unshare -rn bash "$tmp/inside" >"$tmp/out" 2>"$tmp/err"

fail=0
check() { # what, expected, seen
	if [ "$2" = "$3" ]; then echo "PASS $1 -> $3"; else echo "FAIL $1: expected '$2', seen '$3'"; fail=1; fi
}
while IFS='|' read -r given wanted; do
	seen=$(grep -F -- "$given|" "$tmp/out" | head -n 1)
	check "$given" "$wanted|same" "${seen#"$given|"}"
done <"$tmp/rules"
check "the mask in JSON" "$((0xff000005))" "$(sed -n 's/^json|\(.*\)|$/\1/p' "$tmp/out")"
[ "$fail" = 0 ] || cat "$tmp/out" "$tmp/err"
exit "$fail"
