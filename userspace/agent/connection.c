// SPDX-License-Identifier: GPL-2.0
/*
 * The connection to the host: dialled, kept, dialled again.
 *
 * The host's bytes are not trusted either: buffers are bounded, and the first
 * frame that is malformed or out of place ends the connection.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "dial.h"

#define BACKOFF_MIN_MS		250
#define BACKOFF_MAX_MS		30000
#define GREETING_TIMEOUT_MS	10000
#define HEARTBEAT_MIN_MS	100

static const char * const reject_reasons[] = {
	[VMGUEST_REJECT_DUPLICATE] = "another agent of this guest is alive",
	[VMGUEST_REJECT_UNREGISTERED] = "this guest is not registered",
	[VMGUEST_REJECT_BUSY] = "too many connections",
};

/* Half of the wait is fixed and half is dice, so that guests spread out. */
static void connection_retry_later(struct connection *conn)
{
	unsigned int bound = conn->backoff_ms;
	unsigned int wait = bound / 2 + random_below(bound / 2 + 1);

	conn->backoff_ms = 2 * bound < BACKOFF_MAX_MS ? 2 * bound :
							BACKOFF_MAX_MS;
	timer_set(&conn->retry, wait);
	log_debug("dialling again in %u ms", wait);
}

static void connection_close(struct connection *conn)
{
	enum connection_state before = conn->state;

	source_close(conn->loop, &conn->source);
	timer_clear(&conn->heartbeat);
	conn->state = CONNECTION_CLOSED;
	conn->in_len = 0;
	conn->out_len = 0;
	connection_retry_later(conn);
	if (before == CONNECTION_OPEN)
		conn->events->closed(conn);
}

/* A host that is not there is said once, not at each try. */
static void connection_failed(struct connection *conn, int err)
{
	int level = err == conn->error ? LOG_DEBUG : LOG_INFO;

	conn->error = err;
	log_task(level, 0, "host not reached: %s", strerror(err));
	connection_close(conn);
}

static void connection_lost(struct connection *conn, int err)
{
	log_info("connection lost: %s",
		 err ? strerror(err) : "closed by the host");
	connection_close(conn);
}

void connection_drop(struct connection *conn)
{
	if (conn->state != CONNECTION_CLOSED)
		connection_close(conn);
}

void connection_punish(struct connection *conn, const char *why)
{
	log_warn("connection closed: %s", why);
	if (conn->backoff_ms < 2 * conn->backoff_before_ms)
		conn->backoff_ms = 2 * conn->backoff_before_ms;
	if (conn->backoff_ms > BACKOFF_MAX_MS)
		conn->backoff_ms = BACKOFF_MAX_MS;
	connection_close(conn);
}

