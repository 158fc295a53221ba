/* SPDX-License-Identifier: GPL-3.0-or-later
 * image_check.c - checks every offset and index of an image once, so that look-ups can trust them.
 *
 * The controller, which compiles images, has parsed hostile lists; so the dataplane checks all that it can before it uses one.
 *
 * Owns: nothing. Thread: any; pure. Fails: -EINVAL with *why.
 */
#include "image_int.h"

#include <errno.h>

#include "model/verdict.h"

static const struct {
	uint32_t elem;
	const char *why;
} sections[SECTIONS] = {
#define S(e, t) [SEC_##e] = {sizeof(t), "section " #e " lies outside the image"},
	IMAGE_SECTIONS(S)
#undef S
};

static bool slice_in(const struct image *i, struct img_slice s, enum image_section_id sec)
{
	uint32_t count = image_count(i, sec);
	return s.first <= count && s.n <= count - s.first;
}

static bool text_in(const struct image *i, uint32_t string)
{
	return string < image_count(i, SEC_STRINGS);
}

/* An event has room for it. */
static bool id_in(const struct image *i, uint32_t string)
{
	return text_in(i, string) && strnlen(image_text(i, string), IMAGE_RULE_ID) < IMAGE_RULE_ID;
}

static bool line_in(const struct image *i, uint32_t line)
{
	return line < image_count(i, SEC_LINES);
}

static const char *check_sections(const struct image *i)
{
	for (int s = 0; s < SECTIONS; s++) {
		uint64_t offset = i->section[s].offset, count = i->section[s].count;
		if (offset % IMAGE_ALIGN != 0 || offset < sizeof *i || offset > i->size ||
			count * sections[s].elem > i->size - offset)
			return sections[s].why;
	}
	const char *strings = image_at(i, SEC_STRINGS);
	uint32_t n = image_count(i, SEC_STRINGS);
	if (n == 0 || strings[0] != '\0' || strings[n - 1] != '\0')
		return "the texts do not end";
	return NULL;
}

static const char *check_head(const struct image *i)
{
	uint32_t parties = image_count(i, SEC_PARTIES);
	uint64_t rows = (uint64_t)image_count(i, SEC_DEVICES) + image_count(i, SEC_NETGROUPS);
	if (parties > PARTIES_MAX || i->words != (parties + 63) / 64 ||
		image_count(i, SEC_BITS) != rows * i->words)
		return "the party bits have the wrong size";
	if (i->n_lists != image_count(i, SEC_LISTS) || i->n_lists > i->n_sets ||
		i->n_lists > NO_LIST || image_count(i, SEC_DEVICES) > NO_DEVICE)
		return "too many lists or devices";
	if (!slice_in(i, i->local, SEC_RANGES) || !line_in(i, i->otherwise) ||
		(i->ech_set != NO_SET && i->ech_set >= i->n_sets))
		return "the header points outside the image";
	if (image_count(i, SEC_NAMES) > 0 && i->max_probe >= image_count(i, SEC_NAMES))
		return "the name table is impossible";
	return NULL;
}

static const char *check_who(const struct image *i)
{
	const struct img_device *device = image_at(i, SEC_DEVICES);
	const struct img_mac *mac = image_at(i, SEC_MACS);
	const struct img_addr *addr = image_at(i, SEC_ADDRS);
	const struct img_party *party = image_at(i, SEC_PARTIES);
	const struct img_netgroup *group = image_at(i, SEC_NETGROUPS);
	uint32_t devices = image_count(i, SEC_DEVICES), bad = 0;
	for (uint32_t k = 0; k < devices; k++)
		bad |= !text_in(i, device[k].name);
	for (uint32_t k = 0; k < image_count(i, SEC_MACS); k++)
		bad |= mac[k].device >= devices;
	for (uint32_t k = 0; k < image_count(i, SEC_ADDRS); k++)
		bad |= addr[k].device >= devices;
	for (uint32_t k = 0; k < image_count(i, SEC_PARTIES); k++)
		bad |= !text_in(i, party[k].name) ||
		       (party[k].kind != WHO_PERSON && party[k].kind != WHO_GROUP);
	for (uint32_t k = 0; k < image_count(i, SEC_NETGROUPS); k++)
		bad |= !slice_in(i, group[k].ranges, SEC_RANGES);
	return bad ? "a device, person or group points outside the image" : NULL;
}

