/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames of the wire protocol, in host byte order, and their codec.
 *
 * Pure code over byte buffers: the same file is built into the module, into the
 * agent and into the user-space tests.
 */
#ifndef _VMGUEST_PROTOCOL_H
#define _VMGUEST_PROTOCOL_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#endif
#include <linux/vmguest.h>
#include <linux/vmguest_protocol.h>

/* Largest frame, and so the size of a receive buffer. */
#define VMGUEST_FRAME_MAX \
	(sizeof(struct vmguest_wire_header) + VMGUEST_WIRE_MAX_PAYLOAD)

#define VMGUEST_FRAME_TEXTS	5

/**
 * enum vmguest_origin - Who sent a frame
 * @VMGUEST_FROM_AGENT: The guest's agent.
 * @VMGUEST_FROM_MODULE: The host's module.
 */
enum vmguest_origin {
	VMGUEST_FROM_AGENT,
	VMGUEST_FROM_MODULE,
};

/**
 * struct vmguest_text - A text inside a frame
 * @data: Its bytes, not terminated, inside the decoded buffer.
 * @len: How many.
 */
struct vmguest_text {
	const char *data;
	size_t len;
};

/* Indices of &vmguest_frame.text for each type. */
enum vmguest_hello_text {
	VMGUEST_HELLO_HOSTNAME,
	VMGUEST_HELLO_OS_NAME,
	VMGUEST_HELLO_OS_VERSION,
	VMGUEST_HELLO_KERNEL,
	VMGUEST_HELLO_AGENT_VERSION,
};

#define VMGUEST_REQUEST_REASON	0
#define VMGUEST_RESULT_TEXT	0
#define VMGUEST_BLOCKED_WHO	0
#define VMGUEST_BLOCKED_WHY	1
#define VMGUEST_NOTICE_WHO	0

/**
 * struct vmguest_frame - One decoded frame
 * @type: enum vmguest_wire_type; says which member of the union counts.
 * @task_id: The task that it is about, 0 for none.
 * @hello: See struct vmguest_wire_hello.
 * @welcome: See struct vmguest_wire_welcome.
 * @reject: See struct vmguest_wire_reject.
 * @request: See struct vmguest_wire_request.
 * @blocked: See struct vmguest_wire_blocked.
 * @progress: See struct vmguest_wire_progress.
 * @result: See struct vmguest_wire_result.
 * @last_breath: See struct vmguest_wire_last_breath.
 * @notice: See struct vmguest_wire_notice.
 * @text: The texts of its type, in order; they point into the decoded buffer.
 * @fault: Only of bytes that are no frame: what is wrong, for people.
 */
struct vmguest_frame {
	__u16 type;
	__u64 task_id;
	union {
		struct {
			__u8 boot_id[16];
			__u8 machine_id[16];
			__u8 instance[16];
			__u64 capabilities;
			__u32 role;
			__u32 sessions;
		} hello;
		struct {
			__u8 instance[16];
			__u32 heartbeat_ms;
			__u32 features;
		} welcome;
		struct {
			__u32 code;
		} reject;
		struct {
			__u16 verb;
			__u16 scope;
			__u32 flags;
			__u32 deadline_ms;
			__u32 delay_ms;
			__u32 grace_ms;
			__u32 uid;
		} request;
		struct {
			__u32 kind;
			__u32 uid;
			__u32 pid;
		} blocked;
		struct {
			__u32 percent;
		} progress;
		struct {
			__u32 code;
			__u32 targeted;
			__u32 ended;
			__u32 left;
		} result;
		struct {
			__u32 end;
		} last_breath;
		struct {
			__u32 kind;
			__u32 how;
			__u32 ended;
			__u32 left;
		} notice;
	};
	struct vmguest_text text[VMGUEST_FRAME_TEXTS];
	const char *fault;
};

int vmguest_protocol_decode(const void *buf, size_t len,
			    enum vmguest_origin origin,
			    struct vmguest_frame *frame);
size_t vmguest_protocol_size(const void *buf);
int vmguest_protocol_encode(const struct vmguest_frame *frame, void *buf,
			    size_t size);
void vmguest_text_clean(char *dst, size_t size, const struct vmguest_text *src);
bool vmguest_text_is_clean(const char *text, size_t len);

#endif /* _VMGUEST_PROTOCOL_H */
