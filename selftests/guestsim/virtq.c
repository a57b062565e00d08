// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "virtq.h"

#define VIRTQ_ALIGN	16

size_t virtq_size(unsigned int num)
{
	return vring_size(num, VIRTQ_ALIGN);
}

void virtq_init(struct virtq *vq, unsigned int num, void *mem)
{
	memset(mem, 0, virtq_size(num));
	vring_init(&vq->ring, num, mem, VIRTQ_ALIGN);
	vq->offered = 0;
	vq->taken = 0;
}

void virtq_offer(struct virtq *vq, unsigned int index, void *buf, size_t len,
		 bool writable)
{
	vq->ring.desc[index] = (struct vring_desc) {
		.addr = (uintptr_t)buf,
		.len = len,
		.flags = writable ? VRING_DESC_F_WRITE : 0,
	};
	vq->ring.avail->ring[vq->offered % vq->ring.num] = index;
	vq->offered++;
	/* The device sees the buffer before it sees that there is one. */
	__atomic_store_n(&vq->ring.avail->idx, vq->offered, __ATOMIC_RELEASE);
}

static uint16_t virtq_used(const struct virtq *vq)
{
	return __atomic_load_n(&vq->ring.used->idx, __ATOMIC_ACQUIRE);
}

int virtq_take(struct virtq *vq, size_t *written)
{
	const struct vring_used_elem *elem;

	if (virtq_used(vq) == vq->taken)
		return -1;
	elem = &vq->ring.used->ring[vq->taken % vq->ring.num];
	vq->taken++;
	*written = elem->len;
	return elem->id;
}

bool virtq_is_idle(const struct virtq *vq)
{
	return virtq_used(vq) == vq->offered;
}

bool virtq_is_full(const struct virtq *vq)
{
	return (uint16_t)(vq->offered - vq->taken) >= vq->ring.num;
}

bool virtq_wants_kick(const struct virtq *vq)
{
	/* Either the device sees the offer or we see that it sleeps. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&vq->ring.used->flags, __ATOMIC_RELAXED) &
		 VRING_USED_F_NO_NOTIFY);
}
