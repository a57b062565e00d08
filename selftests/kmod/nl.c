// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/vmguest_netlink.h>

#include "nl.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

static const void *nl_data(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

size_t nl_len(const struct nlattr *attr)
{
	return attr->nla_len - NLA_HDRLEN;
}

/* What is absent is 0: no test expects that of what it reads. */
uint64_t nl_u64(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (attr && nl_len(attr) == sizeof(value))
		memcpy(&value, nl_data(attr), sizeof(value));
	return value;
}

uint32_t nl_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (attr && nl_len(attr) == sizeof(value))
		memcpy(&value, nl_data(attr), sizeof(value));
	return value;
}

const char *nl_text(const struct nlattr *attr)
{
	return attr ? nl_data(attr) : "";
}

/* A text that is not terminated. */
bool nl_is(const struct nlattr *attr, const char *text)
{
	return attr && nl_len(attr) == strlen(text) &&
	       !memcmp(nl_data(attr), text, nl_len(attr));
}

static struct nl_message nl_parse(const void *attrs, size_t len)
{
	struct nl_message message = { };
	const struct nlattr *attr;
	size_t step;
	int type;

	while (len >= NLA_HDRLEN) {
		attr = attrs;
		type = attr->nla_type & NLA_TYPE_MASK;
		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > len)
			break;
		if (type < NL_ATTRS && !message.count[type]++)
			message.attr[type] = attr;
		step = NLA_ALIGN(attr->nla_len);
		if (step >= len)
			break;
		len -= step;
		attrs = (const char *)attrs + step;
	}
	return message;
}

struct nl_message nl_nested(const struct nlattr *attr)
{
	struct nl_message none = { };

	return attr ? nl_parse(nl_data(attr), nl_len(attr)) : none;
}

static void nl_begin_to(struct nl *nl, uint16_t family, uint8_t cmd,
			uint16_t flags)
{
	struct genlmsghdr *genl = NLMSG_DATA(&nl->request.header);

	memset(&nl->request, 0, sizeof(nl->request));
	nl->request.header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	nl->request.header.nlmsg_type = family;
	nl->request.header.nlmsg_flags = NLM_F_REQUEST | flags;
	nl->request.header.nlmsg_seq = ++nl->seq;
	genl->cmd = cmd;
	genl->version = 1;
}

void nl_begin(struct nl *nl, uint8_t cmd, uint16_t flags)
{
	nl_begin_to(nl, nl->family, cmd, flags | NLM_F_ACK);
}

void nl_put(struct nl *nl, uint16_t type, const void *data, size_t len)
{
	struct nlmsghdr *header = &nl->request.header;
	struct nlattr *attr;

	attr = (struct nlattr *)(nl->request.bytes +
				 NLMSG_ALIGN(header->nlmsg_len));
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) +
			    NLA_ALIGN(attr->nla_len);
}

void nl_put_u64(struct nl *nl, uint16_t type, uint64_t value)
{
	nl_put(nl, type, &value, sizeof(value));
}

void nl_put_u32(struct nl *nl, uint16_t type, uint32_t value)
{
	nl_put(nl, type, &value, sizeof(value));
}

void nl_put_string(struct nl *nl, uint16_t type, const char *text)
{
	nl_put(nl, type, text, strlen(text) + 1);
}

int nl_send(struct nl *nl)
{
	nl->interrupted = false;
	memset(&nl->refusal, 0, sizeof(nl->refusal));
	if (send(nl->fd, &nl->request, nl->request.header.nlmsg_len, 0) < 0)
		return -errno;
	return 0;
}

/* Return: the next message, or NULL with errno. */
static struct nlmsghdr *nl_next(struct nl *nl, int ms)
{
	struct pollfd pfd = { .fd = nl->fd, .events = POLLIN };
	struct nlmsghdr *header;
	ssize_t len;

	if (!nl->left || !NLMSG_OK(nl->next, nl->left)) {
		if (poll(&pfd, 1, ms) <= 0) {
			errno = EAGAIN;
			return NULL;
		}
		/* What was received before stays, for one time. */
		nl->half = !nl->half;
		nl->next = (struct nlmsghdr *)(nl->buf + nl->half * NL_BUF);
		len = recv(nl->fd, nl->next, NL_BUF, 0);
		nl->left = len < 0 ? 0 : len;
		if (len < 0)
			return NULL;
	}
	header = nl->next;
	if (NLMSG_ALIGN(header->nlmsg_len) >= nl->left)
		nl->left = 0;
	else
		nl->next = NLMSG_NEXT(header, nl->left);
	return header;
}

static struct nl_message nl_message(const struct nlmsghdr *header)
{
	const struct genlmsghdr *genl = NLMSG_DATA(header);
	struct nl_message message;

