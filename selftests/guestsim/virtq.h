/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Split virtqueues, the driver's side. Every chain is one descriptor long and
 * descriptor N always describes buffer N, so there is nothing to allocate.
 */
#ifndef GUESTSIM_VIRTQ_H
#define GUESTSIM_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

/**
 * struct virtq - One queue
 * @ring: Where its three parts are.
 * @offered: Buffers offered so far, modulo 2^16.
 * @taken: Those of them that were taken back.
 */
struct virtq {
	struct vring ring;
	uint16_t offered;
	uint16_t taken;
};

/* Bytes of memory for @num descriptors. */
size_t virtq_size(unsigned int num);

/* @mem: zeroed, aligned to 16. */
void virtq_init(struct virtq *vq, unsigned int num, void *mem);

/* Give buffer @index to the device, to be read or (@writable) written. */
void virtq_offer(struct virtq *vq, unsigned int index, void *buf, size_t len,
		 bool writable);

/* Take back the buffer that the device used next. Return: its index or -1. */
int virtq_take(struct virtq *vq, size_t *written);

/* Has the device used all that it was offered, and can no more be offered? */
bool virtq_is_idle(const struct virtq *vq);
bool virtq_is_full(const struct virtq *vq);

/* Must the device be told of what was offered? */
bool virtq_wants_kick(const struct virtq *vq);

#endif
