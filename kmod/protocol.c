// SPDX-License-Identifier: GPL-2.0
/*
 * Codec of the wire protocol. No allocation, no state, no I/O.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <endian.h>
#include <errno.h>
#include <string.h>

#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#include "protocol.h"

enum task_rule {
	TASK_NONE,	/* about no task */
	TASK_SOME,	/* about a task */
	TASK_MAYBE,
};

/**
 * struct frame_format - The shape of a type of frame
 * @type: enum vmguest_wire_type.
 * @origin: The only side that sends it.
 * @task: Whether it names a task.
 * @fixed: Size of its payload struct.
 * @texts: Number of texts behind it.
 * @text_max: Longest of them, in bytes.
 */
struct frame_format {
	__u16 type;
	enum vmguest_origin origin;
	enum task_rule task;
	size_t fixed;
	unsigned int texts;
	size_t text_max;
};

static const struct frame_format frame_formats[] = {
	{ VMGUEST_WIRE_HELLO, VMGUEST_FROM_AGENT, TASK_NONE,
	  sizeof(struct vmguest_wire_hello), 5, VMGUEST_WIRE_INFO_MAX },
	{ VMGUEST_WIRE_ACCEPTED, VMGUEST_FROM_AGENT, TASK_SOME, 0, 0, 0 },
	{ VMGUEST_WIRE_BLOCKED, VMGUEST_FROM_AGENT, TASK_SOME,
	  sizeof(struct vmguest_wire_blocked), 2, VMGUEST_WIRE_TEXT_MAX },
	{ VMGUEST_WIRE_COMMIT, VMGUEST_FROM_AGENT, TASK_SOME, 0, 0, 0 },
	{ VMGUEST_WIRE_PROGRESS, VMGUEST_FROM_AGENT, TASK_SOME,
	  sizeof(struct vmguest_wire_progress), 0, 0 },
	{ VMGUEST_WIRE_RESULT, VMGUEST_FROM_AGENT, TASK_SOME,
	  sizeof(struct vmguest_wire_result), 1, VMGUEST_WIRE_TEXT_MAX },
	{ VMGUEST_WIRE_LAST_BREATH, VMGUEST_FROM_AGENT, TASK_MAYBE,
	  sizeof(struct vmguest_wire_last_breath), 0, 0 },
	{ VMGUEST_WIRE_PONG, VMGUEST_FROM_AGENT, TASK_MAYBE, 0, 0, 0 },
	{ VMGUEST_WIRE_GOODBYE, VMGUEST_FROM_AGENT, TASK_NONE, 0, 0, 0 },
	{ VMGUEST_WIRE_NOTICE, VMGUEST_FROM_AGENT, TASK_NONE,
	  sizeof(struct vmguest_wire_notice), 1, VMGUEST_WIRE_TEXT_MAX },

	{ VMGUEST_WIRE_WELCOME, VMGUEST_FROM_MODULE, TASK_NONE,
	  sizeof(struct vmguest_wire_welcome), 0, 0 },
	{ VMGUEST_WIRE_REJECT, VMGUEST_FROM_MODULE, TASK_NONE,
	  sizeof(struct vmguest_wire_reject), 0, 0 },
	{ VMGUEST_WIRE_REQUEST, VMGUEST_FROM_MODULE, TASK_SOME,
	  sizeof(struct vmguest_wire_request), 1, VMGUEST_WIRE_TEXT_MAX },
	{ VMGUEST_WIRE_CANCEL, VMGUEST_FROM_MODULE, TASK_SOME, 0, 0, 0 },
	{ VMGUEST_WIRE_GO, VMGUEST_FROM_MODULE, TASK_SOME, 0, 0, 0 },
	{ VMGUEST_WIRE_PING, VMGUEST_FROM_MODULE, TASK_MAYBE, 0, 0, 0 },
	{ VMGUEST_WIRE_LAST_BREATH_ACK, VMGUEST_FROM_MODULE, TASK_MAYBE,
	  0, 0, 0 },
};

static const struct frame_format *frame_format(__u16 type)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(frame_formats); i++)
		if (frame_formats[i].type == type)
			return &frame_formats[i];
	return NULL;
}

