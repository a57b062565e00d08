// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>

#include "agent.h"
#include "guest.h"
#include "stream.h"

#define GARBAGE_BYTES	64

/* Bytes of one SIM_FLOOD that are in memory at a time. */
#define FLOOD_CHUNK	64

static uint32_t agent_sent_arg(const struct vmguest_frame *frame)
{
	if (frame->type == VMGUEST_WIRE_RESULT)
		return frame->result.code;
	if (frame->type == VMGUEST_WIRE_LAST_BREATH)
		return frame->last_breath.end;
	return 0;
}

static void agent_send(struct stream *stream, const struct vmguest_frame *frame)
{
	struct sim_guest *guest = stream->guest;
	uint8_t buf[VMGUEST_FRAME_MAX];
	int len = vmguest_protocol_encode(frame, buf, sizeof(buf));

	if (stream->state != STREAM_OPEN || guest->doom != SIM_CARRY_ON)
		return;
	if (guest->cut && guest->cut_at < (size_t)len) {
		stream_send(stream, buf, guest->cut_at);
		guest->doom = SIM_DIE;
		return;
	}
	if (frame->type != VMGUEST_WIRE_PONG || guest->loud)
		guest_log(guest, SIM_EV_SENT, frame->type, frame->task_id,
			  agent_sent_arg(frame));
	stream_send(stream, buf, len);
	if (guest->cut)
		guest->doom = SIM_DIE;
}

static void agent_say(struct stream *stream, uint16_t type, uint64_t task_id)
{
	const struct vmguest_frame frame = { .type = type, .task_id = task_id };

	agent_send(stream, &frame);
}

static void agent_say_text(struct vmguest_frame *frame, unsigned int i,
			   const char *text)
{
	frame->text[i].data = text;
	frame->text[i].len = strlen(text);
}

static void agent_say_hello(struct stream *stream)
{
	struct sim_guest *guest = stream->guest;
	struct vmguest_frame frame = { .type = VMGUEST_WIRE_HELLO };

	memcpy(frame.hello.boot_id, guest->boot_id, sizeof(guest->boot_id));
	memcpy(frame.hello.instance, guest->instance, sizeof(guest->instance));
	frame.hello.capabilities = guest->capabilities;
	frame.hello.role = stream->role;
	frame.hello.sessions = guest->sessions;
	agent_say_text(&frame, VMGUEST_HELLO_HOSTNAME, "guestsim");
	agent_say_text(&frame, VMGUEST_HELLO_OS_NAME, "Simulated");
	agent_say_text(&frame, VMGUEST_HELLO_OS_VERSION, "1");
	agent_say_text(&frame, VMGUEST_HELLO_KERNEL, "none");
	agent_say_text(&frame, VMGUEST_HELLO_AGENT_VERSION, "guestsim");
	agent_send(stream, &frame);
}

static void agent_say_result(struct stream *stream, uint64_t task_id,
			     uint32_t code, uint32_t targeted)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_RESULT,
		.task_id = task_id,
		.result.code = code,
		.result.targeted = targeted,
	};

	if (code == VMGUEST_WIRE_OK)
		frame.result.ended = targeted;
	else
		frame.result.left = targeted;
	agent_say_text(&frame, VMGUEST_RESULT_TEXT, "simulated");
	agent_send(stream, &frame);
}

static void agent_say_blocked(struct stream *stream, uint64_t task_id)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_BLOCKED,
		.task_id = task_id,
		.blocked.kind = 1,
		.blocked.pid = 1,
	};

	agent_say_text(&frame, VMGUEST_BLOCKED_WHO, "simulated");
	agent_say_text(&frame, VMGUEST_BLOCKED_WHY, "told so");
	agent_send(stream, &frame);
}

static void agent_say_last_breath(struct stream *stream, uint64_t task_id,
				  uint32_t end)
{
	const struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_LAST_BREATH,
		.task_id = task_id,
		.last_breath.end = end,
	};

	agent_send(stream, &frame);
}

/* Deeds that come on top of duty; all others come instead. */
static bool agent_carries_on(enum sim_deed deed)
{
	return deed == SIM_CARRY_ON || deed == SIM_REDIAL ||
	       deed == SIM_DIE_AT_BYTE || deed == SIM_FORGE ||
	       deed == SIM_LIE || deed == SIM_FLOOD || deed == SIM_NOTICE;
}

/* Return: true when duty goes on after what was ordered for @moment. */
static bool agent_at(struct sim_guest *guest, enum sim_moment moment)
{
	struct guest_order order = guest->orders[moment];

	guest->orders[moment].deed = SIM_CARRY_ON;
	if (order.deed != SIM_CARRY_ON)
		agent_do(guest, order.deed, order.arg);
	return agent_carries_on(order.deed) && !guest->mute &&
	       guest->doom == SIM_CARRY_ON;
}

