// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "device.h"
#include "guestsim.h"

/* How long the host may take to take what the guest sent. */
#define DEVICE_DRAIN_MS	2000

enum {
	QUEUE_RX,
	QUEUE_TX,
};

/* struct device_packet - A packet that awaits room in the queue */
struct device_packet {
	struct device_packet *next;
	size_t len;
	uint8_t bytes[];
};

static size_t device_ring_size(void)
{
	return (virtq_size(DEVICE_RING) + 63) & ~63UL;
}

static size_t device_arena_size(void)
{
	return 2 * device_ring_size() +
	       DEVICE_RING * (DEVICE_RX_SIZE + DEVICE_TX_SIZE);
}

static uint8_t *device_rx_buffer(const struct device *device, unsigned int i)
{
	return device->arena + 2 * device_ring_size() + i * DEVICE_RX_SIZE;
}

static uint8_t *device_tx_buffer(const struct device *device, unsigned int i)
{
	return device_rx_buffer(device, DEVICE_RING) + i * DEVICE_TX_SIZE;
}

static int device_ioctl(struct device *device, unsigned long nr, void *arg)
{
	return ioctl(device->fd, nr, arg) ? -errno : 0;
}

static void device_kick(struct device *device)
{
	eventfd_write(device->kick, 1);
}

/* Guest-physical addresses are this process's own. */
static int device_set_memory(struct device *device)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} memory = {
		.head.nregions = 1,
		.region.guest_phys_addr = (uintptr_t)device->arena,
		.region.memory_size = device_arena_size(),
		.region.userspace_addr = (uintptr_t)device->arena,
	};

	return device_ioctl(device, VHOST_SET_MEM_TABLE, &memory);
}

static int device_set_queue(struct device *device, unsigned int index,
			    const struct virtq *vq)
{
	struct vhost_vring_state num = { .index = index, .num = vq->ring.num };
	struct vhost_vring_state base = { .index = index };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)vq->ring.desc,
		.avail_user_addr = (uintptr_t)vq->ring.avail,
		.used_user_addr = (uintptr_t)vq->ring.used,
	};
	struct vhost_vring_file kick = { .index = index, .fd = device->kick };
	struct vhost_vring_file call = { .index = index, .fd = device->call };

	return device_ioctl(device, VHOST_SET_VRING_NUM, &num) ?:
	       device_ioctl(device, VHOST_SET_VRING_BASE, &base) ?:
	       device_ioctl(device, VHOST_SET_VRING_ADDR, &addr) ?:
	       device_ioctl(device, VHOST_SET_VRING_KICK, &kick) ?:
	       device_ioctl(device, VHOST_SET_VRING_CALL, &call);
}

static int device_set_running(struct device *device, int running)
{
	return device_ioctl(device, VHOST_VSOCK_SET_RUNNING, &running);
}

/* What a driver does when it finds the device. */
static int device_start(struct device *device)
{
	unsigned int i;
	int err;

	virtq_init(&device->rx, DEVICE_RING, device->arena);
	virtq_init(&device->tx, DEVICE_RING,
		   device->arena + device_ring_size());
	err = device_set_queue(device, QUEUE_RX, &device->rx) ?:
	      device_set_queue(device, QUEUE_TX, &device->tx);
	if (err)
		return err;
	for (i = 0; i < DEVICE_RING; i++)
		virtq_offer(&device->rx, i, device_rx_buffer(device, i),
			    DEVICE_RX_SIZE, true);
	err = device_set_running(device, 1);
	if (!err)
		device_kick(device);
	return err;
}

static void device_forget_packets(struct device *device)
{
	struct device_packet *packet;

	while ((packet = device->first)) {
		device->first = packet->next;
		free(packet);
	}
	device->last = NULL;
	device->waiting = 0;
}

void device_init(struct device *device)
{
	memset(device, 0, sizeof(*device));
	device->fd = -1;
	device->kick = -1;
	device->call = -1;
}

