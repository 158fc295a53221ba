/* SPDX-License-Identifier: GPL-3.0-or-later
 * home.h - a small family's policy as conf/ would hand it over, for tests of the image alone.
 *
 *    1 timezone Europe/Berlin (two offsets only)
 *    2 device mia-phone mac a4:83:e7:10:22:31       3 device printer ip 192.0.2.40 2001:db8:1::40
 *    4 person mia owns mia-phone    5 group kids mia     6 group office net 192.0.2.0/25     7 group all kids office
 *    8 list adult    9 app school *.school.example =classroom.example    10 hours bedtime sun-thu 20:30-07:00
 *   11 for everyone
 *   12   block malware.example firm because "Known harmful site"
 *   13 for kids
 *   14   allow school
 *   15   block everything hours bedtime because "Bedtime"
 *   16   block adult
 *   17 for unknown-devices
 *   18   block local-networks
 *   19 for all
 *   20   watch block port tcp/25
 *   21   block port tcp/25 icmp net 203.0.113.0/24
 *   22   no-name tcp
 *   23 otherwise allow
 */
#ifndef TEST_HOME_H
#define TEST_HOME_H

#include "decide/compile.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define V4(...)                                                                                    \
	{                                                                                          \
		{                                                                                  \
			[10] = 0xff, 0xff, __VA_ARGS__                                             \
		}                                                                                  \
	}

static struct mac home_mac[] = {{{0xa4, 0x83, 0xe7, 0x10, 0x22, 0x31}}};
static struct addr home_addr[] = {V4(192, 0, 2, 40), {{0x20, 1, 0xd, 0xb8, 0, 1, [15] = 0x40}}};
static struct conf_device home_devices[] = {
	{.name = "mia-phone", .macs = home_mac, .n_macs = 1},
	{.name = "printer", .addrs = home_addr, .n_addrs = 2},
};
static struct conf_who home_mia_owns[] = {{.kind = WHO_DEVICE, .index = 0}};
static struct conf_person home_persons[] = {{.name = "mia", .owns = home_mia_owns, .n_owns = 1}};
static struct conf_who home_all[] = {{WHO_GROUP, 1, {0}}, {WHO_GROUP, 2, {0}}};
static struct conf_who home_kids[] = {{WHO_PERSON, 0, {0}}};
static struct cidr home_office[] = {{V4(192, 0, 2, 0), 121}};
static struct conf_group home_groups[] = {
	{.name = "all", .members = home_all, .n_members = 2},
	{.name = "kids", .members = home_kids, .n_members = 1},
	{.name = "office", .nets = home_office, .n_nets = 1},
};
static struct conf_list home_lists[] = {{.name = "adult", .path = "adult.txt"}};
static struct conf_name home_adult[] = {{"casino.example", SCOPE_BELOW_AND_SELF, 7},
	{"casino.example", SCOPE_BELOW_AND_SELF, 3}, {"bet.casino.example", SCOPE_SELF, 9},
	{"adult.test", SCOPE_BELOW, 11}};
static struct conf_name home_except[] = {{"safe.adult.test", SCOPE_BELOW_AND_SELF, 12}};
static struct list_names home_list_names[] = {
	{.names = home_adult, .n = 4, .exceptions = home_except, .n_exceptions = 1, .lines = 12}};
static struct conf_name home_school[] = {
	{"school.example", SCOPE_BELOW, 9}, {"classroom.example", SCOPE_SELF, 9}};
static struct conf_app home_apps[] = {{.name = "school", .names = home_school, .n_names = 2}};
static struct conf_window home_bedtime[] = {{0x4f, 1230, 1440 + 420}};
static struct conf_hours home_hours[] = {
	{.name = "bedtime", .windows = home_bedtime, .n_windows = 1}};
static struct conf_port home_ports[] = {
	{PORT_PORTS, IPPROTO_TCP, 25, 25}, {PORT_PROTO, IPPROTO_ICMP, 0, 0}};
static struct cidr home_net[] = {{V4(203, 0, 113, 0), 120}};
static struct conf_what home_malware[] = {
	{.kind = WHAT_NAME, .name = {"malware.example", SCOPE_BELOW_AND_SELF, 12}}};
