// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"
#include "guestsim.h"
#include "peer.h"
#include "protocol.h"
#include "sample.h"

/* Any: the loop ends with the process. */
#define GUESTS_STEP_NS	1000000000ULL

__attribute__((noreturn))
static void guests_live(uint32_t cid, uint32_t raw_cid, uint32_t raw_port)
{
	struct sim *sim = sim_create();
	struct sim_guest *guest = sim_guest_add(sim, cid);
	struct sim_guest *raw = sim_guest_add(sim, raw_cid);
	int err;

	raw->host_port = raw_port;
	sim_guest_set_loud(guest, false);
	sim_guest_set_loud(raw, false);
	sim_guest_set_undecided(guest, true);
	err = sim_guest_boot(guest) ?: sim_guest_boot(raw);
	if (err)
		sample_die(err, "a guest does not boot");
	for (;;) {
		sim_guest_forget_log(guest);
		sim_step(sim, sim_now_ns() + GUESTS_STEP_NS);
	}
}

/* As the module does it: the agent says HELLO and is welcome. */
static void guests_welcome(int fd)
{
	const struct vmguest_frame welcome = { .type = VMGUEST_WIRE_WELCOME };
	uint8_t buf[VMGUEST_FRAME_MAX];
	struct vmguest_frame hello;
	size_t len = 0;
	ssize_t n;
	int ret;

	do {
		n = recv(fd, buf + len, sizeof(buf) - len, 0);
		if (n <= 0)
			sample_die(-errno, "no HELLO");
		len += n;
		ret = vmguest_protocol_decode(buf, len, VMGUEST_FROM_AGENT,
					      &hello);
	} while (!ret);
	if (ret < 0 || hello.type != VMGUEST_WIRE_HELLO)
		sample_die(0, "that was no HELLO");
	n = vmguest_protocol_encode(&welcome, buf, sizeof(buf));
	if (send(fd, buf, n, MSG_NOSIGNAL) != n)
		sample_die(-errno, "WELCOME");
}

struct peer peer_guests(uint32_t cid, uint32_t raw_cid)
{
	struct peer peer = { .fd = -1 };
	unsigned int port;
	int listener = peer_listen(&port);

	peer.pid = peer_fork();
	if (!peer.pid)
		guests_live(cid, raw_cid, port);
	peer.fd = peer_accept(listener);
	guests_welcome(peer.fd);
	return peer;
}
