/* SPDX-License-Identifier: GPL-3.0-or-later
 * localnets.c - the networks this gateway is connected to, for `local-networks` of the policy.
 *
 * The interface of a default route is left out: the provider's network is not the household's ("Exactly" 15).
 * Owns: nothing. Thread: any. Fails: an unreadable table counts as empty.
 */
#include "desk_int.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct names {
	char name[16][IFNAMSIZ];
	size_t n;
};

static void add_name(struct names *s, const char *name)
{
	if (s->n < 16)
		snprintf(s->name[s->n++], IFNAMSIZ, "%s", name);
}

static bool has_name(const struct names *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->name[i], name) == 0)
			return true;
	return false;
}

/* proc(5) /proc/net/route: Iface Destination Gateway Flags ... Mask in column 8, hexadecimal. */
static void read_routes4(struct names *out)
{
	char line[256], name[32];
	unsigned dst, mask;
	FILE *f = fopen("/proc/net/route", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%31s %x %*x %*x %*d %*d %*d %x", name, &dst, &mask) == 3 &&
			dst == 0 && mask == 0)
			add_name(out, name);
	if (f)
		fclose(f);
}

/* /proc/net/ipv6_route: destination, its length, ..., flags, device. The kernel's own reject route is on lo. */
static void read_routes6(struct names *out)
{
	char line[256], name[32], dst[40];
	unsigned bits;
	FILE *f = fopen("/proc/net/ipv6_route", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%39s %x %*s %*x %*s %*x %*x %*x %*x %31s", dst, &bits, name) ==
				3 &&
			bits == 0 && strcmp(name, "lo") != 0)
			add_name(out, name);
	if (f)
		fclose(f);
}

static uint8_t count_bits(const struct addr *mask)
{
	uint8_t n = 0;

	for (size_t i = 0; i < sizeof mask->b; i++)
		n = (uint8_t)(n + __builtin_popcount(mask->b[i]));
	return n;
}

static bool net_of(const struct ifaddrs *a, struct cidr *out)
{
	struct addr addr, mask;
	uint16_t port;

	addr_from_sockaddr(a->ifa_addr, &addr, &port);
	addr_from_sockaddr(a->ifa_netmask, &mask, &port);
	if (a->ifa_addr->sa_family == AF_INET)
		memset(mask.b, 0xff, 12);
	for (size_t i = 0; i < sizeof addr.b; i++)
		out->net.b[i] = addr.b[i] & mask.b[i];
	out->bits = count_bits(&mask);
	return !addr_is_loopback(&addr) && !addr_is_link_local(&addr);
}

static bool is_inet(const struct ifaddrs *a)
{
	return a->ifa_addr && a->ifa_netmask &&
	       (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6);
}

static int by_net(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cidr));
}

size_t local_nets(struct cidr *out, size_t max)
{
	struct names defaults = {0};
	struct ifaddrs *all = NULL;
	size_t n = 0;

	read_routes4(&defaults);
	read_routes6(&defaults);
	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *a = all; a && n < max; a = a->ifa_next) {
		struct cidr c = {0};
		if (!is_inet(a) || (a->ifa_flags & IFF_LOOPBACK) ||
			has_name(&defaults, a->ifa_name))
			continue;
		if (net_of(a, &c))
			out[n++] = c;
	}
	freeifaddrs(all);
	qsort(out, n, sizeof *out, by_net);
	return n;
}
