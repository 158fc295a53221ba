/* SPDX-License-Identifier: GPL-3.0-or-later
 * Any bytes with a right checksum: image_open() refuses them, or every question to them ends. Time zone files too.
 *
 * The first input byte chooses: an image from the bytes; the home policy's image with some bytes changed; a zone.
 */
#include <stdlib.h>

#include "../../src/decide/image_int.h"
#include "decide/home.h"
#include "decide/tz.h"

static void ask(const struct image *i, const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"a.school.example", "casino.example", "x.adult.test", "cloudflare-ech.com"};
	const char *out[64];
	for (unsigned k = 0; k < 16; k++) {
		struct ident id = {.kind = (uint8_t)(k % IDENT_KINDS), .ech = k & 1};
		struct policy_query q = {.ident = &id, .stage = k & 1 ? STAGE_NAMED : STAGE_FIRST};
		struct verdict v;
		id.name_len = (uint8_t)strlen(names[k % 4]);
		memcpy(id.name, names[k % 4], id.name_len);
		q.who.device = (int)(k % 5) - 1;
		q.who.addrs[0] = home_addr[k & 1];
		q.who.n_addrs = 1;
		q.flow = (struct flow){.proto = k & 2 ? IPPROTO_TCP : IPPROTO_UDP,
			.path = (uint8_t)(k % 3),
			.dst = home_addr[k & 1]};
		memcpy(&q.now_s, data, size < sizeof q.now_s ? size : sizeof q.now_s);
		q.now_s >>= 8; /* clocks of this universe */
		policy_eval(i, &policy_live_none, &q, NULL, &v);
		policy_who_names(i, &q.who, out, 64);
		(void)strlen(image_line_text(i, v.rule_line));
		(void)strlen(image_line_id(i, v.rule_line));
		(void)strlen(image_list_name(i, v.list));
	}
	struct policy_found f;
	policy_find_who(i, slice_str("all"), &f);
}

static void open_and_ask(uint8_t *bytes, size_t size, const uint8_t *data, size_t n)
{
	struct image *head = (struct image *)bytes;
	const struct image *i;
	const char *why;
	if (size >= sizeof *head) {
		head->magic = IMAGE_MAGIC;
		head->version = IMAGE_VERSION;
		head->size = (uint32_t)size;
		head->checksum = image_checksum(head, size);
	}
	if (image_open(bytes, size, &i, &why) == 0)
		ask(i, data, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void *home;
	static size_t home_size;
	if (!home && policy_compile(&home_in, &home, &home_size) != 0)
		abort();
	if (size < 1)
		return 0;
	uint8_t mode = *data++ % 3;
	size--;
	if (mode == 2) {
		struct tz_change rows[64];
		size_t n = 0;
		tz_read(slice_of(data, size), 0, 4102444800, rows, 64, &n);
		return 0;
	}
	size_t n = mode == 0 ? size : home_size;
	uint8_t *bytes = malloc(n ? n : 1);
	memcpy(bytes, mode == 0 ? data : home, n);
	for (size_t k = 0; mode == 1 && k + 6 <= size; k += 6) { /* place, value */
		uint16_t at = (uint16_t)(data[k] | data[k + 1] << 8);
		if (at + 4u <= n)
			memcpy(bytes + at, data + k + 2, 4);
	}
	open_and_ask(bytes, n, data, size);
	free(bytes);
	return 0;
}
