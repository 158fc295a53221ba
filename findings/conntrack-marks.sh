#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What conntrack and libnetfilter_conntrack do when the mark of connections that are there is changed.
#
# Seen, run as here, with Debian 12's conntrack 1.4.7 and libnetfilter_conntrack 1.0.9:
#  - "conntrack -L" without -f lists both families, while its manual says that the default is IPv4;
#  - "conntrack -U -p udp --mark 5" without -f ends with "Operation not supported", exit 1, and nothing is changed: the message
#    of the change has the family of the listing, none. "-f ipv4" works, and so does an address (its family is taken), while
#    "conntrack -D" with the same words deletes;
#  - "--mark VALUE/MASK" of -U is a XOR, as its manual says: bits of VALUE outside MASK flip, and the same command a second time
#    takes them back. iptables' --set-xmark has the same form and the same trap, its --set-mark has not;
#  - the change with a mask is computed from what was listed and sent as a whole mark, without CTA_MARK_MASK, by which the
#    kernel would do it: a bit that another program sets between the listing and the change is lost;
#  - nfct_copy(NFCT_CP_ORIG | NFCT_CP_REPL) of a ping over IPv6 makes an entry whose change the kernel refuses (EINVAL): the
#    reply's ICMP type is not copied. Over IPv4 it is not either, but 0 happens to be the right one. The original tuple alone,
#    NFCT_CP_ORIG, does for both.
#
# Needs: apt, dpkg, python3, unshare; root, or user namespaces in which the connection table may be changed. Nothing is installed.
set -u
arch=amd64
[ "$(dpkg --print-architecture)" = "$arch" ] || { echo "SKIP: the pinned packages are those of $arch"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/debs" "$tmp/root" || exit 1
(cd "$tmp/debs" && apt-get download -qq conntrack=1:1.4.7-1+b2 libnetfilter-conntrack3=1.0.9-3 libnfnetlink0=1.0.2-2 \
	libmnl0=1.0.4-3 strace=6.1-0.1 2>/dev/null) ||
	{ echo "FAIL: a pinned package is no longer to be had"; exit 1; }
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/root" || exit 1; done

# The mark of every entry is changed, each by a message made of a copy of it: of both tuples, or of the original one.
cat >"$tmp/copy.py" <<'P'
import ctypes, errno, sys
lib = ctypes.CDLL("libnetfilter_conntrack.so.3", use_errno=True)
P, I = ctypes.c_void_p, ctypes.c_int
lib.nfct_open.restype = lib.nfct_new.restype = P
CB = ctypes.CFUNCTYPE(I, I, P, P)
CONNTRACK, T_ALL, UPDATE, DUMP, L4PROTO, MARK = 1, 7, 1, 5, 17, 25
flags = {"orig": 1, "both": 3}[sys.argv[1]]
entries = []

def keep(kind, ct, data):
    entries.append(ct)
    return 2  # NFCT_CB_STOLEN: it is ours

reading, family, call = lib.nfct_open(CONNTRACK, 0), ctypes.c_uint32(0), CB(keep)
lib.nfct_callback_register(P(reading), T_ALL, call, None)
lib.nfct_query(P(reading), DUMP, ctypes.byref(family))
changing = lib.nfct_open(CONNTRACK, 0)
for ct in entries:
    copy = lib.nfct_new()
    lib.nfct_copy(P(copy), P(ct), flags)
    lib.nfct_set_attr_u32(P(copy), MARK, 9)
    lib.nfct_get_attr_u8.restype = ctypes.c_uint8
    rc = lib.nfct_query(P(changing), UPDATE, P(copy))
    print("copy", sys.argv[1], lib.nfct_get_attr_u8(P(ct), L4PROTO), "ok" if rc == 0 else errno.errorcode[ctypes.get_errno()])
P
cat >"$tmp/inside" <<'I'
export LD_LIBRARY_PATH=$TMP/root/usr/lib/x86_64-linux-gnu PATH=$TMP/root/usr/sbin:$TMP/root/usr/bin:$PATH
fill() {
	conntrack -F
	conntrack -I -t 300 --mark 1 -p udp -s 192.0.2.1 -d 198.51.100.1 --sport 1000 --dport 53
	conntrack -I -t 300 --mark 1 -p udp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 53
	conntrack -I -t 300 --mark 1 -p icmp -s 192.0.2.1 -d 198.51.100.1 --icmp-type 8 --icmp-code 0 --icmp-id 7
	conntrack -I -t 300 --mark 1 -p icmpv6 -s 2001:db8::1 -d 2001:db8::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 7
} >/dev/null 2>&1
marks() { conntrack -L -f ipv4 -p udp 2>/dev/null | grep -o 'mark=[0-9]*'; }
did() { "$@" >"$TMP/said" 2>&1; echo "exit $?"; }
fill
echo "list|$(conntrack -L -p udp 2>/dev/null | grep -c '^udp')"
echo "update|$(did conntrack -U -p udp --mark 5) $(grep -o 'Operation not supported' "$TMP/said" | head -n 1) $(marks)"
echo "family|$(did conntrack -U -f ipv4 -p udp --mark 5) $(marks)"
echo "address|$(did conntrack -U -p udp -s 192.0.2.1 --mark 6) $(marks)"
echo "delete|$(did conntrack -D -p udp) $(conntrack -L -p udp 2>/dev/null | grep -c '^udp')"
fill
once=$(did conntrack -U -f ipv4 -p udp --mark 0x12/0x3; marks)
twice=$(did conntrack -U -f ipv4 -p udp --mark 0x12/0x3; marks)
echo "xor|$once $twice" | tr '\n' ' '; echo
strace -e trace=sendto,sendmsg -v -s 400 -o "$TMP/trace" conntrack -U -f ipv4 -p udp --mark 0x4/0x4 >/dev/null 2>&1
change=$(grep 'IPCTNL_MSG_CT_NEW' "$TMP/trace" | head -n 1)
echo "sent|$(grep -o 'nla_type=0x8}' <<<"$change" | head -n 1) $(grep -o 'nla_type=0x15}' <<<"$change" | head -n 1)"
fill; python3 "$TMP/copy.py" both; python3 "$TMP/copy.py" orig
I
TMP=$tmp unshare -rn bash "$tmp/inside" >"$tmp/out" 2>"$tmp/err"
grep -q '^list|0' "$tmp/out" && { echo "SKIP: the connection table may not be changed here"; exit 77; }

fail=0
check() { # what, expected, seen
	if [ "$2" = "$3" ]; then echo "PASS $1 -> $3"; else echo "FAIL $1: expected '$2', seen '$3'"; fail=1; fi
}
seen() { sed -n "s/^$1|//p" "$tmp/out" | sed 's/ *$//'; }
copied() { sort -u "$tmp/out" | sed -n "s/^copy $1 //p" | tr '\n' ' ' | sed 's/ $//'; }
check "conntrack -L -p udp, of one entry a family" 2 "$(seen list)"
check "conntrack -U -p udp --mark 5" "exit 1 Operation not supported mark=1" "$(seen update)"
check "conntrack -U -f ipv4 -p udp --mark 5" "exit 0 mark=5" "$(seen family)"
check "conntrack -U -p udp -s 192.0.2.1 --mark 6" "exit 0 mark=6" "$(seen address)"
check "conntrack -D -p udp" "exit 0 0" "$(seen delete)"
check "--mark 0x12/0x3 of 1, once and twice" "exit 0 mark=18 exit 0 mark=2" "$(seen xor)"
check "the change: CTA_MARK, CTA_MARK_MASK" "nla_type=0x8}" "$(seen sent)"
check "a change by a copy of both tuples (1 ICMP, 17 UDP, 58 ICMPv6)" "1 ok 17 ok 58 EINVAL" "$(copied both)"
check "a change by a copy of the original tuple" "1 ok 17 ok 58 ok" "$(copied orig)"
[ "$fail" = 0 ] || cat "$tmp/out" "$tmp/err"
exit "$fail"
