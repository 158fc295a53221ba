/* SPDX-License-Identifier: GPL-3.0-or-later
 * lsm.c - a small program for the kernel: netfilter messages of one user are about packet queues, or about connections that
 * are there, or are refused.
 *
 *   other user, other protocol, other network namespace          pass
 *   each message of the datagram: subsystem NFNL_SUBSYS_QUEUE     pass
 *   ... IPCTNL_MSG_CT_GET; IPCTNL_MSG_CT_NEW without NLM_F_CREATE  pass: looks at connections, changes one
 *   a message that the kernel would not read (cut, too short)     pass: it and what follows is not read
 *   anything else, or more messages than MESSAGES                -EPERM
 *
 * Written as instructions, with the places of fields from the kernel's own BTF: no compiler for BPF is needed to build it.
 *
 * Owns: see the door. Thread: one. Fails: -errno. See: netlink_rcv_skb() in net/netlink/af_netlink.c, nfnetlink_rcv().
 */
#include "netsetup/lsm.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MESSAGES = 1024,
	CODE_MAX = 64,
	TRY_S = 10,
	CONN_LOOK = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
	CONN_CHANGE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
};

/* Bytes from the beginning of the struct; -1: this kernel has no such field. */
struct places {
	int protocol, net, inum, data, len;
	int hook; /* BTF id of the function that the program takes the place of */
};

/* --- where fields are --- */

static const struct btf_type *struct_of(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
}

/* In this struct, or in a nameless one within it. *type: of the field. */
static int member(const struct btf *btf, const struct btf_type *t, const char *name, __u32 *type)
{
	for (int i = 0; t && i < btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;
		const char *n = btf__name_by_offset(btf, m->name_off);
		int at = (int)btf_member_bit_offset(t, (__u32)i) / 8, in;

		if (n && strcmp(n, name) == 0) {
			*type = m->type;
			return at;
		}
		if (n && *n)
			continue;
		in = member(btf, btf__type_by_id(btf, m->type), name, type);
		if (in >= 0)
			return at + in;
	}
	return -1;
}

static const struct btf_type *type_of(const struct btf *btf, __u32 id)
{
	int rc = btf__resolve_type(btf, id); /* past typedefs and qualifiers */

	return rc < 0 ? NULL : btf__type_by_id(btf, (__u32)rc);
}

/* "a.b.c" from a struct on: structs within structs, no pointers on the way. */
static int place(const struct btf *btf, const char *start, const char *const *names)
{
	const struct btf_type *t = struct_of(btf, start);
	int sum = 0;

	for (; *names; names++) {
		__u32 type = 0;
		int at = member(btf, t, *names, &type);

		if (at < 0)
			return -1;
		sum += at;
		t = type_of(btf, type);
	}
	return sum;
}

#define PLACE(btf, start, ...) place(btf, start, (const char *const[]){__VA_ARGS__, NULL})

static int find_places(struct places *p)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return -errno;
	p->protocol = PLACE(btf, "sock", "sk_protocol");
	p->net = PLACE(btf, "sock", "__sk_common", "skc_net", "net");
	p->inum = PLACE(btf, "net", "ns", "inum");
	p->data = PLACE(btf, "sk_buff", "data");
	p->len = PLACE(btf, "sk_buff", "len");
	p->hook = btf__find_by_name_kind(btf, "bpf_lsm_netlink_send", BTF_KIND_FUNC);
	btf__free(btf);
	if (p->protocol < 0 || p->net < 0 || p->inum < 0 || p->data < 0 || p->len < 0)
		return -EOPNOTSUPP;
	return p->hook > 0 ? 0 : -EOPNOTSUPP;
}

/* --- the program --- */

struct code {
	struct bpf_insn at[CODE_MAX];
	int n;
	int to_pass[16], to_refuse[16]; /* jumps whose aim is not known yet */
	int n_pass, n_refuse;
};

static void put(struct code *c, int op, int dst, int src, int off, int imm)
{
	c->at[c->n++] = (struct bpf_insn){.code = (__u8)op,
		.dst_reg = (__u8)(dst & 0xf),
		.src_reg = (__u8)(src & 0xf),
		.off = (__s16)off,
		.imm = imm};
}