	message = nl_parse((const char *)genl + GENL_HDRLEN,
			   header->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
	message.cmd = genl->cmd;
	message.flags = header->nlmsg_flags;
	return message;
}

/* The kernel counts from the start of the request. */
static int nl_type_at(const struct nl *nl, uint32_t offset)
{
	const struct nlattr *attr;

	if (offset + sizeof(*attr) > nl->request.header.nlmsg_len)
		return -1;
	attr = (const struct nlattr *)(nl->request.bytes + offset);
	return attr->nla_type & NLA_TYPE_MASK;
}

static void nl_refused(struct nl *nl, const struct nlmsghdr *header)
{
	const struct nlmsgerr *err = NLMSG_DATA(header);
	struct nl_message tlvs = { };
	size_t fixed = header->nlmsg_type == NLMSG_DONE ?
		       sizeof(int) : sizeof(*err);
	const char *text;

	nl->refusal.error = err->error;
	if (header->nlmsg_flags & NLM_F_ACK_TLVS)
		tlvs = nl_parse((const char *)err + fixed,
				header->nlmsg_len - NLMSG_LENGTH(fixed));
	text = nl_text(tlvs.attr[NLMSGERR_ATTR_MSG]);
	strncpy(nl->refusal.text, text, sizeof(nl->refusal.text) - 1);
	if (tlvs.attr[NLMSGERR_ATTR_OFFS])
		nl->refusal.type =
			nl_type_at(nl, nl_u32(tlvs.attr[NLMSGERR_ATTR_OFFS]));
	nl->refusal.missing = nl_u32(tlvs.attr[NLMSGERR_ATTR_MISS_TYPE]);
}

int nl_answer(struct nl *nl, void (*each)(const struct nl_message *message,
					  void *data), void *data)
{
	const struct nlmsghdr *header;
	struct nl_message message;

	do {
		header = nl_next(nl, 20000);
		if (!header)
			return -errno;
		if (header->nlmsg_flags & NLM_F_DUMP_INTR)
			nl->interrupted = true;
		if (header->nlmsg_type < NLMSG_MIN_TYPE)
			break;
		message = nl_message(header);
		if (each && header->nlmsg_seq == nl->seq)
			each(&message, data);
	} while (true);
	nl_refused(nl, header);
	return nl->refusal.error;
}

int nl_call(struct nl *nl, void (*each)(const struct nl_message *message,
					void *data), void *data)
{
	int err = nl_send(nl);

	return err ?: nl_answer(nl, each, data);
}

int nl_event(struct nl *nl, struct nl_message *event, int ms)
{
	const struct nlmsghdr *header = nl_next(nl, ms);

	if (!header)
		return -errno;
	*event = nl_message(header);
	return 0;
}

static void nl_learn_ops(struct nl *nl, const struct nlattr *ops)
{
	struct nl_message list = nl_nested(ops);
	struct nl_message op;
	unsigned int i, id;

	for (i = 0; i < NL_ATTRS; i++) {
		op = nl_nested(list.attr[i]);
		id = nl_u32(op.attr[CTRL_ATTR_OP_ID]);
		if (id < 32)
			nl->ops[id] = nl_u32(op.attr[CTRL_ATTR_OP_FLAGS]);
	}
}

static void nl_learn(const struct nl_message *family, void *data)
{
	const struct nlattr *id = family->attr[CTRL_ATTR_FAMILY_ID];
	struct nl_message groups, group;
	struct nl *nl = data;
	unsigned int i;

	memcpy(&nl->family, nl_data(id), sizeof(nl->family));
	nl->version = nl_u32(family->attr[CTRL_ATTR_VERSION]);
	nl_learn_ops(nl, family->attr[CTRL_ATTR_OPS]);
	groups = nl_nested(family->attr[CTRL_ATTR_MCAST_GROUPS]);
	for (i = 0; i < NL_ATTRS; i++) {
		const char *name;
		uint32_t group_id;

		group = nl_nested(groups.attr[i]);
		name = nl_text(group.attr[CTRL_ATTR_MCAST_GRP_NAME]);
		group_id = nl_u32(group.attr[CTRL_ATTR_MCAST_GRP_ID]);
		if (!strcmp(name, VMGUEST_MCGRP_VM))
			nl->groups[0] = group_id;
		if (!strcmp(name, VMGUEST_MCGRP_TASK))
			nl->groups[1] = group_id;
	}
}

int nl_reopen(struct nl *nl)
{
	const int on = 1;

	if (nl->fd >= 0)
		close(nl->fd);
	nl->left = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0)
		return -errno;
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

int nl_open(struct nl *nl)
{
	int err;

	memset(nl, 0, sizeof(*nl));
	nl->fd = -1;
	nl->buf = malloc(2 * NL_BUF);
	if (!nl->buf)
		return -ENOMEM;
	err = nl_reopen(nl);
	if (err)
		return err;
	nl_begin_to(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	nl_put_string(nl, CTRL_ATTR_FAMILY_NAME, VMGUEST_FAMILY_NAME);
	return nl_call(nl, nl_learn, nl);
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl->buf);
	nl->fd = -1;
	nl->buf = NULL;
}

int nl_join(struct nl *nl, unsigned int group)
{
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
		       &nl->groups[group], sizeof(nl->groups[group])))
		return -errno;
	return 0;
}

/* The kernel doubles it. */
int nl_limit(struct nl *nl, int bytes)
{
	if (setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		       sizeof(bytes)))
		return -errno;
	return 0;
}