static void agent_mute(struct sim_guest *guest)
{
	if (guest->channel)
		guest->channel->mute = true;
	else
		guest->mute = true;
}

void agent_dial(struct sim_guest *guest)
{
	struct stream *stream;

	stream = stream_dial(guest, VMGUEST_ROLE_AGENT, guest->host_port);
	guest_log(guest, SIM_EV_DIAL, 0, 0, stream->port);
	if (!guest->channel)
		guest->channel = stream;
}

void agent_start(struct sim_guest *guest)
{
	if (agent_at(guest, SIM_AT_BOOT) && !guest->stays_away)
		agent_dial(guest);
}

void agent_opened(struct stream *stream)
{
	struct sim_guest *guest = stream->guest;

	guest_log(guest, SIM_EV_OPEN, stream->role, 0, 0);
	if (stream->role == SIM_BY_HAND)
		return;
	if (stream->role == VMGUEST_ROLE_LAST_BREATH) {
		agent_say_hello(stream);
		return;
	}
	if (!agent_at(guest, SIM_AT_OPEN))
		return;
	agent_say_hello(stream);
	agent_at(guest, SIM_AT_HELLO);
}

void agent_closed(struct stream *stream)
{
	struct sim_guest *guest = stream->guest;

	guest_log(guest, SIM_EV_CLOSED, stream->role, 0, 0);
	if (guest->hand == stream)
		guest->hand = NULL;
	if (guest->channel != stream)
		return;
	guest->channel = NULL;
	guest->welcome = false;
	if (!guest->mute && !guest->stays_away && !stream->mute &&
	    guest->doom == SIM_CARRY_ON)
		guest_wake_in(guest, guest->delay_ms, agent_dial);
}

static uint32_t agent_end_of(const struct sim_guest *guest)
{
	return guest->verb == VMGUEST_VERB_RESTART ? VMGUEST_END_REBOOT :
						     VMGUEST_END_POWEROFF;
}

static void agent_breathe_last(struct stream *stream, uint32_t end)
{
	struct sim_guest *guest = stream->guest;

	guest->breathed = true;
	agent_say_last_breath(stream, guest->task_id, end);
	agent_at(guest, SIM_AT_LAST_BREATH);
}

static void agent_act(struct stream *stream)
{
	struct sim_guest *guest = stream->guest;

	if (guest->verb != VMGUEST_VERB_LOGOFF) {
		agent_breathe_last(stream, agent_end_of(guest));
		return;
	}
	agent_say_result(stream, guest->task_id, VMGUEST_WIRE_OK,
			 guest->sessions);
	guest->task_id = 0;
}

/* A guest without the last breath ends all the same. */
static void agent_end(struct sim_guest *guest)
{
	uint32_t end = agent_end_of(guest);

	guest_log(guest, SIM_EV_ENDED, end, guest->task_id, 0);
	guest->doom = end == VMGUEST_END_REBOOT ? SIM_REBOOT : SIM_DIE;
}

static void agent_handle_request(struct stream *stream,
				 const struct vmguest_frame *frame)
{
	struct sim_guest *guest = stream->guest;

	guest->task_id = frame->task_id;
	guest->verb = frame->request.verb;
	if (!agent_at(guest, SIM_AT_REQUEST))
		return;
	agent_say(stream, VMGUEST_WIRE_ACCEPTED, frame->task_id);
	if (!agent_at(guest, SIM_AT_ACCEPTED) || !guest->task_id ||
	    guest->undecided)
		return;
	agent_say(stream, VMGUEST_WIRE_COMMIT, frame->task_id);
	agent_at(guest, SIM_AT_COMMIT);
}

static void agent_handle_go(struct stream *stream)
{
	struct sim_guest *guest = stream->guest;

	if (!agent_at(guest, SIM_AT_GO) || !guest->task_id)
		return;
	if ((guest->capabilities & VMGUEST_CAP_LAST_BREATH) ||
	    guest->verb == VMGUEST_VERB_LOGOFF)
		agent_act(stream);
	else
		agent_end(guest);
}

static void agent_log_frame(struct sim_guest *guest,
			    const struct vmguest_frame *frame)
{
	uint32_t arg = 0;

	if (frame->type == VMGUEST_WIRE_PING && !guest->loud)
		return;
	if (frame->type == VMGUEST_WIRE_REQUEST)
		arg = frame->request.flags;
	else if (frame->type == VMGUEST_WIRE_REJECT)
		arg = frame->reject.code;
	guest_log(guest, SIM_EV_GOT, frame->type, frame->task_id, arg);
}