static bool task_id_fits(const struct frame_format *format, __u64 task_id)
{
	switch (format->task) {
	case TASK_NONE:
		return !task_id;
	case TASK_SOME:
		return task_id;
	default:
		return true;
	}
}

static bool unpack_hello(const __u8 *p, struct vmguest_frame *frame)
{
	struct vmguest_wire_hello wire;

	memcpy(&wire, p, sizeof(wire));
	memcpy(frame->hello.boot_id, wire.boot_id, 16);
	memcpy(frame->hello.machine_id, wire.machine_id, 16);
	memcpy(frame->hello.instance, wire.instance, 16);
	frame->hello.capabilities = le64_to_cpu(wire.capabilities);
	frame->hello.role = le32_to_cpu(wire.role);
	frame->hello.sessions = le32_to_cpu(wire.sessions);
	return frame->hello.role <= VMGUEST_ROLE_LAST_BREATH;
}

static bool unpack_request(const __u8 *p, struct vmguest_frame *frame)
{
	struct vmguest_wire_request wire;

	memcpy(&wire, p, sizeof(wire));
	frame->request.verb = le16_to_cpu(wire.verb);
	frame->request.scope = le16_to_cpu(wire.scope);
	frame->request.flags = le32_to_cpu(wire.flags);
	frame->request.deadline_ms = le32_to_cpu(wire.deadline_ms);
	frame->request.delay_ms = le32_to_cpu(wire.delay_ms);
	frame->request.grace_ms = le32_to_cpu(wire.grace_ms);
	frame->request.uid = le32_to_cpu(wire.uid);
	return frame->request.verb >= VMGUEST_VERB_SHUTDOWN &&
	       frame->request.verb <= VMGUEST_VERB_LOGOFF &&
	       frame->request.scope <= VMGUEST_SCOPE_ALL_BUT_UID;
}

static bool unpack_result(const __u8 *p, struct vmguest_frame *frame)
{
	struct vmguest_wire_result wire;

	memcpy(&wire, p, sizeof(wire));
	frame->result.code = le32_to_cpu(wire.code);
	frame->result.targeted = le32_to_cpu(wire.targeted);
	frame->result.ended = le32_to_cpu(wire.ended);
	frame->result.left = le32_to_cpu(wire.left);
	return frame->result.code <= VMGUEST_WIRE_FAILED &&
	       (__u64)frame->result.ended + frame->result.left ==
	       frame->result.targeted;
}

/* What a kind does not speak of is zero. */
static bool unpack_notice(const __u8 *p, struct vmguest_frame *frame)
{
	struct vmguest_wire_notice wire;

	memcpy(&wire, p, sizeof(wire));
	frame->notice.kind = le32_to_cpu(wire.kind);
	frame->notice.how = le32_to_cpu(wire.how);
	frame->notice.ended = le32_to_cpu(wire.ended);
	frame->notice.left = le32_to_cpu(wire.left);
	if (frame->notice.kind == VMGUEST_NOTICE_LOGOFF)
		return frame->notice.how >= VMGUEST_WIRE_LOGOFF_NORMAL &&
		       frame->notice.how <= VMGUEST_WIRE_LOGOFF_FORCED &&
		       frame->notice.ended;
	if (frame->notice.kind == VMGUEST_NOTICE_SESSIONS)
		return frame->notice.how <= frame->notice.left &&
		       !frame->notice.ended;
	if (frame->notice.ended || frame->notice.left)
		return false;
	if (frame->notice.kind == VMGUEST_NOTICE_GOING_DOWN)
		return frame->notice.how <= VMGUEST_END_HALT;
	return frame->notice.kind == VMGUEST_NOTICE_STAYS_UP &&
	       !frame->notice.how;
}

