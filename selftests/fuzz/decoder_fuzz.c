// SPDX-License-Identifier: GPL-2.0-only
/*
 * The codec of the wire protocol under libFuzzer: bytes as they come over a
 * connection, from either side. The first byte of an input says from which.
 *
 * Whatever they are, nothing outside of them is touched; a frame that is taken
 * is written again with the very same bytes; and no text of it stays dangerous.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

#define require(cond)	do { if (!(cond)) fail(#cond); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *words)
{
	fprintf(stderr, "not true: %s\n", words);
	abort();
}

static void check_texts(const struct vmguest_frame *frame)
{
	char clean[VMGUEST_WIRE_TEXT_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(frame->text) / sizeof(frame->text[0]); i++) {
		if (!frame->text[i].data)
			continue;
		vmguest_text_clean(clean, sizeof(clean), &frame->text[i]);
		require(vmguest_text_is_clean(clean, strlen(clean)));
		require(strlen(clean) <= frame->text[i].len);
	}
}

static void check_frame(const struct vmguest_frame *frame, const uint8_t *bytes,
			int len)
{
	uint8_t again[VMGUEST_FRAME_MAX];

	require(len <= (int)VMGUEST_FRAME_MAX);
	require(vmguest_protocol_encode(frame, again, sizeof(again)) == len);
	require(!memcmp(again, bytes, len));
	check_texts(frame);
}

/* No more than the start of a frame may ever be waited for. */
static void check_wait(const uint8_t *bytes, size_t size)
{
	(void)bytes;
	require(size < VMGUEST_FRAME_MAX);
}

/* To the byte, so that ASan sees the first one too many. */
static void check_stream(const uint8_t *data, size_t size,
			 enum vmguest_origin origin)
{
	struct vmguest_frame frame;
	uint8_t *bytes = malloc(size ? size : 1);
	size_t used = 0;
	int len;

	require(bytes);
	memcpy(bytes, data, size);
	do {
		/* What a type does not have is left as it is. */
		memset(&frame, 0, sizeof(frame));
		len = vmguest_protocol_decode(bytes + used, size - used, origin,
					      &frame);
		if (len > 0) {
			require((size_t)len <= size - used);
			check_frame(&frame, bytes + used, len);
			used += len;
		} else if (len < 0) {
			require(frame.fault);
		} else {
			check_wait(bytes + used, size - used);
		}
	} while (len > 0);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	check_stream(data + 1, size - 1, data[0] & 1 ? VMGUEST_FROM_AGENT :
						       VMGUEST_FROM_MODULE);
	return 0;
}