/* The hook says its one thing and is done. */
static void agent_handle_as_hook(struct stream *stream,
				 const struct vmguest_frame *frame)
{
	if (frame->type == VMGUEST_WIRE_WELCOME)
		agent_say_last_breath(stream, stream->guest->task_id,
				      agent_end_of(stream->guest));
	else
		stream_close(stream);
}

static void agent_handle(struct stream *stream,
			 const struct vmguest_frame *frame)
{
	struct sim_guest *guest = stream->guest;

	agent_log_frame(guest, frame);
	if (guest->mute || stream->mute)
		return;
	if (stream->role == VMGUEST_ROLE_LAST_BREATH) {
		agent_handle_as_hook(stream, frame);
		return;
	}

	switch (frame->type) {
	case VMGUEST_WIRE_WELCOME:
		memcpy(guest->instance, frame->welcome.instance,
		       sizeof(guest->instance));
		guest->welcome = true;
		guest->channel = stream;
		agent_at(guest, SIM_AT_WELCOME);
		break;
	case VMGUEST_WIRE_REJECT:
		if (guest->channel == stream)
			guest->stays_away = true;
		break;
	case VMGUEST_WIRE_REQUEST:
		agent_handle_request(stream, frame);
		break;
	case VMGUEST_WIRE_GO:
		agent_handle_go(stream);
		break;
	case VMGUEST_WIRE_CANCEL:
		if (agent_at(guest, SIM_AT_CANCEL) &&
		    guest->task_id == frame->task_id)
			guest->task_id = 0;
		break;
	case VMGUEST_WIRE_PING:
		if (agent_at(guest, SIM_AT_PING))
			agent_say(stream, VMGUEST_WIRE_PONG, frame->task_id);
		break;
	case VMGUEST_WIRE_LAST_BREATH_ACK:
		/* Not of a lie. */
		if (guest->breathed && agent_at(guest, SIM_AT_ACK))
			agent_end(guest);
		break;
	}
}

void agent_received(struct stream *stream, const uint8_t *bytes, size_t len)
{
	struct sim_guest *guest = stream->guest;
	struct vmguest_frame frame;
	size_t n;
	int ret;

	while (len && guest->doom == SIM_CARRY_ON &&
	       stream->state != STREAM_CLOSED) {
		n = sizeof(stream->frame) - stream->frame_len;
		if (n > len)
			n = len;
		memcpy(stream->frame + stream->frame_len, bytes, n);
		stream->frame_len += n;
		bytes += n;
		len -= n;
		while ((ret = vmguest_protocol_decode(stream->frame,
						      stream->frame_len,
						      VMGUEST_FROM_MODULE,
						      &frame)) > 0 &&
		       guest->doom == SIM_CARRY_ON) {
			agent_handle(stream, &frame);
			stream->frame_len -= ret;
			memmove(stream->frame, stream->frame + ret,
				stream->frame_len);
		}
		if (ret < 0) {
			guest_log(guest, SIM_EV_GOT, 0, 0, 0);
			stream->frame_len = 0;
		}
	}
}

static void agent_do_garbage(struct stream *stream, size_t len)
{
	uint8_t buf[GARBAGE_BYTES];

	memset(buf, 0xff, sizeof(buf));
	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		stream_send(stream, buf, n);
		len -= n;
	}
}

static void agent_do_oversized(struct stream *stream, uint32_t length)
{
	const struct vmguest_wire_header header = {
		.magic = htole32(VMGUEST_WIRE_MAGIC),
		.version = htole16(VMGUEST_WIRE_VERSION),
		.type = htole16(VMGUEST_WIRE_RESULT),
		.length = htole32(length),
		.task_id = htole64(1),
	};

	stream_send(stream, &header, sizeof(header));
}

static void agent_do_misdirected(struct stream *stream)
{
	const struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_GO,
		.task_id = 1,
	};

	agent_send(stream, &frame);
}

static void agent_do_lie(struct stream *stream, uint64_t task_id)
{
	agent_say(stream, VMGUEST_WIRE_ACCEPTED, task_id);
	agent_say(stream, VMGUEST_WIRE_COMMIT, task_id);
	agent_say_result(stream, task_id, VMGUEST_WIRE_FAILED, 0);
	agent_say_last_breath(stream, task_id, VMGUEST_END_POWEROFF);
}

static void agent_do_flood(struct stream *stream, uint64_t count)
{
	const struct vmguest_frame frame = { .type = VMGUEST_WIRE_PONG };
	uint8_t buf[FLOOD_CHUNK * sizeof(struct vmguest_wire_header)];
	size_t len = 0;
	size_t n;

	for (n = 0; n < FLOOD_CHUNK && n < count; n++)
		len += vmguest_protocol_encode(&frame, buf + len,
					       sizeof(buf) - len);
	for (; count; count -= n) {
		n = count < FLOOD_CHUNK ? count : FLOOD_CHUNK;
		stream_send(stream, buf,
			    n * sizeof(struct vmguest_wire_header));
	}
}