/* Return: 0, or the errno that ended the connection. */
static int connection_flush(struct connection *conn)
{
	__u32 events = EPOLLIN;
	ssize_t n = 0;

	if (conn->out_len)
		n = send(conn->source.fd, conn->out, conn->out_len,
			 MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return errno;
	if (n > 0) {
		conn->out_len -= n;
		memmove(conn->out, conn->out + n, conn->out_len);
	}
	if (conn->out_len)
		events |= EPOLLOUT;
	return -source_change(conn->loop, &conn->source, events);
}

/**
 * connection_send - Send a frame to the host
 * @conn: The connection.
 * @frame: The frame.
 *
 * Never closes the connection, so that a caller can go on: what is wrong with
 * it shows up in the loop. Before WELCOME the host takes nothing but HELLO.
 *
 * Return: 0 when it was sent or will be; -ENOTCONN; -ENOBUFS when the host has
 * stopped to read.
 */
int connection_send(struct connection *conn, const struct vmguest_frame *frame)
{
	int n;

	if (conn->state != CONNECTION_OPEN &&
	    frame->type != VMGUEST_WIRE_HELLO)
		return -ENOTCONN;
	n = vmguest_protocol_encode(frame, conn->out + conn->out_len,
				    sizeof(conn->out) - conn->out_len);
	if (n < 0) {
		/* Reading will see the end of it. */
		shutdown(conn->source.fd, SHUT_RDWR);
		return -ENOBUFS;
	}
	conn->out_len += n;
	return connection_flush(conn) ? -ENOTCONN : 0;
}

static void connection_greet(struct connection *conn)
{
	struct vmguest_frame hello = { };
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(conn->source.fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		connection_failed(conn, err);
		return;
	}
	conn->state = CONNECTION_GREETING;
	conn->error = 0;
	conn->events->hello(conn, &hello);
	if (connection_send(conn, &hello))
		log_debug("HELLO not sent");
}

/* A PONG that nobody asked for is a sign of life. */
static void connection_heartbeat(struct timer *timer)
{
	struct connection *conn = container_of(timer, struct connection,
					       heartbeat);
	struct vmguest_frame pong = { .type = VMGUEST_WIRE_PONG };

	connection_send(conn, &pong);
	timer_set(timer, conn->heartbeat_ms);
}

static void connection_welcome(struct connection *conn,
			       const struct vmguest_frame *frame)
{
	conn->state = CONNECTION_OPEN;
	timer_clear(&conn->retry);
	conn->backoff_before_ms = conn->backoff_ms;
	conn->backoff_ms = BACKOFF_MIN_MS;
	conn->features = frame->welcome.features;
	conn->heartbeat_ms = frame->welcome.heartbeat_ms;
	if (conn->heartbeat_ms) {
		if (conn->heartbeat_ms < HEARTBEAT_MIN_MS)
			conn->heartbeat_ms = HEARTBEAT_MIN_MS;
		timer_set(&conn->heartbeat, conn->heartbeat_ms);
	}
	conn->events->opened(conn, frame);
}

static void connection_reject(struct connection *conn,
			      const struct vmguest_frame *frame)
{
	const char *reason = NULL;

	if (frame->reject.code < ARRAY_SIZE(reject_reasons))
		reason = reject_reasons[frame->reject.code];
	log_warn("the host refuses this agent: %s",
		 reason ? reason : "no reason known");
	connection_close(conn);
}

static void connection_frame(struct connection *conn,
			     const struct vmguest_frame *frame)
{
	bool open = conn->state == CONNECTION_OPEN;

	if (frame->type == VMGUEST_WIRE_WELCOME && !open)
		connection_welcome(conn, frame);
	else if (frame->type == VMGUEST_WIRE_REJECT && !open)
		connection_reject(conn, frame);
	else if (frame->type == VMGUEST_WIRE_WELCOME ||
		 frame->type == VMGUEST_WIRE_REJECT || !open)
		connection_punish(conn, "the host sent a frame out of place");
	else
		conn->events->received(conn, frame);
}

/* Return: whether one frame was taken and the connection lives. */
static bool connection_take(struct connection *conn)
{
	struct vmguest_frame frame;
	int n;

	n = vmguest_protocol_decode(conn->in, conn->in_len, VMGUEST_FROM_MODULE,
				    &frame);
	if (n < 0)
		connection_punish(conn, "the host sent a malformed frame");
	if (n <= 0)
		return false;
	connection_frame(conn, &frame);
	if (conn->state < CONNECTION_GREETING)
		return false;
	conn->in_len -= n;
	memmove(conn->in, conn->in + n, conn->in_len);
	return true;
}

static void connection_read(struct connection *conn)
{
	ssize_t n;

	n = recv(conn->source.fd, conn->in + conn->in_len,
		 sizeof(conn->in) - conn->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_lost(conn, n ? errno : 0);
		return;
	}
	conn->in_len += n;
	while (connection_take(conn))
		;
}

static void connection_handle(struct source *source, __u32 events)
{
	struct connection *conn = container_of(source, struct connection,
					       source);
	int err;

	if (conn->state == CONNECTION_DIALLING) {
		connection_greet(conn);
		return;
	}
	if (events & EPOLLOUT) {
		err = connection_flush(conn);
		if (err) {
			connection_lost(conn, err);
			return;
		}
	}
	if (events & ~EPOLLOUT)
		connection_read(conn);
}

/* Dial now, whatever the backoff says. */
void connection_dial(struct connection *conn)
{
	int err;

	connection_drop(conn);
	conn->source.fd = dial(conn->options);
	if (conn->source.fd < 0) {
		err = -conn->source.fd;
		conn->source.fd = -1;
		connection_failed(conn, err);
		return;
	}
	conn->state = CONNECTION_DIALLING;
	timer_set(&conn->retry, GREETING_TIMEOUT_MS);
	err = source_add(conn->loop, &conn->source, EPOLLOUT);
	if (err)
		connection_failed(conn, -err);
}

static void connection_retry(struct timer *timer)
{
	struct connection *conn = container_of(timer, struct connection, retry);

	if (conn->state == CONNECTION_CLOSED)
		connection_dial(conn);
	else
		connection_failed(conn, ETIMEDOUT);
}

int connection_init(struct connection *conn, struct loop *loop,
		    const struct options *options,
		    const struct connection_events *events)
{
	int err;

	conn->loop = loop;
	conn->options = options;
	conn->events = events;
	conn->state = CONNECTION_CLOSED;
	conn->source = (struct source){ .fd = -1, .handle = connection_handle };
	conn->backoff_ms = BACKOFF_MIN_MS;
	conn->backoff_before_ms = BACKOFF_MIN_MS;
	err = timer_init(loop, &conn->retry, connection_retry);
	if (err)
		return err;
	return timer_init(loop, &conn->heartbeat, connection_heartbeat);
}
