/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams of virtio-vsock, the guest's end: the handshake, credit, the end.
 */
#ifndef GUESTSIM_STREAM_H
#define GUESTSIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_vsock.h>

#include "protocol.h"

struct device;
struct sim_guest;

/**
 * enum stream_state - Life of a stream
 * @STREAM_DIALLING: A REQUEST was sent.
 * @STREAM_OPEN: It was answered.
 * @STREAM_CLOSING: Closed here; the host has yet to agree.
 * @STREAM_CLOSED: Over; to be freed.
 */
enum stream_state {
	STREAM_DIALLING,
	STREAM_OPEN,
	STREAM_CLOSING,
	STREAM_CLOSED,
};

/**
 * struct stream - One stream
 * @next: The guest's next one.
 * @guest: Whose it is.
 * @port: Its port here.
 * @host_port: The host's.
 * @state: enum stream_state.
 * @role: enum vmguest_wire_role of what the agent does with it.
 * @mute: The agent says nothing more on it.
 * @starving: The host gets no credit back.
 * @room: Bytes that the host may send ahead.
 * @received: Bytes received, modulo 2^32.
 * @returned: Those of them for which the host has its credit back.
 * @sent: Bytes sent, modulo 2^32.
 * @peer_room: Bytes that we may send ahead.
 * @peer_returned: Bytes for which we have the credit back.
 * @backlog: Bytes that await credit.
 * @backlog_len: How many.
 * @frame: What was received of a frame.
 * @frame_len: How much.
 */
struct stream {
	struct stream *next;
	struct sim_guest *guest;
	uint32_t port;
	uint32_t host_port;
	enum stream_state state;
	uint32_t role;
	bool mute;
	bool starving;
	uint32_t room;
	uint32_t received;
	uint32_t returned;
	uint32_t sent;
	uint32_t peer_room;
	uint32_t peer_returned;
	uint8_t *backlog;
	size_t backlog_len;
	uint8_t frame[VMGUEST_FRAME_MAX];
	size_t frame_len;
};

/* Sends a REQUEST; agent_opened() or agent_closed() tells the outcome. */
struct stream *stream_dial(struct sim_guest *guest, uint32_t role,
			   uint32_t host_port);
void stream_send(struct stream *stream, const void *bytes, size_t len);

/* Send no more (half), or nothing at all. */
void stream_half_close(struct stream *stream);
void stream_close(struct stream *stream);
void stream_reset(struct stream *stream);

/* Takes the memory of a stream that nothing is left of, without a word. */
void stream_free(struct stream *stream);

/* Takes a packet for @stream; NULL when there is none of its ports. */
void stream_handle(struct sim_guest *guest, struct stream *stream,
		   const struct virtio_vsock_hdr *hdr, const void *payload);

/* Send one bare packet of @op with a source CID that may be a lie. */
void stream_forge(struct stream *stream, uint32_t src_cid, uint16_t op);

#endif
