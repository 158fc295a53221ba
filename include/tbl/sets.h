/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/sets.h - the built-in sets and their names (X-macro, included many times).
 *
 * BUILTIN_SET(ENUM, "word", "what it holds")       enum builtin_set (model/conf.h)
 * ECH_PUBLIC_NAME("name")                          a member of ech-public-names: that name only
 *
 * An outer name stands here when a service publishes it as the public_name of its ECH configurations (RFC 9849,
 * DNS type HTTPS): a hello with ECH and one of these hides its real name. With any other outer name ECH is taken for
 * grease, so a name must not stand here because it might one day be used.
 */
#ifdef BUILTIN_SET
BUILTIN_SET(ECH_PUBLIC_NAMES, "ech-public-names",
	"outer names behind which real names are encrypted (ECH)")
#endif
#ifdef ECH_PUBLIC_NAME
ECH_PUBLIC_NAME("cloudflare-ech.com")  /* every site behind Cloudflare with ECH on */
ECH_PUBLIC_NAME("cloudflare-esni.com") /* Cloudflare's earlier outer name */
ECH_PUBLIC_NAME("public.tls-ech.dev")  /* BoringSSL's test site */
ECH_PUBLIC_NAME("cover.defo.ie")       /* the DEfO project's servers */
#endif
