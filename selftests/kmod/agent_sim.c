// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent_sim.h"
#include "vmg.h"

/* The upper half of the privileged ones. */
#define SIM_PORTS	512

/* As often a test dials, or thereabouts. */
#define SIM_DIALS	16

static int sim_bind(int fd, unsigned int port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
	};
	static unsigned int next_port;
	int i;

	if (port) {
		addr.svm_port = port;
		return bind(fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
	}
	/*
	 * A pair of ports stays known to the transport for seconds after its
	 * connection has ended: another one for each, and for each test, which
	 * is a process of its own, others than for the one before.
	 */
	for (i = 0; i < SIM_PORTS; i++) {
		addr.svm_port = SIM_PORTS +
			(next_port++ + SIM_DIALS * getpid()) % SIM_PORTS;
		if (!bind(fd, (void *)&addr, sizeof(addr)))
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -errno;
}

static int sim_dial_once(struct sim *sim, unsigned int port)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = VMGUEST_WIRE_PORT,
	};
	int err;

	memset(sim, 0, sizeof(*sim));
	sim->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sim->fd < 0)
		return -errno;
	err = sim_bind(sim->fd, port);
	if (!err && connect(sim->fd, (void *)&host, sizeof(host)))
		err = -errno;
	if (err)
		sim_close(sim);
	return err;
}

/*
 * Programs that run for less than that while have tests whose processes take the
 * same ports: a pair that is still known answers nothing, the next one does.
 */
int sim_dial(struct sim *sim, unsigned int port)
{
	int tries = 3;
	int err;

	do
		err = sim_dial_once(sim, port);
	while (err == -ETIMEDOUT && !port && --tries);
	return err;
}

void sim_close(struct sim *sim)
{
	if (sim->fd >= 0)
		close(sim->fd);
	sim->fd = -1;
}

int sim_send_raw(struct sim *sim, const void *bytes, size_t len)
{
	ssize_t n = send(sim->fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int sim_send_frame(struct sim *sim, const struct vmguest_frame *frame)
{
	uint8_t buf[VMGUEST_FRAME_MAX];
	int len = vmguest_protocol_encode(frame, buf, sizeof(buf));

	return len < 0 ? len : sim_send_raw(sim, buf, len);
}

int sim_send(struct sim *sim, uint16_t type, uint64_t task_id)
{
	struct vmguest_frame frame = { .type = type, .task_id = task_id };

	return sim_send_frame(sim, &frame);
}

int sim_send_result(struct sim *sim, uint64_t task_id, uint32_t code,
		    uint32_t targeted, uint32_t left, const char *text)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_RESULT,
		.task_id = task_id,
		.result = {
			.code = code,
			.targeted = targeted,
			.ended = targeted - left,
			.left = left,
		},
		.text[VMGUEST_RESULT_TEXT] = { text, strlen(text) },
	};

	return sim_send_frame(sim, &frame);
}

int sim_send_last_breath(struct sim *sim, uint64_t task_id, uint32_t end)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_LAST_BREATH,
		.task_id = task_id,
		.last_breath.end = end,
	};

	return sim_send_frame(sim, &frame);
}

int sim_send_notice(struct sim *sim, uint32_t kind, uint32_t how,
		    uint32_t ended, uint32_t left, const char *who)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_NOTICE,
		.notice = {
			.kind = kind,
			.how = how,
			.ended = ended,
			.left = left,
		},
		.text[VMGUEST_NOTICE_WHO] = { who, strlen(who) },
	};

	return sim_send_frame(sim, &frame);
}

int sim_send_blocked(struct sim *sim, uint64_t task_id, uint32_t kind,
		     const char *who, const char *why)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_BLOCKED,
		.task_id = task_id,
		.blocked = { .kind = kind, .uid = 1000, .pid = 4711 },
		.text = {
			[VMGUEST_BLOCKED_WHO] = { who, strlen(who) },
			[VMGUEST_BLOCKED_WHY] = { why, strlen(why) },
		},
	};

	return sim_send_frame(sim, &frame);
}

static const char * const sim_info[VMGUEST_FRAME_TEXTS] = {
	[VMGUEST_HELLO_HOSTNAME]      = "sim",
	[VMGUEST_HELLO_OS_NAME]	      = "Simulated\x1b[31m",
	[VMGUEST_HELLO_OS_VERSION]    = "1",
	[VMGUEST_HELLO_KERNEL]	      = "none",
	[VMGUEST_HELLO_AGENT_VERSION] = "0",
};

int sim_hello(struct sim *sim, uint8_t boot, uint64_t capabilities,
	      uint32_t role)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_HELLO,
		.hello = {
			.capabilities = capabilities,
			.role = role,
			.sessions = 2,
		},
	};
	int i;

	memset(frame.hello.boot_id, boot, sizeof(frame.hello.boot_id));
	for (i = 0; i < VMGUEST_FRAME_TEXTS; i++) {
		frame.text[i].data = sim_info[i];
		frame.text[i].len = strlen(sim_info[i]);
	}
	return sim_send_frame(sim, &frame);
}

int sim_connect(struct sim *sim, uint8_t boot)
{
	int err = sim_dial(sim, 0);

	if (!err)
		err = sim_hello(sim, boot, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT);
	if (!err && !sim_expect(sim, VMGUEST_WIRE_WELCOME))
		err = -EPROTO;
	return err;
}

/* Return: whether a whole frame was taken off the buffer. */
static int sim_decode(struct sim *sim)
{
	int n;

	memcpy(sim->taken, sim->buf, sizeof(sim->taken));
	n = vmguest_protocol_decode(sim->taken, sim->len, VMGUEST_FROM_MODULE,
				    &sim->frame);
	if (n <= 0)
		return n;
	sim->len -= n;
	memmove(sim->buf, sim->buf + n, sim->len);
	sim->requests += sim->frame.type == VMGUEST_WIRE_REQUEST;
	return 1;
}

int sim_receive(struct sim *sim, int ms)
{
	struct pollfd pfd = { .fd = sim->fd, .events = POLLIN };
	ssize_t n;
	int ret;

	for (;;) {
		ret = sim_decode(sim);
		if (ret)
			return ret < 0 ? -1 : sim->frame.type;
		if (poll(&pfd, 1, ms) <= 0)
			return 0;
		n = recv(sim->fd, sim->buf + sim->len,
			 VMGUEST_FRAME_MAX - sim->len, 0);
		if (n <= 0)
			return -1;
		sim->len += n;
	}
}

bool sim_expect(struct sim *sim, uint16_t type)
{
	return sim_receive(sim, VMG_PATIENCE_MS) == type;
}

bool sim_accept(struct sim *sim, uint64_t *task_id)
{
	if (!sim_expect(sim, VMGUEST_WIRE_REQUEST))
		return false;
	*task_id = sim->frame.task_id;
	return !sim_send(sim, VMGUEST_WIRE_ACCEPTED, *task_id);
}

bool sim_commit(struct sim *sim, uint64_t task_id)
{
	return !sim_send(sim, VMGUEST_WIRE_COMMIT, task_id) &&
	       sim_expect(sim, VMGUEST_WIRE_GO) &&
	       sim->frame.task_id == task_id;
}
