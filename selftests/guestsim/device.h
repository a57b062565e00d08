/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vhost-vsock device: what a VMM opens, and what the guest's driver does
 * with it. Packets in, packets out, no connections.
 */
#ifndef GUESTSIM_DEVICE_H
#define GUESTSIM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_vsock.h>

#include "virtq.h"

/* Descriptors of each queue, and the largest packets: header and payload. */
#define DEVICE_RING	8
#define DEVICE_RX_SIZE	512
#define DEVICE_TX_SIZE	1152
#define DEVICE_PAYLOAD	(DEVICE_TX_SIZE - sizeof(struct virtio_vsock_hdr))

struct device_packet;

/**
 * struct device - A device
 * @fd: The vhost fd; -1 without a VMM.
 * @kick: Eventfd by which the host is told of buffers, of both queues.
 * @call: Eventfd by which the host tells, for both queues.
 * @cid: The guest's.
 * @arena: Memory that the host may use: rings and buffers.
 * @rx: Host to guest.
 * @tx: Guest to host.
 * @first: Packets that await room in @tx.
 * @last: The last of them.
 * @waiting: How many they are.
 */
struct device {
	int fd;
	int kick;
	int call;
	uint32_t cid;
	uint8_t *arena;
	struct virtq rx;
	struct virtq tx;
	struct device_packet *first;
	struct device_packet *last;
	unsigned int waiting;
};

void device_init(struct device *device);

/* A VMM starts, and its guest's driver. Return: 0 or a negative errno. */
int device_open(struct device *device, uint32_t cid);

/* The guest resets the device, and its driver starts anew. No host can tell. */
int device_reset(struct device *device);

/* The VMM ends. What the host has not taken by then is lost. */
void device_close(struct device *device);

/* Wait until the host has taken all packets. False when it does not. */
bool device_drain(struct device *device);

void device_send(struct device *device, const struct virtio_vsock_hdr *hdr,
		 const void *payload);

/* Send what waited. */
void device_push(struct device *device);

/*
 * The next packet from the host, or NULL; valid until device_return(), which
 * gives its buffer back to the host.
 */
struct virtio_vsock_hdr *device_receive(struct device *device, int *buffer);
void device_return(struct device *device, int buffer);

#endif
