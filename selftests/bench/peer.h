/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Far ends, each in a process of its own that dies with this one, and the best
 * client of those that are not the module's.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where qemu-ga listens. */
#define PEER_QEMU_GA_PORT	4711

/**
 * struct peer - A far end
 * @pid: Its process, 0 for none.
 * @fd: The connection to it, -1 when only the module has one.
 * @times: When it did what, if asked to note that.
 */
struct peer {
	pid_t pid;
	int fd;
	struct peer_times *times;
};

/**
 * struct peer_times - When the far end did what, for the last message
 * @wanted: Note it.
 * @got_ns: Its read had returned.
 * @sent_ns: Its write had returned.
 */
struct peer_times {
	volatile bool wanted;
	volatile uint64_t got_ns;
	volatile uint64_t sent_ns;
};

/* All leave by sample_die() when they cannot. */

/* Over loopback: reads, and writes the same bytes back. */
struct peer peer_echo(void);

/* Over loopback: the leanest agent; it reads PINGs and answers them. */
struct peer peer_answer(void);

/* Over loopback: Debian's, with a connection to it. */
struct peer peer_qemu_ga(void);

/* One more, listening on that port. */
struct peer peer_qemu_ga_at(unsigned int port);

/* Over loopback: the agent of this tree, built at @path. */
struct peer peer_agent(const char *path);

/*
 * Two simulated guests in one process, which do the same for a PING: the agent
 * of the one with CID @cid has the module at its other end, that of @raw_cid has
 * the returned fd. Told to shut down, they say ACCEPTED and no more.
 */
struct peer peer_guests(uint32_t cid, uint32_t raw_cid);

void peer_stop(struct peer *peer);

/**
 * struct peer_talk - A question and its answer
 * @fd: Where.
 * @request: What to say.
 * @request_len: Its length.
 * @reply_len: The answer's length, 0 when it ends with a newline.
 */
struct peer_talk {
	int fd;
	const void *request;
	size_t request_len;
	size_t reply_len;
};

/* Write, poll, read until the answer is whole. */
void peer_exchange(const struct peer_talk *talk);

/* The bytes of a PING and, as the answer of peer_guests(), of a PONG. */
#define PEER_FRAME	24
void peer_ping(uint8_t frame[PEER_FRAME]);

/* For the far ends themselves. */
int peer_listen(unsigned int *port);
int peer_accept(int listener);
int peer_dial(unsigned int cid, unsigned int port);
/* As fork(); the child dies with this process. */
pid_t peer_fork(void);
struct peer_times *peer_share_times(void);

#endif
