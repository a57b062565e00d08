// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent_sim.h"
#include "peer.h"
#include "sample.h"

/*
 * Longer than any answer takes. A clock that counts instructions jumps while all
 * wait for the disk, as a program that starts does: by any time.
 */
#define PEER_PATIENCE_MS	3600000

/* A program that was started is asked so often whether it listens. */
#define PEER_RETRY_MS		2

_Static_assert(PEER_FRAME == sizeof(struct vmguest_wire_header), "a bare frame");

void peer_ping(uint8_t frame[PEER_FRAME])
{
	const struct vmguest_frame ping = {
		.type = VMGUEST_WIRE_PING,
		.task_id = 1,
	};

	vmguest_protocol_encode(&ping, frame, PEER_FRAME);
}

pid_t peer_fork(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		sample_die(-errno, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	return 0;
}

struct peer_times *peer_share_times(void)
{
	void *times = mmap(NULL, sizeof(struct peer_times),
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);

	if (times == MAP_FAILED)
		sample_die(-errno, "mmap");
	return times;
}

int peer_listen(unsigned int *port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = VMADDR_PORT_ANY,
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 1) ||
	    getsockname(fd, (void *)&addr, &len))
		sample_die(-errno, "listen");
	*port = addr.svm_port;
	return fd;
}

int peer_accept(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	int fd = -1;

	if (poll(&pfd, 1, PEER_PATIENCE_MS) > 0)
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		sample_die(-errno, "nobody dials");
	close(listener);
	return fd;
}

int peer_dial(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (void *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void peer_note(const struct peer_times *times, volatile uint64_t *ns)
{
	if (times->wanted)
		*ns = sample_now_ns();
}

__attribute__((noreturn))
static void echo_serve(int fd, struct peer_times *times)
{
	uint8_t buf[PEER_FRAME];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		peer_note(times, &times->got_ns);
		if (send(fd, buf, n, MSG_NOSIGNAL) != n)
			break;
		peer_note(times, &times->sent_ns);
	}
	_exit(1);
}

struct peer peer_echo(void)
{
	struct peer peer = { .times = peer_share_times() };
	unsigned int port;
	int listener = peer_listen(&port);
	int fd;

	peer.pid = peer_fork();
	if (!peer.pid) {
		fd = peer_dial(VMADDR_CID_LOCAL, port);
		if (fd < 0)
			sample_die(fd, "dial");
		echo_serve(fd, peer.times);
	}
	peer.fd = peer_accept(listener);
	return peer;
}

static bool answer_ping(int fd, uint8_t *buf, ssize_t len)
{
	struct vmguest_frame frame;
	int n;

	n = vmguest_protocol_decode(buf, len, VMGUEST_FROM_MODULE, &frame);
	if (n != len || frame.type != VMGUEST_WIRE_PING)
		return false;
	frame.type = VMGUEST_WIRE_PONG;
	n = vmguest_protocol_encode(&frame, buf, len);
	return send(fd, buf, n, MSG_NOSIGNAL) == n;
}

/*
 * One PING at a time: what comes is one frame, or it is not what is measured.
 * The first one may have come with WELCOME.
 */
__attribute__((noreturn))
static void answer_serve(struct sim *sim, struct peer_times *times)
{
	ssize_t n = sim->len;

	if (!n)
		n = recv(sim->fd, sim->buf, PEER_FRAME, 0);
	while (n > 0) {
		peer_note(times, &times->got_ns);
		if (!answer_ping(sim->fd, sim->buf, n))
			break;
		peer_note(times, &times->sent_ns);
		n = recv(sim->fd, sim->buf, PEER_FRAME, 0);
	}
	sample_say("the lean agent has ended");
	_exit(1);
}

struct peer peer_answer(void)
{
	struct peer peer = { .fd = -1, .times = peer_share_times() };
	struct sim sim;
	int err;

	peer.pid = peer_fork();
	if (peer.pid)
		return peer;
	err = sim_connect(&sim, 1);
	if (err)
		sample_die(err, "the lean agent does not connect");
	answer_serve(&sim, peer.times);
}

static pid_t peer_run(char *const argv[])
{
	pid_t pid = peer_fork();

	if (pid)
		return pid;
	/* stdout is for rows. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(argv[0], argv);
	sample_die(-errno, "%s", argv[0]);
}

/* Nothing tells when another program has begun to listen. */
static int peer_dial_patiently(unsigned int cid, unsigned int port, pid_t pid)
{
	const struct timespec pause = { .tv_nsec = PEER_RETRY_MS * 1000000 };
	unsigned int tries = PEER_PATIENCE_MS / PEER_RETRY_MS;
	int fd;

	while ((fd = peer_dial(cid, port)) < 0 && tries-- &&
	       waitpid(pid, NULL, WNOHANG) != pid)
		nanosleep(&pause, NULL);
	return fd;
}

struct peer peer_qemu_ga_at(unsigned int port)
{
	char path[32];
	char *const argv[] = {
		"qemu-ga", "-m", "vsock-listen", "-p", path, "-t", "/tmp",
		"-f", "/tmp/qemu-ga.pid", NULL
	};
	struct peer peer = { .fd = -1 };

	snprintf(path, sizeof(path), "%u:%u", VMADDR_CID_LOCAL, port);
	peer.pid = peer_run(argv);
	peer.fd = peer_dial_patiently(VMADDR_CID_LOCAL, port, peer.pid);
	if (peer.fd < 0)
		sample_die(peer.fd, "qemu-ga does not listen");
	return peer;
}

struct peer peer_qemu_ga(void)
{
	return peer_qemu_ga_at(PEER_QEMU_GA_PORT);
}

struct peer peer_agent(const char *path)
{
	char *const argv[] = {
		(char *)path, "--backend", "record:/tmp/vmguest-agent.record",
		"--task", "/tmp/vmguest-agent.task", NULL
	};

	return (struct peer) { .pid = peer_run(argv), .fd = -1 };
}

void peer_stop(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	if (peer->fd >= 0)
		close(peer->fd);
	if (peer->times)
		munmap(peer->times, sizeof(*peer->times));
	*peer = (struct peer) { .fd = -1 };
}

static bool peer_has_all(const struct peer_talk *talk, const uint8_t *reply,
			 size_t len)
{
	return talk->reply_len ? len >= talk->reply_len :
				 len && reply[len - 1] == '\n';
}

void peer_exchange(const struct peer_talk *talk)
{
	struct pollfd pfd = { .fd = talk->fd, .events = POLLIN };
	uint8_t reply[256];
	size_t len = 0;
	ssize_t n;

	n = write(talk->fd, talk->request, talk->request_len);
	if (n != (ssize_t)talk->request_len)
		sample_die(-errno, "write");
	while (!peer_has_all(talk, reply, len)) {
		if (poll(&pfd, 1, PEER_PATIENCE_MS) <= 0)
			sample_die(-errno, "no answer");
		n = read(talk->fd, reply + len, sizeof(reply) - len);
		if (n <= 0)
			sample_die(-errno, "the far end has closed");
		len += n;
	}
}
