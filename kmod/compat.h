/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What some kernels have and others do not. Kbuild looks into the kernel's
 * headers, and says what it found.
 */
#ifndef _VMGUEST_COMPAT_H
#define _VMGUEST_COMPAT_H

#include <linux/workqueue.h>

/* Where it is not known, it is what a queue is without WQ_UNBOUND. */
#ifndef VMGUEST_HAVE_WQ_PERCPU
#define WQ_PERCPU	0
#endif

#endif /* _VMGUEST_COMPAT_H */