static bool unpack_fixed(const __u8 *p, struct vmguest_frame *frame)
{
	struct vmguest_wire_welcome welcome;
	struct vmguest_wire_reject reject;
	struct vmguest_wire_blocked blocked;
	struct vmguest_wire_progress progress;
	struct vmguest_wire_last_breath last_breath;

	switch (frame->type) {
	case VMGUEST_WIRE_HELLO:
		return unpack_hello(p, frame);
	case VMGUEST_WIRE_REQUEST:
		return unpack_request(p, frame);
	case VMGUEST_WIRE_RESULT:
		return unpack_result(p, frame);
	case VMGUEST_WIRE_NOTICE:
		return unpack_notice(p, frame);
	case VMGUEST_WIRE_WELCOME:
		memcpy(&welcome, p, sizeof(welcome));
		memcpy(frame->welcome.instance, welcome.instance, 16);
		frame->welcome.heartbeat_ms = le32_to_cpu(welcome.heartbeat_ms);
		frame->welcome.features = le32_to_cpu(welcome.features);
		return !(frame->welcome.features & ~VMGUEST_WIRE_FEATURES);
	case VMGUEST_WIRE_REJECT:
		memcpy(&reject, p, sizeof(reject));
		frame->reject.code = le32_to_cpu(reject.code);
		return !reject.reserved;
	case VMGUEST_WIRE_BLOCKED:
		memcpy(&blocked, p, sizeof(blocked));
		frame->blocked.kind = le32_to_cpu(blocked.kind);
		frame->blocked.uid = le32_to_cpu(blocked.uid);
		frame->blocked.pid = le32_to_cpu(blocked.pid);
		return !blocked.reserved &&
		       frame->blocked.kind <= VMGUEST_BLOCKER_STOP_JOB;
	case VMGUEST_WIRE_PROGRESS:
		memcpy(&progress, p, sizeof(progress));
		frame->progress.percent = le32_to_cpu(progress.percent);
		return !progress.reserved && frame->progress.percent < 100;
	case VMGUEST_WIRE_LAST_BREATH:
		memcpy(&last_breath, p, sizeof(last_breath));
		frame->last_breath.end = le32_to_cpu(last_breath.end);
		return !last_breath.reserved &&
		       frame->last_breath.end >= VMGUEST_END_POWEROFF &&
		       frame->last_breath.end <= VMGUEST_END_HALT;
	default:
		return true;
	}
}

/* Exactly the texts of @format, nothing behind them. */
static bool unpack_texts(const __u8 *p, size_t len,
			 const struct frame_format *format,
			 struct vmguest_frame *frame)
{
	unsigned int i;
	__le16 wire;
	size_t n;

	for (i = 0; i < format->texts; i++) {
		if (len < sizeof(wire))
			return false;
		memcpy(&wire, p, sizeof(wire));
		n = le16_to_cpu(wire);
		p += sizeof(wire);
		len -= sizeof(wire);
		if (n > len || n > format->text_max)
			return false;
		if (n && memchr(p, 0, n))
			return false;
		frame->text[i].data = (const char *)p;
		frame->text[i].len = n;
		p += n;
		len -= n;
	}
	return !len;
}

static int decode_fault(struct vmguest_frame *frame, const char *fault)
{
	frame->fault = fault;
	return -EPROTO;
}

/**
 * vmguest_protocol_decode - Take one frame off the front of a buffer
 * @buf: Received bytes, any alignment.
 * @len: How many, 0 and up.
 * @origin: The side that they came from.
 * @frame: Out, the members and the texts of its type; the texts point into @buf.
 *	Undefined unless the return value is positive; with -EPROTO its type, 0 if
 *	there is none, and its fault.
 *
 * The header is judged before its length is believed, so a caller that holds
 * %VMGUEST_FRAME_MAX bytes never needs more of them.
 *
 * Return: the size of the frame in bytes; 0 when @buf holds only the start of
 * one; -EPROTO when no continuation can make it a frame of @origin.
 */
int vmguest_protocol_decode(const void *buf, size_t len,
			    enum vmguest_origin origin,
			    struct vmguest_frame *frame)
{
	const struct frame_format *format;
	struct vmguest_wire_header header;
	const __u8 *payload = buf;
	size_t length;

	if (len < sizeof(header))
		return 0;
	memcpy(&header, buf, sizeof(header));
	payload += sizeof(header);

	frame->type = 0;
	if (le32_to_cpu(header.magic) != VMGUEST_WIRE_MAGIC)
		return decode_fault(frame, "bad magic");
	if (le16_to_cpu(header.version) != VMGUEST_WIRE_VERSION)
		return decode_fault(frame, "unknown version");
	frame->type = le16_to_cpu(header.type);
	frame->task_id = le64_to_cpu(header.task_id);
	length = le32_to_cpu(header.length);

