/* SPDX-License-Identifier: GPL-3.0-or-later
 * Real traffic that nobody here made: every QUIC flow that EXPECTED.jsonl knows is named as it says, and no other UDP
 * flow of the captures is taken for QUIC with a hello. Skipped where ../shared/captures is absent.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <jansson.h>
#include <pcap/pcap.h>

#include "base/strbuf.h"
#include "identify/packet.h"
#include "identify/quic.h"
#include "identify/tls_hello.h"
#include "quic_help.h"

#define FOLDER "../shared/captures"
enum { FLOWS = 20000 };

struct udp_flow {
	struct addr src, dst;
	uint16_t sport, dport;
	struct quic_ident *q;
	bool proven, version, expected;
	char name[NAME_TEXT]; /* as sent; of the first hello */
	struct ident ident;
	unsigned hellos;
};
static struct udp_flow flows[FLOWS];
static unsigned n_flows;
static struct quic_crypt *crypt_;

/* Ethernet with VLAN tags, Linux cooked, BSD loopback, raw IP. */
static struct slice ip_of(int link, struct slice f)
{
	size_t at = 0, type_at;
	if (link == DLT_RAW)
		return f;
	if (link == DLT_NULL)
		return f.n > 4 ? slice_of(f.p + 4, f.n - 4) : slice_of(NULL, 0);
	if (link == DLT_LINUX_SLL)
		type_at = 14;
	else if (link == DLT_EN10MB)
		type_at = 12;
	else
		return slice_of(NULL, 0);
	for (; type_at + 2 <= f.n; type_at += 4) {
		unsigned type = (unsigned)f.p[type_at] << 8 | f.p[type_at + 1];
		at = type_at + 2;
		if (type == 0x0800 || type == 0x86dd)
			return slice_of(f.p + at, f.n - at);
		if (type != 0x8100 && type != 0x88a8)
			break;
	}
	return slice_of(NULL, 0);
}

static bool is_flow(const struct udp_flow *f, const struct packet *p, bool back)
{
	return back ? f->sport == p->dport && f->dport == p->sport && addr_eq(&f->src, &p->dst) &&
			       addr_eq(&f->dst, &p->src)
		    : f->sport == p->sport && f->dport == p->dport && addr_eq(&f->src, &p->src) &&
			       addr_eq(&f->dst, &p->dst);
}

static struct udp_flow *flow_of(const struct packet *p, bool *back)
{
	for (unsigned i = 0; i < n_flows; i++)
		for (int b = 0; b < 2; b++)
			if (is_flow(&flows[i], p, b)) {
				*back = b;
				return &flows[i];
			}
	if (n_flows == FLOWS)
		return NULL;
	struct udp_flow *f = &flows[n_flows++];
	*f = (struct udp_flow){.src = p->src,
		.dst = p->dst,
		.sport = p->sport,
		.dport = p->dport,
		.q = quic_ident_new()};
	*back = false;
	return f;
}

static void note(struct udp_flow *f, const struct quic_seen *s)
{
	struct tls_hello h;
	struct slice m = quic_ident_hello(f->q, s->conn);
	f->proven |= s->conn != QUIC_CONN_ANY;
	f->version |= s->ident.anomaly == ANOMALY_QUIC_VERSION;
	if (s->step != QUIC_STEP_JUDGE || m.n == 0 || f->hellos++)
		return;
	f->ident = s->ident;
	if (tls_hello_parse(m, &h) == PARSE_OK && h.name.n && h.name.n < sizeof(f->name)) {
		memcpy(f->name, h.name.p, h.name.n);
		f->name[h.name.n] = 0;
	}
}

static void read_capture(const char *file)
{
	char path[512], err[PCAP_ERRBUF_SIZE];
	snprintf(path, sizeof(path), FOLDER "/%s", file);
	pcap_t *h = pcap_open_offline(path, err);
	if (!h)
		return;
	struct pcap_pkthdr *hdr;
	const u_char *data;
	while (pcap_next_ex(h, &hdr, &data) == 1) {
		struct packet p;
		struct quic_seen s;
		bool back;
		struct slice ip = ip_of(pcap_datalink(h), slice_of(data, hdr->caplen));
		if (packet_parse(ip, &p) != PARSE_OK || p.proto != IPPROTO_UDP || !p.first)
			continue;
		struct udp_flow *f = flow_of(&p, &back);
		uint64_t now = (uint64_t)hdr->ts.tv_sec * 1000 + (uint64_t)hdr->ts.tv_usec / 1000;
		if (f && back) {
			quic_ident_server(f->q, crypt_, p.payload, now);
		} else if (f) {
			quic_ident_client(f->q, crypt_, p.payload, now, &s);
			note(f, &s);
		}
	}
	pcap_close(h);
}

static void forget_flows(void)
{
	for (unsigned i = 0; i < n_flows; i++)
		quic_ident_free(flows[i].q);
	n_flows = 0;
}

static bool end_is(const char *text, const struct addr *a, uint16_t port)
{
	char want[128], at[ADDR_TEXT];
	snprintf(want, sizeof(want), "%s %u", addr_format(a, at), port);
	return strcmp(text, want) == 0;
}

/* 1 agrees, 0 does not (and says so). */
static unsigned agrees(const char *file, json_t *want)
{
	const char *src = json_string_value(json_object_get(want, "src")),
		   *dst = json_string_value(json_object_get(want, "dst"));
	const char *name = json_string_value(json_array_get(json_object_get(want, "sni"), 0));
	for (unsigned i = 0; i < n_flows; i++) {
		struct udp_flow *f = &flows[i];
		if (!end_is(src, &f->src, f->sport) || !end_is(dst, &f->dst, f->dport))
			continue;
		f->expected = true;
		if ((f->proven || f->version) && strcmp(f->name, name ? name : "") == 0)
			return 1;
		print_message("%s %s: want %s, got %s (%s, %s, proven %d)\n", file, src,
			name ? name : "-", f->name, ident_kind_key(f->ident.kind),
			anomaly_key(f->ident.anomaly), f->proven);
		return 0;
	}
	print_message("%s %s: no such flow\n", file, src);
	return 0;
}

