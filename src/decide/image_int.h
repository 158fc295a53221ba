/* SPDX-License-Identifier: GPL-3.0-or-later
 * image_int.h - the layout of the policy image, and the look-ups over its sections.
 *
 *   +--------+---------------------------------------------------------------+
 *   | header | sections, each 16-byte aligned: {offset, count} in the header |
 *   +--------+---------------------------------------------------------------+
 *
 * Every reference is an index (or a slice first,n) into a section, or an offset into STRINGS, all 32 bits wide: no
 * pointer, so the block is the same at any address. image_check.c proves each of them once; the one exception is the
 * set of a name-table slot, which domset.c compares at the look-up, so that opening ten million names stays cheap.
 *
 * Owns: nothing. Thread: any; immutable after compile.
 */
#ifndef DECIDE_IMAGE_INT_H
#define DECIDE_IMAGE_INT_H

#include "base/hash.h"
#include "decide/image.h"
#include "decide/policy.h"
#include "model/conf.h"

#define IMAGE_MAGIC 0x31676d6977727544ull /* "Durwimg1" */
enum { IMAGE_VERSION = 2, IMAGE_ALIGN = 16 };
enum { PARTIES_MAX = CONF_PARTIES_MAX, PARTY_WORDS = PARTIES_MAX / 64 };
#define NO_SET UINT32_MAX

struct img_slice {
	uint32_t first, n;
};
struct img_device {
	uint32_t name;
};
struct img_mac {
	struct mac mac;
	uint16_t device;
};
struct img_addr {
	struct addr addr;
	uint32_t device;
};
/* A person or a group: one bit of the party bitsets. Persons first, then groups, inner ones before outer ones. */
struct img_party {
	uint32_t name;
	uint32_t kind; /* WHO_PERSON or WHO_GROUP */
};
/* A group with `net` lines. Its row of BITS (after the devices' rows) says which parties an address in it is of. */
struct img_netgroup {
	struct img_slice ranges;
};
struct img_range {
	struct addr lo, hi; /* both inside */
};
struct img_list {
	uint32_t name;
};
/* A word of the policy that stands for names: lists first, then apps, then built-in sets; the row's index is the set. */
struct img_term {
	uint32_t word, kind; /* enum what_kind: WHAT_LIST, WHAT_APP, WHAT_SET */
	uint32_t count;	     /* names */
	uint32_t names;	     /* STRINGS: parted by spaces, as a policy writes them; "" for a list */
};
/* One slot of the open-addressing name table. tag 0 = empty. */
struct img_name {
	WIDE uint64_t hash;
	uint32_t set;
	uint32_t tag; /* line << 3 | scope + 1; scope: enum name_scope or SCOPE_EXCEPT */
};
enum { SCOPE_EXCEPT = 3 };
#define IMG_LINE_MAX ((1u << 29) - 1)
/* A statement of the policy file, sorted by line; the first row is line 0 with empty texts. */
struct img_line {
	uint32_t line, text, because;
};
struct img_setting {
	uint32_t answer; /* enum conf_answer */
	uint32_t line;	 /* index into LINES */
};
struct img_block {
	uint32_t line; /* index into LINES */
	struct img_slice who, rules;
	struct img_setting no_name, hidden_names, evasive;
};
struct img_who {
	uint32_t kind;	/* enum conf_who_kind */
	uint32_t index; /* device, or party */
};
enum { RULE_WATCH = 1, RULE_BLOCK = 2, RULE_FIRM = 4, RULE_HOURS = 8 };
struct img_rule {
	uint32_t line; /* index into LINES */
	uint16_t flags;
	uint16_t refuse; /* enum refuse */
	struct img_slice whats, windows;
};
struct img_what {
	uint32_t kind;	       /* enum what_kind; NAME, LIST, APP and SET all look at `set` */
	uint32_t set;	       /* below the header's n_lists it is a list */
	struct img_slice part; /* of RANGES or PORTS */
};
struct img_window {
	uint32_t days, start_min, end_min; /* as struct conf_window */
};
typedef char img_char;
typedef uint64_t img_word;

/* SECTION(ENUM, type of one element) */
#define IMAGE_SECTIONS(S)                                                                          \
	S(STRINGS, img_char)                                                                       \
	S(DEVICES, struct img_device)                                                              \
	S(MACS, struct img_mac)                                                                    \
	S(ADDRS, struct img_addr)                                                                  \
	S(PARTIES, struct img_party)                                                               \
	S(BITS, img_word)                                                                          \
	S(NETGROUPS, struct img_netgroup)                                                          \
	S(RANGES, struct img_range)                                                                \
	S(LISTS, struct img_list)                                                                  \
	S(TERMS, struct img_term)                                                                  \
	S(NAMES, struct img_name)                                                                  \
	S(LINES, struct img_line)                                                                  \
	S(BLOCKS, struct img_block)                                                                \
	S(WHO, struct img_who)                                                                     \
	S(RULES, struct img_rule)                                                                  \
	S(WHATS, struct img_what)                                                                  \
	S(PORTS, struct conf_port)                                                                 \
	S(WINDOWS, struct img_window)                                                              \
	S(TZ, struct tz_change)