	format = frame_format(frame->type);
	if (!format)
		return decode_fault(frame, "unknown type");
	if (format->origin != origin)
		return decode_fault(frame, "type of the other side");
	if (header.reserved)
		return decode_fault(frame, "reserved bits");
	if (!task_id_fits(format, frame->task_id))
		return decode_fault(frame, "bad task id");
	if (length < format->fixed || length > VMGUEST_WIRE_MAX_PAYLOAD)
		return decode_fault(frame, "bad length");
	if (len - sizeof(header) < length)
		return 0;

	if (format->fixed && !unpack_fixed(payload, frame))
		return decode_fault(frame, "bad payload");
	if (!unpack_texts(payload + format->fixed, length - format->fixed,
			  format, frame))
		return decode_fault(frame, "bad text");
	return sizeof(header) + length;
}

/**
 * vmguest_protocol_size - How large a frame is that has begun to arrive
 * @buf: At least its header, which vmguest_protocol_decode() has not refused.
 *
 * Return: its size in bytes, not above %VMGUEST_FRAME_MAX.
 */
size_t vmguest_protocol_size(const void *buf)
{
	struct vmguest_wire_header header;

	memcpy(&header, buf, sizeof(header));
	return sizeof(header) + le32_to_cpu(header.length);
}

static void pack_fixed(__u8 *p, const struct vmguest_frame *frame)
{
	struct vmguest_wire_hello hello = { };
	struct vmguest_wire_welcome welcome = { };
	struct vmguest_wire_reject reject = { };
	struct vmguest_wire_request request = { };
	struct vmguest_wire_blocked blocked = { };
	struct vmguest_wire_progress progress = { };
	struct vmguest_wire_result result = { };
	struct vmguest_wire_last_breath last_breath = { };
	struct vmguest_wire_notice notice = { };

	switch (frame->type) {
	case VMGUEST_WIRE_HELLO:
		memcpy(hello.boot_id, frame->hello.boot_id, 16);
		memcpy(hello.machine_id, frame->hello.machine_id, 16);
		memcpy(hello.instance, frame->hello.instance, 16);
		hello.capabilities = cpu_to_le64(frame->hello.capabilities);
		hello.role = cpu_to_le32(frame->hello.role);
		hello.sessions = cpu_to_le32(frame->hello.sessions);
		memcpy(p, &hello, sizeof(hello));
		break;
	case VMGUEST_WIRE_WELCOME:
		memcpy(welcome.instance, frame->welcome.instance, 16);
		welcome.heartbeat_ms = cpu_to_le32(frame->welcome.heartbeat_ms);
		welcome.features = cpu_to_le32(frame->welcome.features);
		memcpy(p, &welcome, sizeof(welcome));
		break;
	case VMGUEST_WIRE_REJECT:
		reject.code = cpu_to_le32(frame->reject.code);
		memcpy(p, &reject, sizeof(reject));
		break;
	case VMGUEST_WIRE_REQUEST:
		request.verb = cpu_to_le16(frame->request.verb);
		request.scope = cpu_to_le16(frame->request.scope);
		request.flags = cpu_to_le32(frame->request.flags);
		request.deadline_ms = cpu_to_le32(frame->request.deadline_ms);
		request.delay_ms = cpu_to_le32(frame->request.delay_ms);
		request.grace_ms = cpu_to_le32(frame->request.grace_ms);
		request.uid = cpu_to_le32(frame->request.uid);
		memcpy(p, &request, sizeof(request));
		break;
	case VMGUEST_WIRE_BLOCKED:
		blocked.kind = cpu_to_le32(frame->blocked.kind);
		blocked.uid = cpu_to_le32(frame->blocked.uid);
		blocked.pid = cpu_to_le32(frame->blocked.pid);
		memcpy(p, &blocked, sizeof(blocked));
		break;
	case VMGUEST_WIRE_PROGRESS:
		progress.percent = cpu_to_le32(frame->progress.percent);
		memcpy(p, &progress, sizeof(progress));
		break;
	case VMGUEST_WIRE_RESULT:
		result.code = cpu_to_le32(frame->result.code);
		result.targeted = cpu_to_le32(frame->result.targeted);
		result.ended = cpu_to_le32(frame->result.ended);
		result.left = cpu_to_le32(frame->result.left);
		memcpy(p, &result, sizeof(result));
		break;
	case VMGUEST_WIRE_LAST_BREATH:
		last_breath.end = cpu_to_le32(frame->last_breath.end);
		memcpy(p, &last_breath, sizeof(last_breath));
		break;
	case VMGUEST_WIRE_NOTICE:
		notice.kind = cpu_to_le32(frame->notice.kind);
		notice.how = cpu_to_le32(frame->notice.how);
		notice.ended = cpu_to_le32(frame->notice.ended);
		notice.left = cpu_to_le32(frame->notice.left);
		memcpy(p, &notice, sizeof(notice));
		break;
	}
}

