/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connection to the host: dialled, kept, dialled again.
 */
#ifndef _VMGUEST_AGENT_CONNECTION_H
#define _VMGUEST_AGENT_CONNECTION_H

#include "loop.h"
#include "options.h"
#include "protocol.h"

struct connection;

/**
 * struct connection_events - What the owner of a connection hears
 * @hello: Fill in the HELLO that is about to be sent. Its texts must live until
 *	the next call.
 * @opened: The host said WELCOME.
 * @received: A frame came in, after WELCOME.
 * @closed: A connection that was open is lost. It is dialled again by itself.
 */
struct connection_events {
	void (*hello)(struct connection *conn, struct vmguest_frame *frame);
	void (*opened)(struct connection *conn,
		       const struct vmguest_frame *frame);
	void (*received)(struct connection *conn,
			 const struct vmguest_frame *frame);
	void (*closed)(struct connection *conn);
};

/**
 * enum connection_state - How far a connection is
 * @CONNECTION_CLOSED: Waits to dial.
 * @CONNECTION_DIALLING: Waits for the transport.
 * @CONNECTION_GREETING: HELLO was sent.
 * @CONNECTION_OPEN: WELCOME was heard.
 */
enum connection_state {
	CONNECTION_CLOSED,
	CONNECTION_DIALLING,
	CONNECTION_GREETING,
	CONNECTION_OPEN,
};

/* Room for what the host has not taken yet; a host that lets it fill is lost. */
#define CONNECTION_OUT_SIZE	(8 * VMGUEST_FRAME_MAX)

/**
 * struct connection - The connection to the host
 * @loop: Its loop.
 * @options: Where to dial.
 * @events: Its owner.
 * @source: Its socket.
 * @state: How far it is.
 * @retry: When to dial again, and how long to wait for a WELCOME.
 * @heartbeat: When to send the next PONG unasked.
 * @heartbeat_ms: The host's wish, 0 for never.
 * @features: What it takes, enum vmguest_wire_features.
 * @backoff_ms: Upper bound of the next wait before dialling.
 * @backoff_before_ms: The one before WELCOME reset it.
 * @error: The last error of dialling that was logged.
 * @in: Bytes received.
 * @in_len: How many.
 * @out: Bytes to send.
 * @out_len: How many.
 */
struct connection {
	struct loop *loop;
	const struct options *options;
	const struct connection_events *events;
	struct source source;
	enum connection_state state;
	struct timer retry;
	struct timer heartbeat;
	unsigned int heartbeat_ms;
	__u32 features;
	unsigned int backoff_ms;
	unsigned int backoff_before_ms;
	int error;
	__u8 in[VMGUEST_FRAME_MAX];
	size_t in_len;
	__u8 out[CONNECTION_OUT_SIZE];
	size_t out_len;
};

int connection_init(struct connection *conn, struct loop *loop,
		    const struct options *options,
		    const struct connection_events *events);
void connection_dial(struct connection *conn);
int connection_send(struct connection *conn, const struct vmguest_frame *frame);
void connection_drop(struct connection *conn);

/* Close one whose host does not keep to the protocol, and stay away longer. */
void connection_punish(struct connection *conn, const char *why);

static inline bool connection_is_open(const struct connection *conn)
{
	return conn->state == CONNECTION_OPEN;
}

#endif /* _VMGUEST_AGENT_CONNECTION_H */
