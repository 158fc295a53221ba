/* SPDX-License-Identifier: GPL-3.0-or-later
 * seeds.c - what the fuzzers begin with, out of captures: seeds FOLDER FILE.pcap...
 *
 * Writes FOLDER/{packet,stream,starttls,quic,dtls}/N, one file for the first packets of each one-way flow, in the form
 * that fuzz_NAME.c says. The first flow of a capture counts as any other; packets beyond FIRST and flows beyond what
 * the table holds are left out. Exit status 1 when a file cannot be written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/ctl/capture_int.h"
#include "identify/starttls.h"

enum { FLOWS = 1 << 14, FIRST = 8, ROOM = 8000 };

struct half { /* a flow, one way */
	struct packet key;
	unsigned n; /* packets */
	uint8_t *packets, *payload;
	size_t packets_n, payload_n;
};

static struct half halves[FLOWS];
static size_t n_halves, written;

static bool same(const struct packet *a, const struct packet *b)
{
	return a->proto == b->proto && a->sport == b->sport && a->dport == b->dport &&
	       memcmp(&a->src, &b->src, sizeof a->src) == 0 &&
	       memcmp(&a->dst, &b->dst, sizeof a->dst) == 0;
}

static struct half *half_of(const struct packet *p)
{
	for (size_t i = n_halves; i-- > 0;)
		if (same(&halves[i].key, p))
			return &halves[i];
	if (n_halves == FLOWS)
		return NULL;
	struct half *h = &halves[n_halves++];
	*h = (struct half){.key = *p, .packets = malloc(ROOM), .payload = malloc(ROOM)};
	if (!h->packets || !h->payload)
		exit(1);
	return h;
}

/* A row of the row forms: `head` bytes of which the last two are the length, then the bytes. */
static void row(uint8_t *out, size_t *n, size_t head, struct slice bytes)
{
	if (*n + head + bytes.n > ROOM)
		return;
	memset(out + *n, 0, head);
	out[*n + head - 2] = (uint8_t)(bytes.n >> 8);
	out[*n + head - 1] = (uint8_t)bytes.n;
	memcpy(out + *n + head, bytes.p, bytes.n);
	*n += head + bytes.n;
}

static void packet(void *user, struct slice ip, uint64_t at_ms)
{
	struct packet p;
	struct half *h;

	(void)user;
	(void)at_ms;
	if (packet_parse(ip, &p) != PARSE_OK || p.payload.n == 0 || p.fragment ||
		(p.proto != IPPROTO_TCP && p.proto != IPPROTO_UDP))
		return;
	h = half_of(&p);
	if (!h || h->n == FIRST)
		return;
	h->n++;
	row(h->packets, &h->packets_n, 2, ip);
	if (p.proto == IPPROTO_UDP) {
		bool dtls = p.payload.p[0] < 0x40;

		row(h->payload, &h->payload_n, dtls ? 2 : 3, p.payload);
	} else if (h->payload_n + p.payload.n <= ROOM) {
		memcpy(h->payload + h->payload_n, p.payload.p, p.payload.n);
		h->payload_n += p.payload.n;
	}
}

static void put(const char *folder, const char *name, const uint8_t *head, size_t head_n,
	const uint8_t *p, size_t n)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s/%zu", folder, name, written++);
	f = fopen(path, "wb");
	if (!f || fwrite(head, 1, head_n, f) != head_n || fwrite(p, 1, n, f) != n ||
		fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void put_half(const char *folder, const struct half *h)
{
	uint8_t proto = (uint8_t)starttls_of_port(h->key.dport);

	put(folder, "packet", NULL, 0, h->packets, h->packets_n);
	if (h->key.proto == IPPROTO_UDP) {
		bool dtls = h->payload_n > 2 && h->payload[2] < 0x40 && h->payload[1] != 0;

		put(folder, dtls ? "dtls" : "quic", NULL, 0, h->payload, h->payload_n);
		return;
	}
	if (proto == STARTTLS_ANY_LINES)
		proto = STARTTLS_NONE;
	put(folder, "stream", (uint8_t[]){99, proto}, 2, h->payload, h->payload_n);
	if (proto != STARTTLS_NONE)
		put(folder, "starttls", (uint8_t[]){proto, 7}, 2, h->payload, h->payload_n);
}

int main(int argc, char **argv)
{
	char failure[256];

	for (int i = 2; i < argc; i++) {
		capture_read(
			argv[i], packet, NULL, failure); /* a file cut short gave what it has */
		for (size_t k = 0; k < n_halves; k++) {
			put_half(argv[1], &halves[k]);
			free(halves[k].packets);
			free(halves[k].payload);
		}
		n_halves = 0;
	}
	printf("%zu seeds\n", written);
	return 0;
}
