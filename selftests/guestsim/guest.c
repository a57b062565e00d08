// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent.h"
#include "guest.h"
#include "sim.h"

/* Ports that only root has. The low half may be somebody's. */
#define PORT_FIRST	512
#define PORT_LAST	1023

static bool guest_has_port(const struct sim_guest *guest, uint32_t port)
{
	const struct stream *stream;

	for (stream = guest->streams; stream; stream = stream->next)
		if (stream->port == port)
			return true;
	return false;
}

uint32_t guest_next_port(struct sim_guest *guest)
{
	uint32_t port;

	do {
		if (guest->port <= PORT_FIRST)
			guest->port = PORT_LAST + 1;
		port = --guest->port + (guest->unprivileged ? PORT_LAST : 0);
	} while (guest_has_port(guest, port));
	return port;
}

void guest_log(struct sim_guest *guest, enum sim_event_kind kind, uint16_t what,
	       uint64_t task_id, uint32_t arg)
{
	if (guest->event_count == guest->event_room) {
		guest->event_room = guest->event_room * 2 ?: 16;
		guest->events = realloc(guest->events, guest->event_room *
					sizeof(*guest->events));
	}
	guest->events[guest->event_count++] = (struct sim_event) {
		.ns = sim_now_ns(),
		.kind = kind,
		.what = what,
		.arg = arg,
		.task_id = task_id,
	};
}

void guest_wake_in(struct sim_guest *guest, unsigned int ms,
		   void (*wake)(struct sim_guest *guest))
{
	guest->due_ns = sim_now_ns() + ms * 1000000ULL;
	guest->wake = wake;
	sim_note_due(guest->sim, guest->due_ns);
}

/* A boot id that tells a person which guest's and which boot it is. */
static void guest_new_boot(struct sim_guest *guest)
{
	uint32_t cid = htobe32(guest->device.cid);
	uint32_t boots = htobe32(++guest->boots);

	memset(guest->boot_id, 0xb0, sizeof(guest->boot_id));
	memcpy(guest->boot_id, &cid, sizeof(cid));
	memcpy(guest->boot_id + 12, &boots, sizeof(boots));
	memset(guest->instance, 0, sizeof(guest->instance));
	guest->mute = false;
	guest->frozen = false;
	guest->stays_away = false;
	guest->cut = false;
	guest->breathed = false;
	guest->task_id = 0;
	guest_log(guest, SIM_EV_BOOT, 0, 0, guest->boots);
}

/* What is gone when the guest's memory is. */
static void guest_forget_streams(struct sim_guest *guest)
{
	struct stream *stream;

	while ((stream = guest->streams)) {
		guest->streams = stream->next;
		stream_free(stream);
	}
	guest->channel = NULL;
	guest->hand = NULL;
	guest->welcome = false;
	guest->due_ns = 0;
}

static void guest_reap_streams(struct sim_guest *guest)
{
	struct stream **where = &guest->streams;
	struct stream *stream;

	while ((stream = *where)) {
		if (stream->state != STREAM_CLOSED) {
			where = &stream->next;
			continue;
		}
		*where = stream->next;
		stream_free(stream);
	}
}

int sim_guest_boot(struct sim_guest *guest)
{
	int err = device_open(&guest->device, guest->device.cid);

	if (err)
		return err;
	sim_add_device(guest->sim, guest);
	guest_new_boot(guest);
	agent_start(guest);
	guest_settle(guest);
	return 0;
}

void guest_reboot(struct sim_guest *guest, enum sim_deed how)
{
	uint8_t boot_id[sizeof(guest->boot_id)];

	memcpy(boot_id, guest->boot_id, sizeof(boot_id));
	device_drain(&guest->device);
	guest_forget_streams(guest);
	device_reset(&guest->device);
	guest_new_boot(guest);
	if (how == SIM_REBOOT_OLD_ID)
		memcpy(guest->boot_id, boot_id, sizeof(boot_id));
	if (how == SIM_REBOOT_MUTE)
		guest->stays_away = true;
	else
		guest_wake_in(guest, guest->delay_ms, agent_start);
}

