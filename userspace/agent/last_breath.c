// SPDX-License-Identifier: GPL-2.0
/*
 * The last breath of a guest whose agent has ended already: one connection of a
 * role of its own, for systemd's system-shutdown folder.
 *
 * The guest's end waits for this, so it is bounded as a whole and its failure is
 * nobody's.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "dial.h"

#define LAST_BREATH_TIMEOUT_MS	2000

/**
 * struct breath - A connection that brings the last breath
 * @fd: Its socket.
 * @deadline: When to give up, in now_ms().
 * @buf: Bytes received.
 * @len: How many.
 */
struct breath {
	int fd;
	__u64 deadline;
	__u8 buf[VMGUEST_FRAME_MAX];
	size_t len;
};

static int breath_wait(struct breath *breath, short events)
{
	struct pollfd pfd = { .fd = breath->fd, .events = events };
	__u64 now = now_ms();
	int n;

	if (now >= breath->deadline)
		return -ETIMEDOUT;
	n = poll(&pfd, 1, breath->deadline - now);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int breath_send(struct breath *breath, const struct vmguest_frame *frame)
{
	__u8 buf[VMGUEST_FRAME_MAX];
	int len, err;
	ssize_t n;

	len = vmguest_protocol_encode(frame, buf, sizeof(buf));
	if (len < 0)
		return len;
	do {
		err = breath_wait(breath, POLLOUT);
		if (err)
			return err;
		n = send(breath->fd, buf, len, MSG_NOSIGNAL);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return -errno;
	/* An empty socket takes a small frame whole. */
	return n == len ? 0 : -EIO;
}

/* Wait for one frame of @type; a ping on the way is passed over. */
static int breath_expect(struct breath *breath, __u16 type,
			 struct vmguest_frame *frame)
{
	ssize_t n;
	int err;

	for (;;) {
		n = vmguest_protocol_decode(breath->buf, breath->len,
					    VMGUEST_FROM_MODULE, frame);
		if (n < 0)
			return n;
		if (n) {
			breath->len -= n;
			memmove(breath->buf, breath->buf + n, breath->len);
			if (frame->type == type)
				return 0;
			if (frame->type == VMGUEST_WIRE_PING)
				continue;
			return -ECONNREFUSED;
		}
		err = breath_wait(breath, POLLIN);
		if (err)
			return err;
		n = recv(breath->fd, breath->buf + breath->len,
			 sizeof(breath->buf) - breath->len, 0);
		if (n > 0)
			breath->len += n;
		else if (!n)
			return -ECONNRESET;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

static int breath_connect(struct breath *breath, const struct options *options)
{
	int err = 0;
	socklen_t len = sizeof(err);

	breath->fd = dial(options);
	if (breath->fd < 0)
		return breath->fd;
	err = breath_wait(breath, POLLOUT);
	if (err)
		return err;
	if (getsockopt(breath->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static int breath_greet(struct breath *breath, struct state *state)
{
	struct vmguest_frame frame = { };
	struct info info;
	int err;

	info_read(&info);
	info_hello(&info, &frame);
	memcpy(frame.hello.boot_id, state->boot_id, ID_SIZE);
	memcpy(frame.hello.instance, state->instance, ID_SIZE);
	frame.hello.capabilities = VMGUEST_CAP_LAST_BREATH;
	frame.hello.role = VMGUEST_ROLE_LAST_BREATH;
	err = breath_send(breath, &frame);
	if (err)
		return err;
	err = breath_expect(breath, VMGUEST_WIRE_WELCOME, &frame);
	if (err)
		return err;
	/* A host that started anew does not know the task. */
	if (memcmp(frame.welcome.instance, state->instance, ID_SIZE))
		state->task = 0;
	return 0;
}

static int breath_say(struct breath *breath, const struct options *options,
		      struct state *state)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_LAST_BREATH,
		.last_breath.end = options->last_breath,
	};
	int err;

	err = breath_connect(breath, options);
	if (err)
		return err;
	err = breath_greet(breath, state);
	if (err)
		return err;
	frame.task_id = state->task;
	err = breath_send(breath, &frame);
	if (err)
		return err;
	return breath_expect(breath, VMGUEST_WIRE_LAST_BREATH_ACK, &frame);
}

int last_breath_run(const struct options *options)
{
	struct breath breath = {
		.fd = -1,
		.deadline = now_ms() + LAST_BREATH_TIMEOUT_MS,
	};
	__u8 boot_id[ID_SIZE];
	struct state state;
	int err;

	if (options->has_boot_id)
		memcpy(boot_id, options->boot_id, ID_SIZE);
	else
		info_boot_id(boot_id);
	state_load(&state, options->task_file, boot_id);
	err = breath_say(&breath, options, &state);
	if (breath.fd >= 0)
		close(breath.fd);
	if (err)
		log_task(LOG_WARNING, state.task, "last breath not heard: %s",
			 strerror(-err));
	else
		log_task(LOG_INFO, state.task, "last breath heard: %s",
			 end_name(options->last_breath));
	return EXIT_SUCCESS;
}
