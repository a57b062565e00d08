/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel memory that the module's own code has asked for and still has, by the
 * kernel's trace of its allocators: with the room that the allocator really
 * takes, without sockets, files and whatever other code allocates for it. What
 * other code frees for the module (RCU) is taken to be there still.
 */
#ifndef BENCH_KMEM_H
#define BENCH_KMEM_H

#include <stdint.h>

void kmem_begin(void);

/* Return: bytes allocated since, and not freed; each caller goes to stderr. */
uint64_t kmem_end(const char *what, unsigned int per);

/* All slabs of this kernel, in bytes. */
uint64_t kmem_slabs(void);

#endif