static struct conf_what home_school_what[] = {{.kind = WHAT_APP, .index = 0}};
static struct conf_what home_everything[] = {{.kind = WHAT_EVERYTHING}};
static struct conf_what home_adult_what[] = {{.kind = WHAT_LIST, .index = 0}};
static struct conf_what home_local[] = {{.kind = WHAT_LOCAL_NETWORKS}};
static struct conf_what home_smtp[] = {{.kind = WHAT_PORT, .ports = home_ports, .n_ports = 1}};
static struct conf_what home_other[] = {{.kind = WHAT_PORT, .ports = home_ports, .n_ports = 2},
	{.kind = WHAT_NET, .nets = home_net, .n_nets = 1}};
static uint32_t home_at_bedtime[] = {0};

static struct conf_rule home_rules_everyone[] = {{.line = 12,
	.id = "rule-12",
	.text = "block malware.example firm because \"Known harmful site\"",
	.block = true,
	.firm = true,
	.because = "Known harmful site",
	.whats = home_malware,
	.n_whats = 1}};
static struct conf_rule home_rules_kids[] = {
	{.line = 14,
		.id = "rule-14",
		.text = "allow school",
		.whats = home_school_what,
		.n_whats = 1},
	{.line = 15,
		.id = "rule-15",
		.text = "block everything hours bedtime because \"Bedtime\"",
		.block = true,
		.because = "Bedtime",
		.whats = home_everything,
		.n_whats = 1,
		.hours = home_at_bedtime,
		.n_hours = 1},
	{.line = 16,
		.id = "rule-16",
		.text = "block adult",
		.block = true,
		.whats = home_adult_what,
		.n_whats = 1},
};
static struct conf_rule home_rules_unknown[] = {{.line = 18,
	.id = "rule-18",
	.text = "block local-networks",
	.block = true,
	.whats = home_local,
	.n_whats = 1}};
static struct conf_rule home_rules_all[] = {
	{.line = 20,
		.id = "rule-20",
		.text = "watch block port tcp/25",
		.watch = true,
		.block = true,
		.whats = home_smtp,
		.n_whats = 1},
	{.line = 21,
		.id = "rule-21",
		.text = "block port tcp/25 icmp net 203.0.113.0/24",
		.block = true,
		.whats = home_other,
		.n_whats = 2},
};
static struct conf_who home_for_everyone[] = {{WHO_EVERYONE, 0, {0}}};
static struct conf_who home_for_kids[] = {{WHO_GROUP, 1, {0}}};
static struct conf_who home_for_unknown[] = {{WHO_UNKNOWN, 0, {0}}};
static struct conf_who home_for_all[] = {{WHO_GROUP, 0, {0}}};
#define HOME_BLOCK(at, words, w, r)                                                                \
	.pos = {at, 1, 3}, .text = words, .who = w, .n_who = 1, .rules = r, .n_rules = N(r)
static struct conf_block home_blocks[] = {
	{HOME_BLOCK(11, "for everyone", home_for_everyone, home_rules_everyone)},
	{HOME_BLOCK(13, "for kids", home_for_kids, home_rules_kids)},
	{HOME_BLOCK(17, "for unknown-devices", home_for_unknown, home_rules_unknown)},
	{HOME_BLOCK(19, "for all", home_for_all, home_rules_all),
		.no_name = {ANSWER_TCP, 22, "no-name tcp", "setting-22"}},
};
static struct conf home_conf = {
	.timezone = "Europe/Berlin",
	.fail = FAIL_OPEN,
	.devices = home_devices,
	.n_devices = N(home_devices),
	.persons = home_persons,
	.n_persons = N(home_persons),
	.groups = home_groups,
	.n_groups = N(home_groups),
	.lists = home_lists,
	.n_lists = N(home_lists),
	.apps = home_apps,
	.n_apps = N(home_apps),
	.hours = home_hours,
	.n_hours = N(home_hours),
	.blocks = home_blocks,
	.n_blocks = N(home_blocks),
	.otherwise_line = 23,
	.otherwise_text = "otherwise allow",
};
/* summer time of 2026 only */
static struct tz_change home_tz[] = {
	{INT64_MIN, 3600}, {1774746000 /* 2026-03-29 01:00Z */, 7200}, {1792890000, 3600}};
static struct cidr home_connected[] = {{V4(192, 0, 2, 0), 120}};
static struct compile_in home_in = {
	.conf = &home_conf,
	.lists = home_list_names,
	.tz = home_tz,
	.n_tz = N(home_tz),
	.local_nets = home_connected,
	.n_local_nets = 1,
	.revision = 7,
	.seed = "0123456789abcde",
};

#endif