/* Flows that EXPECTED.jsonl does not know and that we say are QUIC: proven by a tag, or of an unreadable version. */
static void count_others(const char *file, unsigned *proven, unsigned *versions)
{
	for (unsigned i = 0; i < n_flows; i++) {
		char a[ADDR_TEXT], b[ADDR_TEXT];
		if (flows[i].expected || !(flows[i].proven || flows[i].version))
			continue;
		*proven += flows[i].proven;
		*versions += !flows[i].proven;
		if (flows[i].proven || getenv("VERBOSE"))
			print_message("%s %s %u > %s %u: %s %s\n", file,
				addr_format(&flows[i].src, a), flows[i].sport,
				addr_format(&flows[i].dst, b), flows[i].dport,
				flows[i].proven ? "proven" : "version", flows[i].name);
	}
}

static unsigned wanted, agreed, others, versions;

static void check_capture(const char *file, json_t *list)
{
	json_t *w;
	size_t i;
	read_capture(file);
	json_array_foreach(list, i, w)
	{
		if (strcmp(json_string_value(json_object_get(w, "proto")), "quic") != 0)
			continue;
		wanted++;
		agreed += agrees(file, w);
	}
	count_others(file, &others, &versions);
	forget_flows();
}

static json_t *expected_flows(const char *file)
{
	json_error_t e;
	FILE *in = fopen(FOLDER "/EXPECTED.jsonl", "r");
	json_t *j, *found = NULL;
	while (in && !found && (j = json_loadf(in, JSON_DISABLE_EOF_CHECK, &e))) {
		if (strcmp(json_string_value(json_object_get(j, "file")), file) == 0)
			found = json_incref(json_object_get(j, "flows"));
		json_decref(j);
	}
	if (in)
		fclose(in);
	return found;
}

static void Q19_Q20_Q30_flows_are_named_as_expected(void **state)
{
	DIR *d = opendir(FOLDER);
	if (!d)
		skip();
	crypt_ = quic_crypt_new();
	for (struct dirent *e; (e = readdir(d));) {
		if (!strstr(e->d_name, ".pcap"))
			continue;
		json_t *list = expected_flows(e->d_name);
		check_capture(e->d_name, list);
		json_decref(list);
	}
	closedir(d);
	quic_crypt_free(crypt_);
	print_message(
		"QUIC flows: %u of %u agree; beside them %u proven, %u of unreadable versions\n",
		agreed, wanted, others, versions);
	assert_int_equal(agreed, wanted);
	assert_int_equal(others, 0);
}

/* Captures that show a row of the catalogue: each flow that is expected of them is named so. */
struct shown {
	const char *what, *file;
};
static const struct shown SHOWN[] = {
	{"Q03 Q30 draft 23 over IPv6", "quic-23.pcap"},
	{"Q03 draft 24", "quic-24.pcap"},
	{"Q03 Q30 draft 27 over IPv6", "quic-27.pcap"},
	{"Q03 draft 28", "quic-28.pcap"},
	{"Q03 draft 29", "quic-29.pcap"},
	{"Q03 Q27 draft 34, no server name", "quic-34.pcap"},
	{"Q03 mvfst 22", "quic-mvfst-22.pcap"},
	{"Q03 mvfst 27", "quic-mvfst-27.pcapng"},
	{"Q03 Q30 mvfst, experimental, over IPv6", "quic-mvfst-exp.pcap"},
	{"Q02 Q19 Q30 version 2 on port 4443", "quic-v2.pcapng"},
	{"Q03 Q19 Q27 DNS over QUIC on port 784, no server name", "doq.pcapng"},
	{"Q03 Q19 DNS over QUIC on port 784", "doq_adguard.pcapng"},
	{"Q05 Q27 a version that is refused, then one that is known",
		"quic-forcing-vn-with-data.pcapng"},
	{"Q07 Q10 shuffled frames of many flows",
		"quic_frags_ch_out_of_order_same_packet_craziness.pcapng"},
	{"Q08 Q27 a hello of two Initials", "quic_frags_ch_in_multiple_packets.pcapng"},
	{"Q08 Q11 Q28 a post-quantum hello, the second half under the server's ID",
		"quic_frags_different_dcid.pcapng"},
	{"Q10 Q28 out of order, with ECH", "google_meet.pcapng"},
	{"Q13 Q14 0-RTT", "quic_0RTT.pcap"},
	{"Q27 no hello at all", "quic_cc_ack.pcapng"},
};

static void it_is_named(void **state)
{
	const struct shown *s = *state;
	json_t *list = expected_flows(s->file);
	if (!list)
		skip();
	crypt_ = quic_crypt_new();
	wanted = agreed = others = versions = 0;
	check_capture(s->file, list);
	json_decref(list);
	quic_crypt_free(crypt_);
	assert_true(wanted > 0);
	assert_int_equal(agreed, wanted);
	assert_int_equal(others, 0);
}

int main(void)
{
	struct CMUnitTest tests[1 + sizeof(SHOWN) / sizeof(SHOWN[0])] = {
		cmocka_unit_test(Q19_Q20_Q30_flows_are_named_as_expected)};
	for (size_t i = 0; i < sizeof(SHOWN) / sizeof(SHOWN[0]); i++)
		tests[1 + i] = (struct CMUnitTest){
			SHOWN[i].what, it_is_named, NULL, NULL, (void *)(uintptr_t)&SHOWN[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
