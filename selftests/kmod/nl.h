/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's netlink family over a bare socket, so that a test can also send
 * what no library would.
 */
#ifndef NL_H
#define NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#define NL_ATTRS	64
#define NL_BUF		(256 * 1024)

/**
 * struct nl_refusal - Why a request was refused
 * @error: 0 or a negative errno.
 * @type: The attribute that the kernel points at, 0 for none.
 * @missing: The attribute that it misses, 0 for none.
 * @text: What it says, empty for nothing.
 */
struct nl_refusal {
	int error;
	int type;
	int missing;
	char text[128];
};

/**
 * struct nl_message - One message of the family
 * @cmd: VMGUEST_CMD_*.
 * @flags: NLM_F_*.
 * @attr: The first attribute of each type, or NULL.
 * @count: How many of each type there are.
 */
struct nl_message {
	uint8_t cmd;
	uint16_t flags;
	const struct nlattr *attr[NL_ATTRS];
	unsigned int count[NL_ATTRS];
};

/**
 * struct nl - A socket
 * @fd: The socket, -1 for none.
 * @family: Id of the family.
 * @version: Its version.
 * @groups: Ids of its groups.
 * @ops: Flags of its commands (CTRL_ATTR_OP_FLAGS), 0 for none.
 * @seq: Of the last request.
 * @refusal: What became of it.
 * @interrupted: A message of its dump said so.
 * @request: The request being built.
 * @buf: What was received last, and before that.
 * @half: Which half of it was last.
 * @left: Bytes of it that were not looked at yet.
 * @next: Where they are.
 */
struct nl {
	int fd;
	uint16_t family;
	uint32_t version;
	uint32_t groups[2];
	uint32_t ops[32];
	uint32_t seq;
	struct nl_refusal refusal;
	bool interrupted;
	union {
		struct nlmsghdr header;
		char bytes[1024];
	} request;
	char *buf;
	int half;
	size_t left;
	struct nlmsghdr *next;
};

/* Return: 0 or a negative errno; -ENOENT when there is no such family here. */
int nl_open(struct nl *nl);
/* A new socket with what the old one has learnt of the family. */
int nl_reopen(struct nl *nl);
void nl_close(struct nl *nl);

/* @group: 0 for VMs, 1 for tasks. Return: 0 or a negative errno. */
int nl_join(struct nl *nl, unsigned int group);
int nl_limit(struct nl *nl, int bytes);

void nl_begin(struct nl *nl, uint8_t cmd, uint16_t flags);
void nl_put(struct nl *nl, uint16_t type, const void *data, size_t len);
void nl_put_u64(struct nl *nl, uint16_t type, uint64_t value);
void nl_put_u32(struct nl *nl, uint16_t type, uint32_t value);
void nl_put_string(struct nl *nl, uint16_t type, const char *text);
int nl_send(struct nl *nl);

/*
 * Receive the answers to what was sent, up to the acknowledgment or the end of
 * the dump. Return: 0 or a negative errno, which is also in @refusal.
 */
int nl_answer(struct nl *nl, void (*each)(const struct nl_message *message,
					  void *data), void *data);
int nl_call(struct nl *nl, void (*each)(const struct nl_message *message,
					void *data), void *data);

/* Return: 0 with the next event, -EAGAIN after @ms without one, or -ENOBUFS. */
int nl_event(struct nl *nl, struct nl_message *event, int ms);

uint64_t nl_u64(const struct nlattr *attr);
uint32_t nl_u32(const struct nlattr *attr);
const char *nl_text(const struct nlattr *attr);
size_t nl_len(const struct nlattr *attr);
bool nl_is(const struct nlattr *attr, const char *text);
struct nl_message nl_nested(const struct nlattr *attr);

#endif