void sim_guest_fire(struct sim_guest *guest)
{
	if (guest->lifeline < 0)
		return;
	guest_log(guest, SIM_EV_LIFELINE, 0, 0, 0);
	eventfd_write(guest->lifeline, 1);
	close(guest->lifeline);
	guest->lifeline = -1;
}

void guest_die(struct sim_guest *guest, bool tell)
{
	bool lost;

	if (guest->device.fd < 0)
		return;
	lost = !device_drain(&guest->device);
	sim_remove_device(guest->sim, guest);
	guest_log(guest, SIM_EV_DIED, 0, 0, lost);
	device_close(&guest->device);
	guest_forget_streams(guest);
	if (tell)
		sim_guest_fire(guest);
}

static struct stream *guest_find_stream(const struct sim_guest *guest,
					const struct virtio_vsock_hdr *hdr)
{
	struct stream *stream;

	for (stream = guest->streams; stream; stream = stream->next)
		if (stream->port == le32toh(hdr->dst_port) &&
		    stream->host_port == le32toh(hdr->src_port) &&
		    stream->state != STREAM_CLOSED)
			return stream;
	return NULL;
}

void guest_poll(struct sim_guest *guest)
{
	struct virtio_vsock_hdr *hdr;
	int buffer;

	while (!guest->frozen && guest->doom == SIM_CARRY_ON &&
	       (hdr = device_receive(&guest->device, &buffer))) {
		stream_handle(guest, guest_find_stream(guest, hdr), hdr,
			      hdr + 1);
		device_return(&guest->device, buffer);
	}
	if (!guest->frozen)
		device_push(&guest->device);
	guest_settle(guest);
}

void guest_settle(struct sim_guest *guest)
{
	enum sim_deed doom = guest->doom;

	guest->doom = SIM_CARRY_ON;
	switch (doom) {
	case SIM_REBOOT:
	case SIM_REBOOT_MUTE:
	case SIM_REBOOT_OLD_ID:
		guest_reboot(guest, doom);
		break;
	case SIM_DIE:
	case SIM_DIE_QUIETLY:
		guest_die(guest, doom == SIM_DIE);
		break;
	case SIM_REBORN:
		guest_die(guest, false);
		sim_guest_boot(guest);
		break;
	default:
		guest_reap_streams(guest);
	}
}

void sim_guest_thaw(struct sim_guest *guest)
{
	guest->frozen = false;
	guest_poll(guest);
}

void guest_free(struct sim_guest *guest)
{
	if (guest->device.fd >= 0) {
		sim_remove_device(guest->sim, guest);
		device_close(&guest->device);
	}
	guest_forget_streams(guest);
	if (guest->lifeline >= 0)
		close(guest->lifeline);
	free(guest->events);
	free(guest);
}

void sim_guest_set_capabilities(struct sim_guest *g, uint64_t capabilities)
{
	g->capabilities = capabilities;
}

void sim_guest_set_room(struct sim_guest *g, uint32_t bytes)
{
	g->room = bytes;
}

void sim_guest_set_mtu(struct sim_guest *g, size_t bytes)
{
	g->mtu = bytes;
}

void sim_guest_set_sessions(struct sim_guest *g, uint32_t sessions)
{
	g->sessions = sessions;
}

void sim_guest_set_loud(struct sim_guest *g, bool log_pings)
{
	g->loud = log_pings;
}

void sim_guest_set_privileged(struct sim_guest *g, bool privileged)
{
	g->unprivileged = !privileged;
}

void sim_guest_set_undecided(struct sim_guest *g, bool undecided)
{
	g->undecided = undecided;
}

void sim_guest_set_delay(struct sim_guest *g, unsigned int ms)
{
	g->delay_ms = ms;
}

int sim_guest_lifeline(struct sim_guest *g)
{
	if (g->lifeline < 0)
		g->lifeline = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return g->lifeline;
}

void sim_guest_at_with(struct sim_guest *g, enum sim_moment moment,
		       enum sim_deed deed, uint64_t arg)
{
	g->orders[moment] = (struct guest_order) { deed, arg };
}

