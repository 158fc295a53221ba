/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor_net.c - finds out whether this machine is a gateway: routes, uplinks, what kernel switches do to them, DHCP and DNS.
 *
 * Durward is added to a gateway that works. It assigns no addresses, answers no names and routes nothing itself.
 * Owns: nothing. Thread: one. Fails: findings.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "doctor_int.h"
#include "netsetup/route.h"

enum { PROC_MAX = 4 << 20, PORT_DNS = 53, PORT_DHCP = 67 };

/* --- programs that listen --- */

/* "3500007F" is 127.0.0.53 on a little-endian machine: the four bytes as they lie in memory, as one number. */
static bool is_loopback(const char *address)
{
	unsigned v4;

	if (strlen(address) != 8)
		return strcmp(address, htonl(1) == 1 ? "00000000000000000000000000000001"
						     : "00000000000000000000000001000000") == 0;
	return sscanf(address, "%8X", &v4) == 1 && ntohl(v4) >> 24 == 127;
}

/* Does /proc/net/udp or udp6 name a socket on this port that others can reach? */
static bool udp_listens(const char *text, unsigned port)
{
	for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
		char address[40];
		unsigned at;
		if (sscanf(line, " %*u: %32[0-9A-F]:%4X", address, &at) == 2 && at == port &&
			!is_loopback(address))
			return true;
	}
	return false;
}

static bool anybody_listens(unsigned port)
{
	static const char *const files[] = {"/proc/net/udp", "/proc/net/udp6"};
	struct strbuf b = {0};
	bool found = false;

	for (size_t i = 0; i < 2 && !found; i++) {
		strbuf_reset(&b);
		file_read(files[i], PROC_MAX, &b);
		found = udp_listens(strbuf_text(&b), port);
	}
	strbuf_fini(&b);
	return found;
}

static void check_servers(struct doctor *d)
{
	static const struct {
		unsigned port;
		const char *what, *does;
	} servers[] = {
		{PORT_DHCP, "DHCP server",
			"gives devices an address, with this box as their router"},
		{PORT_DNS, "DNS server", "answers devices' questions for names"},
	};

	for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
		if (anybody_listens(servers[i].port))
			doctor_say(d, FINDING_OK, servers[i].what, "", "one listens here");
		else
			doctor_say(d, FINDING_INFO, servers[i].what, "apt-get install dnsmasq",
				"none listens here: nothing on this box %s", servers[i].does);
}

/* --- interfaces --- */

static bool has_address(const struct route_view *v, uint32_t index)
{
	for (uint32_t i = 0; i < v->n_prefixes; i++)
		if (v->prefixes[i].index == index)
			return true;
	return false;
}

/* The only interface of the box that people's devices can be behind; NULL: there are several, or none. */
static const struct route_iface *only_iface(const struct route_view *v)
{
	const struct route_iface *one = NULL;

	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		const struct route_iface *f = &v->ifaces[i];
		if (!f->up || f->loopback || route_is_inner(f->name) || !has_address(v, f->index))
			continue;
		if (one)
			return NULL;
		one = f;
	}
	return one;
}

static bool interface_switch(const char *iface, const char *name, long long *out)
{
	char path[160];

	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/%s", iface, name);
	return doctor_number(path, out);
}

static void check_one_nic(struct doctor *d, const struct route_view *v)
{
	const struct route_iface *one = only_iface(v);

	if (!one)
		return;
	doctor_say(d, FINDING_INFO, "one interface", "",
		"devices and router are both behind %s: devices must have this box as their "
		"router, by DHCP or by hand",
		one->name);
}

/* --- uplinks --- */

static unsigned uplinks(const struct route_view *v, bool v6, struct strbuf *names)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < v->n_ifaces; i++)
		if (v6 ? v->ifaces[i].default_v6 : v->ifaces[i].default_v4)
			strbuf_fmt(names, "%s%s", n++ ? ", " : "", v->ifaces[i].name);
	return n;
}

static void check_default(struct doctor *d, const struct route_view *v)
{
	struct strbuf names = {0};
	long long forwards = 0;
	unsigned n = uplinks(v, false, &names);

	snprintf(d->uplink, sizeof d->uplink, "%.*s", (int)strcspn(strbuf_text(&names), ","),
		n ? strbuf_text(&names) : "UPLINK");
	if (n == 0)
		doctor_say(d, FINDING_BAD, "default route",
			"ip route add default via ROUTER    # the address of the way to the "
			"internet",
			"there is none: this box does not lead to the internet");
	else
		doctor_say(d, FINDING_OK, "default route", "", "by %s", strbuf_text(&names));
	strbuf_reset(&names);
	if (doctor_number("/proc/sys/net/ipv6/conf/all/forwarding", &forwards) && forwards) {
		if (uplinks(v, true, &names))
			doctor_say(d, FINDING_OK, "default route, IPv6", "", "by %s",
				strbuf_text(&names));
		else
			doctor_say(d, FINDING_INFO, "default route, IPv6",
				"ip -6 route add default via ROUTER    # or: sysctl -w "
				"net/ipv6/conf/UPLINK/accept_ra=2",
				"there is none, though IPv6 is forwarded");
	}
	strbuf_fini(&names);
}

/* With several ways out an answer may come in by another than the kernel would take: strict rp_filter drops it. */
static void check_uplinks(struct doctor *d, const struct route_view *v)
{
	struct strbuf names = {0}, fix = {0};
	long long all = 0, one = 0;

	if (uplinks(v, false, &names) < 2)
		goto out;
	interface_switch("all", "rp_filter", &all);
	for (uint32_t i = 0; i < v->n_ifaces; i++)
		if (v->ifaces[i].default_v4 &&
			interface_switch(v->ifaces[i].name, "rp_filter", &one) &&
			(one > all ? one : all) == 1)
			strbuf_fmt(&fix, "%s net/ipv4/conf/%s/rp_filter=2",
				fix.n ? "" : "sysctl -w", v->ifaces[i].name);
	if (fix.n)
		doctor_say(d, FINDING_BAD, "uplinks", strbuf_text(&fix),
			"several (%s), and strict rp_filter drops what comes back by another than "
			"the route says",
			strbuf_text(&names));
	else
		doctor_say(d, FINDING_INFO, "uplinks", "",
			"several: %s. What leaves by one must come back by the same",
			strbuf_text(&names));
out:
	strbuf_fini(&names);
	strbuf_fini(&fix);
}

static void check_bridge(struct doctor *d)
{
	long long v4 = 0, v6 = 0;

	doctor_number("/proc/sys/net/bridge/bridge-nf-call-iptables", &v4);
	doctor_number("/proc/sys/net/bridge/bridge-nf-call-ip6tables", &v6);
	if (!v4 && !v6)
		return;
	if (d->settings.proxy_tcp.n)
		doctor_say(d, FINDING_BAD, "bridge netfilter",
			"sysctl -w net/bridge/bridge-nf-call-iptables=0 "
			"net/bridge/bridge-nf-call-ip6tables=0    # or the setting `proxy-tcp "
			"none`",
			"on (containers do that): what comes in by a bridge is lost on the ports "
			"of "
			"proxy-tcp");
	else
		doctor_say(d, FINDING_INFO, "bridge netfilter", "",
			"on (containers do that): frames between neighbours on one bridge pass the "
			"packet filter, too; Durward leaves them alone");
}

void doctor_net(struct doctor *d)
{
	static struct route_view v;

	if (route_view_read(&v) == 0) {
		check_default(d, &v);
		check_uplinks(d, &v);
		check_one_nic(d, &v);
	}
	check_bridge(d);
	check_servers(d);
}