/**
 * vmguest_protocol_encode - Write one frame
 * @frame: What to write; only the union member and the texts of its type
 *	count. Longer texts than the type allows are cut, texts with a NUL end
 *	before it.
 * @buf: Where to.
 * @size: Room there; %VMGUEST_FRAME_MAX always suffices.
 *
 * Return: the size of the frame in bytes; -EINVAL for an unknown type;
 * -EMSGSIZE when @size is too small.
 */
int vmguest_protocol_encode(const struct vmguest_frame *frame, void *buf,
			    size_t size)
{
	const struct frame_format *format = frame_format(frame->type);
	struct vmguest_wire_header header = { };
	const struct vmguest_text *text;
	__u8 *p = buf;
	unsigned int i;
	size_t n, used;
	__le16 wire;

	if (!format)
		return -EINVAL;
	used = sizeof(header) + format->fixed;
	if (size < used)
		return -EMSGSIZE;
	if (format->fixed)
		pack_fixed(p + sizeof(header), frame);

	for (i = 0; i < format->texts; i++) {
		text = &frame->text[i];
		n = text->data ? strnlen(text->data, text->len) : 0;
		if (n > format->text_max)
			n = format->text_max;
		if (size - used < sizeof(wire) + n)
			return -EMSGSIZE;
		wire = cpu_to_le16(n);
		memcpy(p + used, &wire, sizeof(wire));
		used += sizeof(wire);
		if (n)
			memcpy(p + used, text->data, n);
		used += n;
	}

	header.magic = cpu_to_le32(VMGUEST_WIRE_MAGIC);
	header.version = cpu_to_le16(VMGUEST_WIRE_VERSION);
	header.type = cpu_to_le16(frame->type);
	header.length = cpu_to_le32(used - sizeof(header));
	header.task_id = cpu_to_le64(frame->task_id);
	memcpy(p, &header, sizeof(header));
	return used;
}

/*
 * The length of the UTF-8 sequence at @p that may be shown to a person, 0 when
 * it is malformed or a character that steers a terminal: C0, DEL, C1, line and
 * paragraph separators, bidirectional controls.
 */
static size_t text_sequence(const __u8 *p, size_t len)
{
	static const __u32 smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;
	__u32 c;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc0 || p[0] >= 0xf8)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n > len)
		return 0;
	c = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (c < 0xa0 || (c >= 0x200e && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

/**
 * vmguest_text_is_clean - Whether a text can be shown to a person as it is
 * @text: UTF-8, need not be terminated.
 * @len: Its length in bytes.
 *
 * Return: true when every character is well-formed and none is a control.
 */
bool vmguest_text_is_clean(const char *text, size_t len)
{
	const __u8 *p = (const __u8 *)text;
	size_t n;

	while (len) {
		n = text_sequence(p, len);
		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/**
 * vmguest_text_clean - Copy a hostile text so that it can be shown
 * @dst: Out, terminated, and zero up to @size.
 * @size: Its size, at least 1.
 * @src: The text.
 *
 * Each byte that is malformed or part of a control character becomes '?'. A
 * sequence that does not fit any more is left out whole.
 */
void vmguest_text_clean(char *dst, size_t size, const struct vmguest_text *src)
{
	const __u8 *p = (const __u8 *)src->data;
	size_t left = src->len;
	size_t used = 0;
	size_t n;

	memset(dst, 0, size);
	while (left) {
		n = text_sequence(p, left);
		if (used + (n ? n : 1) >= size)
			return;
		if (n)
			memcpy(dst + used, p, n);
		else
			dst[used] = '?';
		used += n ? n : 1;
		p += n ? n : 1;
		left -= n ? n : 1;
	}
}