static void agent_do_notice(struct stream *stream, uint64_t count)
{
	const struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_NOTICE,
		.notice = {
			.kind = VMGUEST_NOTICE_LOGOFF,
			.how = VMGUEST_WIRE_LOGOFF_NORMAL,
			.ended = 1,
		},
	};

	while (count--)
		agent_send(stream, &frame);
}

/* What is said about a request that the agent works on. */
static bool agent_needs_task(enum sim_deed deed)
{
	return deed == SIM_BLOCKED || deed == SIM_RESULT || deed == SIM_HALT;
}

/* What needs no connection. Return: whether it was that. */
static bool agent_do_to_guest(struct sim_guest *guest, enum sim_deed deed)
{
	switch (deed) {
	case SIM_CARRY_ON:
		return true;
	case SIM_HANG:
		agent_mute(guest);
		return true;
	case SIM_FREEZE:
		guest->mute = true;
		guest->frozen = true;
		return true;
	case SIM_REBOOT:
	case SIM_REBOOT_MUTE:
	case SIM_REBOOT_OLD_ID:
	case SIM_DIE:
	case SIM_DIE_QUIETLY:
	case SIM_REBORN:
		guest->doom = deed;
		return true;
	default:
		return false;
	}
}

void agent_do(struct sim_guest *guest, enum sim_deed deed, uint64_t arg)
{
	struct stream *stream = guest->channel;

	if (guest->doom != SIM_CARRY_ON)
		return;
	guest_log(guest, SIM_EV_DEED, deed, guest->task_id, arg);
	if (agent_do_to_guest(guest, deed) || !stream ||
	    (agent_needs_task(deed) && !guest->task_id))
		return;

	switch (deed) {
	case SIM_STARVE:
		stream->starving = true;
		stream->mute = true;
		break;
	case SIM_RST:
		guest->stays_away = true;
		stream_reset(stream);
		break;
	case SIM_HALF_CLOSE:
		stream->mute = true;
		stream_half_close(stream);
		break;
	case SIM_GOODBYE:
		agent_say(stream, VMGUEST_WIRE_GOODBYE, 0);
		/* It may have died in the middle of that. */
		if (guest->doom != SIM_CARRY_ON)
			break;
		guest->stays_away = true;
		stream_close(stream);
		break;
	case SIM_CLOSE:
		guest->stays_away = true;
		stream_close(stream);
		break;
	case SIM_RECONNECT:
		stream_reset(stream);
		guest->task_id = 0;
		break;
	case SIM_DEPART:
		guest->stays_away = true;
		stream_close(stream);
		sim_guest_fire(guest);
		break;
	case SIM_REDIAL:
		agent_dial(guest);
		break;
	case SIM_DIE_AT_BYTE:
		guest->cut = true;
		guest->cut_at = arg;
		break;
	case SIM_GARBAGE:
		agent_do_garbage(stream, arg ?: GARBAGE_BYTES);
		stream->mute = true;
		break;
	case SIM_OVERSIZED:
		agent_do_oversized(stream, arg ?: UINT32_MAX);
		stream->mute = true;
		break;
	case SIM_MISDIRECTED:
		agent_do_misdirected(stream);
		stream->mute = true;
		break;
	case SIM_SECOND_HELLO:
		agent_say_hello(stream);
		stream->mute = true;
		break;
	case SIM_FORGE:
		stream_forge(stream, arg, VIRTIO_VSOCK_OP_RST);
		break;
	case SIM_LIE:
		agent_do_lie(stream, arg);
		break;
	case SIM_FLOOD:
		agent_do_flood(stream, arg);
		break;
	case SIM_NOTICE:
		agent_do_notice(stream, arg);
		break;
	case SIM_BLOCKED:
		agent_say_blocked(stream, guest->task_id);
		stream->mute = true;
		break;
	case SIM_RESULT:
		agent_say_result(stream, guest->task_id, arg, 0);
		guest->task_id = 0;
		break;
	case SIM_HALT:
		agent_breathe_last(stream, agent_end_of(guest) ==
				   VMGUEST_END_REBOOT ? VMGUEST_END_HALT :
							VMGUEST_END_REBOOT);
		guest->task_id = 0;
		break;
	default:
		break;
	}
}

void sim_guest_hook(struct sim_guest *guest, uint64_t task_id, uint32_t end)
{
	guest->task_id = task_id;
	guest->verb = end == VMGUEST_END_REBOOT ? VMGUEST_VERB_RESTART :
						  VMGUEST_VERB_SHUTDOWN;
	stream_dial(guest, VMGUEST_ROLE_LAST_BREATH, guest->host_port);
}
