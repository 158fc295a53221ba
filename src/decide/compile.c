/* SPDX-License-Identifier: GPL-3.0-or-later
 * compile.c - lays a read policy out as one image.
 *
 * The sections are built separately (compile_who.c, compile_rules.c) and joined here. Only the name table is built in place,
 * because with ten million names a second copy would take a quarter of a gigabyte.
 *
 * Owns: the block it returns is the caller's. Thread: any; pure. Fails: -ENOMEM, -E2BIG, -EINVAL (a cycle of groups).
 */
#include "compile_int.h"

#include <errno.h>
#include <stdlib.h>

static const uint32_t elem_size[SECTIONS] = {
#define S(e, t) [SEC_##e] = sizeof(t),
	IMAGE_SECTIONS(S)
#undef S
};

void build_fail(struct build *b, int err)
{
	if (b->err == 0)
		b->err = err;
}

void *build_add(struct build *b, enum image_section_id s, size_t n)
{
	struct build_part *part = &b->part[s];
	size_t elem = elem_size[s], want = part->n + n;
	if (want * elem > UINT32_MAX / 2)
		build_fail(b, -E2BIG);
	if (b->err)
		return NULL;
	if (want > part->cap || !part->bytes) {
		size_t cap = part->cap * 2 > want ? part->cap * 2 : want + 8;
		void *grown = realloc(part->bytes, cap * elem);
		if (!grown) {
			build_fail(b, -ENOMEM);
			return NULL;
		}
		part->bytes = grown;
		part->cap = (uint32_t)cap;
	}
	void *at = part->bytes + part->n * elem;
	memset(at, 0, n * elem);
	part->n = (uint32_t)want;
	return at;
}

uint32_t build_text(struct build *b, const char *text)
{
	uint32_t at = b->part[SEC_STRINGS].n;
	size_t n = text ? strlen(text) : 0;
	if (n == 0)
		return 0;
	char *to = build_add(b, SEC_STRINGS, n + 1);
	if (to)
		memcpy(to, text, n);
	return to ? at : 0;
}

struct img_slice build_ranges(struct build *b, const struct cidr *nets, size_t n)
{
	struct img_slice s = {b->part[SEC_RANGES].n, 0};
	struct img_range *room = build_add(b, SEC_RANGES, 2 * n);
	if (!room)
		return s;
	s.n = (uint32_t)cidrset_build(nets, n, room);
	b->part[SEC_RANGES].n = s.first + s.n;
	return s;
}

/* RFC 1918, unique local, link-local, and what the gateway is connected to. */
static void compile_local(struct build *b)
{
	static const char *const fixed[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"169.254.0.0/16", "fc00::/7", "fe80::/10"};
	enum { FIXED = sizeof fixed / sizeof fixed[0] };
	size_t n = b->in->n_local_nets;
	struct cidr *nets = calloc(FIXED + n, sizeof *nets);
	if (!nets) {
		build_fail(b, -ENOMEM);
		return;
	}
	for (size_t k = 0; k < FIXED; k++)
		cidr_parse(slice_str(fixed[k]), &nets[k]);
	for (size_t k = 0; k < n; k++)
		nets[FIXED + k] = b->in->local_nets[k];
	b->head.local = build_ranges(b, nets, FIXED + n);
	free(nets);
}

static void compile_tz(struct build *b)
{
	struct tz_change *to = build_add(b, SEC_TZ, b->in->n_tz);
	for (size_t k = 0; to && k < b->in->n_tz; k++) {
		to[k].from_utc = b->in->tz[k].from_utc;
		to[k].offset_s = b->in->tz[k].offset_s;
	}
}

static void compile_head(struct build *b)
{
	const struct conf *c = b->in->conf;
	struct image *h = &b->head;
	h->magic = IMAGE_MAGIC;
	h->version = IMAGE_VERSION;
	h->revision = b->in->revision;
	h->made_wall_ms = b->in->made_wall_ms;
	hash_key_set(&h->key, b->in->seed);
	h->flags |= c->fail == FAIL_OPEN ? IMAGE_FAIL_OPEN : 0;
	h->flags |= c->otherwise_block ? IMAGE_OTHERWISE_BLOCK | IMAGE_JUDGES_ALL : 0;
	build_add(b, SEC_STRINGS, 1);
	build_add(b, SEC_RULES, 0);
}

static uint64_t round_up(uint64_t n)
{
	return (n + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
}

/* Offsets of all sections; the name table gets half again as many slots as names, so probes stay short. */
static uint64_t lay_out(struct build *b)
{
	uint64_t at = round_up(sizeof b->head), slots = b->n_names ? b->n_names * 3 / 2 + 8 : 0;
	for (int s = 0; s < SECTIONS; s++) {
		uint64_t count = s == SEC_NAMES ? slots : b->part[s].n;
		b->head.section[s] = (struct image_section){(uint32_t)at, (uint32_t)count};
		at = round_up(at + count * elem_size[s]);
		if (at > UINT32_MAX) {
			build_fail(b, -E2BIG);
			return 0;
		}
	}
	return at;
}

static struct image *join(struct build *b, size_t size)
{
	struct image *i = calloc(1, size);
	if (!i) {
		build_fail(b, -ENOMEM);
		return NULL;
	}
	b->head.size = (uint32_t)size;
	*i = b->head;
	for (int s = 0; s < SECTIONS; s++) {
		if (b->part[s].n > 0)
			memcpy((uint8_t *)i + i->section[s].offset, b->part[s].bytes,
				(size_t)b->part[s].n * elem_size[s]);
	}
	compile_names(b, i, (struct img_name *)((uint8_t *)i + i->section[SEC_NAMES].offset));
	i->checksum = image_checksum(i, size);
	return i;
}

static void build_fini(struct build *b)
{
	for (int s = 0; s < SECTIONS; s++)
		free(b->part[s].bytes);
	free(b->party_of_group);
	free(b->groups);
}

int policy_compile(const struct compile_in *in, void **out, size_t *out_size)
{
	struct build b = {.in = in};
	struct image *i = NULL;
	compile_head(&b);
	compile_who(&b);
	compile_local(&b);
	compile_rules(&b);
	compile_tz(&b);
	size_t size = b.err ? 0 : lay_out(&b);
	if (b.err == 0)
		i = join(&b, size);
	if (b.err == 0) {
		*out = i;
		*out_size = size;
		i = NULL;
	}
	free(i);
	build_fini(&b);
	return b.err;
}