void sim_guest_at(struct sim_guest *g, enum sim_moment moment,
		  enum sim_deed deed)
{
	sim_guest_at_with(g, moment, deed, 0);
}

void sim_guest_obey(struct sim_guest *g)
{
	memset(g->orders, 0, sizeof(g->orders));
}

void sim_guest_do(struct sim_guest *g, enum sim_deed deed, uint64_t arg)
{
	agent_do(g, deed, arg);
	guest_settle(g);
}

void sim_hand_dial(struct sim_guest *g)
{
	sim_hand_dial_to(g, g->host_port);
}

void sim_hand_dial_to(struct sim_guest *g, uint32_t host_port)
{
	g->hand = stream_dial(g, SIM_BY_HAND, host_port);
	g->hand->mute = true;
}

void sim_hand_send(struct sim_guest *g, const void *bytes, size_t len)
{
	if (g->hand)
		stream_send(g->hand, bytes, len);
}

bool sim_hand_is_open(const struct sim_guest *g)
{
	return g->hand && g->hand->state == STREAM_OPEN;
}

bool sim_hand_is_over(const struct sim_guest *g)
{
	return !g->hand;
}

void sim_hand_reset(struct sim_guest *g)
{
	if (g->hand)
		stream_reset(g->hand);
	guest_settle(g);
}

size_t sim_guest_backlog(const struct sim_guest *g)
{
	return (g->channel ? g->channel->backlog_len : 0) +
	       g->device.waiting * g->mtu;
}

bool sim_guest_is_on(const struct sim_guest *g)
{
	return g->device.fd >= 0;
}

bool sim_guest_is_welcome(const struct sim_guest *g)
{
	return g->welcome;
}

bool sim_guest_is_dialling(const struct sim_guest *g)
{
	return g->due_ns || (g->channel && !g->welcome);
}

bool sim_guest_is_clogged(const struct sim_guest *g)
{
	return g->device.waiting;
}

uint32_t sim_guest_cid(const struct sim_guest *g)
{
	return g->device.cid;
}

uint32_t sim_guest_port(const struct sim_guest *g)
{
	return g->port + (g->unprivileged ? PORT_LAST : 0);
}

const uint8_t *sim_guest_boot_id(const struct sim_guest *g)
{
	return g->boot_id;
}

const struct sim_event *sim_guest_log(const struct sim_guest *g, size_t *count)
{
	*count = g->event_count;
	return g->events;
}

unsigned int sim_guest_count(const struct sim_guest *g,
			     enum sim_event_kind kind, int what)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < g->event_count; i++)
		count += g->events[i].kind == kind &&
			 (what < 0 || g->events[i].what == what);
	return count;
}

void sim_guest_forget_log(struct sim_guest *g)
{
	g->event_count = 0;
}

void sim_guest_print_log(const struct sim_guest *g)
{
	static const char * const kinds[] = {
		[SIM_EV_BOOT] = "boot",
		[SIM_EV_DIAL] = "dial",
		[SIM_EV_OPEN] = "open",
		[SIM_EV_SENT] = "sent",
		[SIM_EV_GOT] = "got",
		[SIM_EV_DEED] = "deed",
		[SIM_EV_CLOSED] = "closed",
		[SIM_EV_ENDED] = "ended",
		[SIM_EV_DIED] = "died",
		[SIM_EV_LIFELINE] = "lifeline",
		[SIM_EV_REFUSED] = "refused",
	};
	size_t i;

	for (i = 0; i < g->event_count; i++) {
		const struct sim_event *ev = &g->events[i];

		printf("# guest %u: %llu.%06llu ms %s %#x task %llu arg %#x\n",
		       g->device.cid, (unsigned long long)ev->ns / 1000000,
		       (unsigned long long)ev->ns % 1000000, kinds[ev->kind],
		       ev->what, (unsigned long long)ev->task_id, ev->arg);
	}
	/* The harness ends its children without a last word. */
	fflush(stdout);
}