LAYOUT(img_char, 1);
LAYOUT(struct img_device, 4);
LAYOUT(struct img_mac, 8);
LAYOUT(struct img_addr, 20);
LAYOUT(struct img_party, 8);
LAYOUT(img_word, 8);
LAYOUT(struct img_netgroup, 8);
LAYOUT(struct img_range, 32);
LAYOUT(struct img_list, 4);
LAYOUT(struct img_term, 16);
LAYOUT(struct img_name, 16);
LAYOUT(struct img_line, 12);
LAYOUT(struct img_setting, 8);
LAYOUT(struct img_block, 44);
LAYOUT(struct img_who, 8);
LAYOUT(struct img_rule, 24);
LAYOUT(struct img_what, 16);
LAYOUT(struct conf_port, 6);
LAYOUT(struct img_window, 12);

enum image_section_id {
#define S(e, t) SEC_##e,
	IMAGE_SECTIONS(S)
#undef S
		SECTIONS
};

struct image_section {
	uint32_t offset, count;
};

enum { IMAGE_FAIL_OPEN = 1, IMAGE_JUDGES_ALL = 2, IMAGE_OTHERWISE_BLOCK = 4 };
struct image {
	WIDE uint64_t magic;
	uint32_t version;
	uint32_t size;		/* bytes of the whole block */
	WIDE uint64_t checksum; /* of everything after this field */
	WIDE uint64_t made_wall_ms;
	uint32_t revision;
	uint32_t flags;
	struct hash_key key; /* of the name table */
	uint32_t n_sets, n_lists, n_names, max_probe;
	uint32_t ech_set;   /* the set that decides what OPAQUE is */
	uint32_t words;	    /* of one row of BITS */
	uint32_t otherwise; /* index into LINES */
	uint32_t pad;
	struct img_slice local; /* ranges of `local-networks` */
	struct image_section section[SECTIONS];
};
LAYOUT_AT(struct image, checksum, 16);
LAYOUT_AT(struct image, key, 40);
LAYOUT_AT(struct image, local, 88);
LAYOUT(struct image, 96 + 8 * SECTIONS);

uint64_t image_checksum(const struct image *i, size_t size); /* over what follows the field */
int image_check(const struct image *i, const char **why);    /* every index; 0 or -EINVAL */

static inline const void *image_at(const struct image *i, enum image_section_id s)
{
	return (const uint8_t *)i + i->section[s].offset;
}
static inline uint32_t image_count(const struct image *i, enum image_section_id s)
{
	return i->section[s].count;
}
static inline const char *image_text(const struct image *i, uint32_t string)
{
	return (const char *)image_at(i, SEC_STRINGS) + string;
}
#define IMAGE_ROWS(i, e, type) ((const type *)image_at((i), SEC_##e))

const struct img_line *image_line_find(const struct image *i, uint32_t line); /* never NULL */

/* --- cidrset.c: sorted, disjoint ranges --- */

/* Fills out (room for 2 * n) from networks in any order; returns how many ranges. Networks of IPv6 never cover the
 * IPv4-mapped addresses: `::/0` is all of IPv6 and nothing of IPv4. */
size_t cidrset_build(const struct cidr *in, size_t n, struct img_range *out);
bool cidrset_has(const struct img_range *r, size_t n, const struct addr *a);

/* --- domset.c: the name table --- */

struct domset_hit {
	uint32_t set, line;
	bool excepted; /* an exception of the set's own list takes it out */
};
enum { DOMSET_HITS = 48 };
/* What the table knows of one name. */
struct domset {
	const struct image *image;
	struct slice name;
	struct domset_hit hit[DOMSET_HITS];
	size_t n;
	bool overflow; /* more sets than fit: domset_find() asks the table again */
};
void domset_look(struct domset *d, const struct image *i, struct slice name);
/* The longest listed name of this set that covers the name, at its first line. */
bool domset_find(const struct domset *d, uint32_t set, uint32_t *line);
/* Compile: `table` is zeroed and has `slots` rows, more than names. Returns false when the line number is too large. */
bool domset_insert(struct image *i, struct img_name *table, uint32_t slots, struct slice name,
	uint32_t set, uint32_t scope, uint32_t line);

/* --- window.c: hours --- */

bool window_inside(const struct img_window *w, size_t n, int64_t wall_s);
/* The first second after now_s at which no window covers the wall clock; 0 when that is more than a week off. */
int64_t window_until(const struct img_window *w, size_t n, const struct tz_change *tz, size_t n_tz,
	int64_t now_s);

/* --- who.c --- */

enum who_how { HOW_UNKNOWN, HOW_NAMED, HOW_MAC, HOW_ADDR, HOW_OUTSIDE };
struct who {
	const struct image *image;
	uint16_t device;
	uint16_t inner; /* of a flow from outside: the device that it goes to */
	uint8_t how;	/* enum who_how */
	uint64_t bits[PARTY_WORDS];
};
void who_find(const struct image *i, const struct policy_who *asked, struct who *out);
bool who_is(const struct who *w, const struct img_who *row);

#endif