static bool who_in(const struct image *i, const struct img_who *w)
{
	switch (w->kind) {
	case WHO_EVERYONE:
	case WHO_UNKNOWN:
		return true;
	case WHO_DEVICE:
		return w->index < image_count(i, SEC_DEVICES);
	case WHO_PERSON:
	case WHO_GROUP:
		return w->index < image_count(i, SEC_PARTIES);
	default:
		return false;
	}
}

static bool setting_in(const struct image *i, const struct img_setting *s)
{
	return s->answer <= ANSWER_NO_NAME && line_in(i, s->line);
}

static const char *check_blocks(const struct image *i)
{
	const struct img_line *line = image_at(i, SEC_LINES);
	const struct img_list *list = image_at(i, SEC_LISTS);
	const struct img_term *term = image_at(i, SEC_TERMS);
	const struct img_block *block = image_at(i, SEC_BLOCKS);
	const struct img_who *who = image_at(i, SEC_WHO);
	uint32_t bad = image_count(i, SEC_LINES) == 0;
	for (uint32_t k = 0; k < image_count(i, SEC_LINES); k++)
		bad |= !text_in(i, line[k].text) || !text_in(i, line[k].because) ||
		       !id_in(i, line[k].id);
	for (uint32_t k = 0; k < image_count(i, SEC_LISTS); k++)
		bad |= !text_in(i, list[k].name);
	for (uint32_t k = 0; k < image_count(i, SEC_TERMS); k++)
		bad |= !text_in(i, term[k].word) || !text_in(i, term[k].names) || k >= i->n_sets;
	for (uint32_t k = 0; k < image_count(i, SEC_BLOCKS); k++)
		bad |= !line_in(i, block[k].line) || !slice_in(i, block[k].who, SEC_WHO) ||
		       !slice_in(i, block[k].rules, SEC_RULES) ||
		       !setting_in(i, &block[k].no_name) ||
		       !setting_in(i, &block[k].hidden_names) || !setting_in(i, &block[k].evasive);
	for (uint32_t k = 0; k < image_count(i, SEC_WHO); k++)
		bad |= !who_in(i, &who[k]);
	return bad ? "a block or a line points outside the image" : NULL;
}

static bool what_in(const struct image *i, const struct img_what *w)
{
	switch (w->kind) {
	case WHAT_EVERYTHING:
	case WHAT_LOCAL_NETWORKS:
		return true;
	case WHAT_NAME:
	case WHAT_LIST:
	case WHAT_APP:
	case WHAT_SET:
		return w->set < i->n_sets;
	case WHAT_NET:
		return slice_in(i, w->part, SEC_RANGES);
	case WHAT_PORT:
		return slice_in(i, w->part, SEC_PORTS);
	default:
		return false;
	}
}

static const char *check_rules(const struct image *i)
{
	const struct img_rule *rule = image_at(i, SEC_RULES);
	const struct img_line *line = image_at(i, SEC_LINES);
	const struct img_what *what = image_at(i, SEC_WHATS);
	const struct img_window *window = image_at(i, SEC_WINDOWS);
	const struct tz_change *tz = image_at(i, SEC_TZ);
	uint32_t bad = 0;
	for (uint32_t k = 0; k < image_count(i, SEC_RULES); k++)
		bad |= !line_in(i, rule[k].line) || !*image_text(i, line[rule[k].line].id) ||
		       rule[k].refuse > REFUSE_PAGE || !slice_in(i, rule[k].whats, SEC_WHATS) ||
		       !slice_in(i, rule[k].windows, SEC_WINDOWS);
	for (uint32_t k = 0; k < image_count(i, SEC_WHATS); k++)
		bad |= !what_in(i, &what[k]);
	for (uint32_t k = 0; k < image_count(i, SEC_WINDOWS); k++)
		bad |= window[k].days > 127 || window[k].start_min >= 1440 ||
		       window[k].end_min <= window[k].start_min ||
		       window[k].end_min > window[k].start_min + 1440;
	for (uint32_t k = 0; k < image_count(i, SEC_TZ); k++)
		bad |= tz[k].offset_s > 7 * 86400 || tz[k].offset_s < -7 * 86400 ||
		       (k > 0 && tz[k].from_utc <= tz[k - 1].from_utc);
	return bad ? "a rule, its hours or the time zone is impossible" : NULL;
}

int image_check(const struct image *i, const char **why)
{
	static const char *(*const steps[])(const struct image *) = {
		check_sections, check_head, check_who, check_blocks, check_rules};
	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		const char *bad = steps[k](i);
		if (bad) {
			*why = bad;
			return -EINVAL;
		}
	}
	return 0;
}