static void load(struct code *c, int size, int dst, int src, int off)
{
	put(c, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static void move(struct code *c, int dst, int src)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/* dst OP value: the lower half, the upper one becomes 0 */
static void half(struct code *c, int op, int dst, int value)
{
	put(c, BPF_ALU | op | BPF_K, dst, 0, 0, value);
}

static void pass_if(struct code *c, int op, int dst, int src, int imm)
{
	c->to_pass[c->n_pass++] = c->n;
	put(c, BPF_JMP32 | op, dst, src, 0, imm);
}

static void refuse_if(struct code *c, int op, int dst, int imm)
{
	c->to_refuse[c->n_refuse++] = c->n;
	put(c, BPF_JMP32 | op | BPF_K, dst, 0, 0, imm);
}

static void aim(struct code *c, const int *jumps, int n)
{
	for (int i = 0; i < n; i++)
		c->at[jumps[i]].off = (__s16)(c->n - jumps[i] - 1);
}

/* r9 the datagram, r7 its length; other senders and receivers pass */
static void put_whose(struct code *c, const struct places *p, uid_t uid, uint32_t netns)
{
	move(c, 6, 1);
	put(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_uid_gid);
	pass_if(c, BPF_JNE | BPF_K, 0, 0, (int)uid);
	load(c, BPF_DW, 7, 6, 0); /* struct sock * */
	load(c, BPF_H, 1, 7, p->protocol);
	pass_if(c, BPF_JNE | BPF_K, 1, 0, NETLINK_NETFILTER);
	load(c, BPF_DW, 1, 7, p->net);
	load(c, BPF_W, 1, 1, p->inum);
	pass_if(c, BPF_JNE | BPF_K, 1, 0, (int)netns);
	load(c, BPF_DW, 8, 6, 8); /* struct sk_buff * */
	load(c, BPF_DW, 9, 8, p->data);
	load(c, BPF_W, 7, 8, p->len);
}

/* r2 nlmsg_type, r3 nlmsg_flags */
static void put_what(struct code *c)
{
	move(c, 4, 2);
	half(c, BPF_RSH, 4, 8);
	put(c, BPF_JMP32 | BPF_JEQ | BPF_K, 4, 0, 4, NFNL_SUBSYS_QUEUE); /* past this */
	put(c, BPF_JMP32 | BPF_JEQ | BPF_K, 2, 0, 3, CONN_LOOK);
	refuse_if(c, BPF_JNE, 2, CONN_CHANGE);
	half(c, BPF_AND, 3, NLM_F_CREATE);
	refuse_if(c, BPF_JNE, 3, 0);
}

/* As the kernel goes from message to message: r8 counts, the head is read to the stack. */
static void put_loop(struct code *c)
{
	int loop;

	half(c, BPF_MOV, 8, 0);
	loop = c->n;
	pass_if(c, BPF_JLT | BPF_K, 7, 0, NLMSG_HDRLEN);
	move(c, 1, 10);
	put(c, BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8);
	half(c, BPF_MOV, 2, 8);
	move(c, 3, 9);
	put(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel);
	refuse_if(c, BPF_JNE, 0, 0);
	load(c, BPF_W, 1, 10, -8); /* nlmsg_len */
	load(c, BPF_H, 2, 10, -4); /* nlmsg_type */
	load(c, BPF_H, 3, 10, -2); /* nlmsg_flags */
	pass_if(c, BPF_JLT | BPF_K, 1, 0, NLMSG_HDRLEN);
	pass_if(c, BPF_JGT | BPF_X, 1, 7, 0);
	put_what(c);
	half(c, BPF_ADD, 1, NLMSG_ALIGNTO - 1);
	half(c, BPF_AND, 1, ~(NLMSG_ALIGNTO - 1));
	pass_if(c, BPF_JGE | BPF_X, 1, 7, 0); /* that was the last one */
	put(c, BPF_ALU64 | BPF_ADD | BPF_X, 9, 1, 0, 0);
	put(c, BPF_ALU | BPF_SUB | BPF_X, 7, 1, 0, 0);
	half(c, BPF_ADD, 8, 1);
	put(c, BPF_JMP32 | BPF_JLT | BPF_K, 8, 0, loop - c->n - 1, MESSAGES);
}

static void put_answers(struct code *c)
{
	aim(c, c->to_refuse, c->n_refuse);
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -EPERM);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	aim(c, c->to_pass, c->n_pass);
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int attach(const struct code *c, int hook)
{
	struct bpf_prog_load_opts opts = {.sz = sizeof opts,
		.expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = (__u32)hook};
	int link, prog = bpf_prog_load(
			  BPF_PROG_TYPE_LSM, "durward", "GPL", c->at, (size_t)c->n, &opts);

	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open(NULL, prog);
	close(prog); /* the link holds it */
	return link;
}

/* --- does it hold? --- */

/* A kernel may have the hook and not call it (lsm= at boot): a process of that user asks for something harmless. */
static int try_it(const struct priv_user *user)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *end = mnl_nlmsg_put_header(buf);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	end->nlmsg_type = NFNL_MSG_BATCH_END;
	end->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(end, sizeof(struct nfgenmsg));
	alarm(TRY_S);
	if (fd < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
		setresuid(user->uid, user->uid, user->uid) < 0)
		return 2;
	return sendto(fd, end, end->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0 &&
			       errno == EPERM
		       ? 0
		       : 1;
}

static bool holds(const struct priv_user *user)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_it(user));
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int lsm_verdicts_only(const struct priv_user *user, int *fd)
{
	struct places p = {0};
	struct code c = {.n = 0};
	struct stat ns;
	int rc, link;

	libbpf_set_print(NULL);
	rc = find_places(&p);
	if (rc != 0)
		return rc;
	if (stat("/proc/self/ns/net", &ns) < 0)
		return -errno;
	put_whose(&c, &p, user->uid, (uint32_t)ns.st_ino);
	put_loop(&c);
	put_answers(&c);
	link = attach(&c, p.hook);
	if (link < 0)
		return link;
	if (!holds(user)) {
		close(link);
		return -EOPNOTSUPP;
	}
	*fd = link;
	return 0;
}
