// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "device.h"
#include "guest.h"
#include "stream.h"

#define HOST_CID	2

#define SHUTDOWN_BOTH	(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static struct virtio_vsock_hdr stream_header(const struct stream *stream,
					     uint16_t op)
{
	return (struct virtio_vsock_hdr) {
		.src_cid = htole64(stream->guest->device.cid),
		.dst_cid = htole64(HOST_CID),
		.src_port = htole32(stream->port),
		.dst_port = htole32(stream->host_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(stream->room),
		.fwd_cnt = htole32(stream->returned),
	};
}

static void stream_tell(struct stream *stream, uint16_t op, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = stream_header(stream, op);

	hdr.flags = htole32(flags);
	device_send(&stream->guest->device, &hdr, NULL);
}

void stream_forge(struct stream *stream, uint32_t src_cid, uint16_t op)
{
	struct virtio_vsock_hdr hdr = stream_header(stream, op);

	hdr.src_cid = htole64(src_cid);
	device_send(&stream->guest->device, &hdr, NULL);
}

struct stream *stream_dial(struct sim_guest *guest, uint32_t role,
			   uint32_t host_port)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	stream->guest = guest;
	stream->port = guest_next_port(guest);
	stream->host_port = host_port;
	stream->role = role;
	stream->room = guest->room;
	stream->next = guest->streams;
	guest->streams = stream;
	stream_tell(stream, VIRTIO_VSOCK_OP_REQUEST, 0);
	return stream;
}

static uint32_t stream_credit(const struct stream *stream)
{
	uint32_t ahead = stream->sent - stream->peer_returned;

	return stream->peer_room > ahead ? stream->peer_room - ahead : 0;
}

/* Return: bytes sent, as far as credit goes. */
static size_t stream_push(struct stream *stream, const uint8_t *bytes,
			  size_t len)
{
	size_t mtu = stream->guest->mtu;
	size_t done = 0;
	size_t n;

	while (done < len && (n = stream_credit(stream))) {
		struct virtio_vsock_hdr hdr;

		if (n > len - done)
			n = len - done;
		if (n > mtu)
			n = mtu;
		hdr = stream_header(stream, VIRTIO_VSOCK_OP_RW);
		hdr.len = htole32(n);
		device_send(&stream->guest->device, &hdr, bytes + done);
		stream->sent += n;
		done += n;
	}
	return done;
}

static void stream_push_backlog(struct stream *stream)
{
	size_t n;

	if (!stream->backlog_len)
		return;
	n = stream_push(stream, stream->backlog, stream->backlog_len);
	stream->backlog_len -= n;
	memmove(stream->backlog, stream->backlog + n, stream->backlog_len);
}

void stream_send(struct stream *stream, const void *bytes, size_t len)
{
	size_t n = 0;

	if (stream->state != STREAM_OPEN)
		return;
	if (!stream->backlog_len)
		n = stream_push(stream, bytes, len);
	if (n == len)
		return;
	stream->backlog = realloc(stream->backlog,
				  stream->backlog_len + len - n);
	memcpy(stream->backlog + stream->backlog_len,
	       (const uint8_t *)bytes + n, len - n);
	stream->backlog_len += len - n;
}

void stream_half_close(struct stream *stream)
{
	if (stream->state != STREAM_OPEN)
		return;
	stream_tell(stream, VIRTIO_VSOCK_OP_SHUTDOWN,
		    VIRTIO_VSOCK_SHUTDOWN_SEND);
}

void stream_close(struct stream *stream)
{
	if (stream->state != STREAM_OPEN)
		return;
	stream->state = STREAM_CLOSING;
	stream->mute = true;
	stream_tell(stream, VIRTIO_VSOCK_OP_SHUTDOWN, SHUTDOWN_BOTH);
}

static void stream_end(struct stream *stream)
{
	if (stream->state == STREAM_CLOSED)
		return;
	stream->state = STREAM_CLOSED;
	agent_closed(stream);
}

void stream_reset(struct stream *stream)
{
	if (stream->state == STREAM_CLOSED)
		return;
	stream_tell(stream, VIRTIO_VSOCK_OP_RST, 0);
	stream_end(stream);
}

void stream_free(struct stream *stream)
{
	free(stream->backlog);
	free(stream);
}

static void stream_receive(struct stream *stream, const void *payload,
			   size_t len)
{
	stream->received += len;
	agent_received(stream, payload, len);
	if (stream->starving || stream->state == STREAM_CLOSED)
		return;
	if (stream->received - stream->returned > stream->room / 2) {
		stream->returned = stream->received;
		stream_tell(stream, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	}
}

/* The host speaks of a connection that the guest does not have. */
static void stream_refuse(struct sim_guest *guest,
			  const struct virtio_vsock_hdr *hdr)
{
	struct virtio_vsock_hdr rst = {
		.src_cid = hdr->dst_cid,
		.dst_cid = hdr->src_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
		.op = htole16(VIRTIO_VSOCK_OP_RST),
	};

	if (hdr->op == htole16(VIRTIO_VSOCK_OP_RST))
		return;
	guest_log(guest, SIM_EV_REFUSED, 0, 0, le32toh(hdr->dst_port));
	device_send(&guest->device, &rst, NULL);
}

void stream_handle(struct sim_guest *guest, struct stream *stream,
		   const struct virtio_vsock_hdr *hdr, const void *payload)
{
	uint16_t op = le16toh(hdr->op);

	if (!stream) {
		stream_refuse(guest, hdr);
		return;
	}
	stream->peer_room = le32toh(hdr->buf_alloc);
	stream->peer_returned = le32toh(hdr->fwd_cnt);

	switch (op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		stream->state = STREAM_OPEN;
		agent_opened(stream);
		break;
	case VIRTIO_VSOCK_OP_RST:
		stream_end(stream);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if ((le32toh(hdr->flags) & SHUTDOWN_BOTH) == SHUTDOWN_BOTH)
			stream_reset(stream);
		break;
	case VIRTIO_VSOCK_OP_RW:
		stream_receive(stream, payload, le32toh(hdr->len));
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		if (!stream->starving)
			stream->returned = stream->received;
		stream_tell(stream, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
		break;
	}
	if (stream->state == STREAM_OPEN)
		stream_push_backlog(stream);
}