int device_open(struct device *device, uint32_t cid)
{
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1;
	uint64_t wire_cid = cid;
	int err;

	device->cid = cid;
	device->arena = mmap(NULL, device_arena_size(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (device->arena == MAP_FAILED) {
		device->arena = NULL;
		return -errno;
	}
	device->fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	device->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	device->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (device->fd < 0 || device->kick < 0 || device->call < 0)
		err = -errno;
	else
		err = device_ioctl(device, VHOST_SET_OWNER, NULL) ?:
		      device_ioctl(device, VHOST_SET_FEATURES, &features) ?:
		      device_set_memory(device) ?:
		      device_ioctl(device, VHOST_VSOCK_SET_GUEST_CID,
				   &wire_cid) ?:
		      device_start(device);
	if (err)
		device_close(device);
	return err;
}

int device_reset(struct device *device)
{
	int err = device_set_running(device, 0);

	device_forget_packets(device);
	return err ?: device_start(device);
}

static void device_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void device_close(struct device *device)
{
	device_close_fd(&device->fd);
	device_close_fd(&device->kick);
	device_close_fd(&device->call);
	device_forget_packets(device);
	if (device->arena)
		munmap(device->arena, device_arena_size());
	device->arena = NULL;
}

bool device_drain(struct device *device)
{
	uint64_t end = sim_now_ns() + DEVICE_DRAIN_MS * 1000000ULL;

	do {
		device_push(device);
		if (!device->first && virtq_is_idle(&device->tx))
			return true;
		sched_yield();
	} while (sim_now_ns() < end);
	return false;
}

static void device_offer(struct device *device, const void *head,
			 size_t head_len, const void *tail, size_t tail_len)
{
	unsigned int i = device->tx.offered % DEVICE_RING;
	uint8_t *buf = device_tx_buffer(device, i);

	memcpy(buf, head, head_len);
	if (tail_len)
		memcpy(buf + head_len, tail, tail_len);
	virtq_offer(&device->tx, i, buf, head_len + tail_len, false);
	if (virtq_wants_kick(&device->tx))
		device_kick(device);
}

/* Buffers come back in the order in which they were offered. */
static bool device_has_room(struct device *device)
{
	size_t written;

	while (virtq_take(&device->tx, &written) >= 0)
		;
	return !virtq_is_full(&device->tx);
}

static void device_queue(struct device *device,
			 const struct virtio_vsock_hdr *hdr,
			 const void *payload, size_t len)
{
	struct device_packet *packet;

	packet = malloc(sizeof(*packet) + sizeof(*hdr) + len);
	packet->next = NULL;
	packet->len = sizeof(*hdr) + len;
	memcpy(packet->bytes, hdr, sizeof(*hdr));
	if (len)
		memcpy(packet->bytes + sizeof(*hdr), payload, len);
	if (device->last)
		device->last->next = packet;
	else
		device->first = packet;
	device->last = packet;
	device->waiting++;
}

void device_push(struct device *device)
{
	struct device_packet *packet;

	while ((packet = device->first) && device_has_room(device)) {
		device_offer(device, packet->bytes, packet->len, NULL, 0);
		device->first = packet->next;
		if (!device->first)
			device->last = NULL;
		device->waiting--;
		free(packet);
	}
}

void device_send(struct device *device, const struct virtio_vsock_hdr *hdr,
		 const void *payload)
{
	size_t len = payload ? le32toh(hdr->len) : 0;

	if (device->fd < 0)
		return;
	device_push(device);
	if (device->first || !device_has_room(device))
		device_queue(device, hdr, payload, len);
	else
		device_offer(device, hdr, sizeof(*hdr), payload, len);
}

struct virtio_vsock_hdr *device_receive(struct device *device, int *buffer)
{
	size_t written;

	*buffer = virtq_take(&device->rx, &written);
	if (*buffer < 0)
		return NULL;
	return (void *)device_rx_buffer(device, *buffer);
}

void device_return(struct device *device, int buffer)
{
	virtq_offer(&device->rx, buffer, device_rx_buffer(device, buffer),
		    DEVICE_RX_SIZE, true);
	if (virtq_wants_kick(&device->rx))
		device_kick(device);
}
