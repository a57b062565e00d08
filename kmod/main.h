/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_MAIN_H
#define _VMGUEST_MAIN_H

#include <linux/types.h>

struct workqueue_struct;

/*
 * Runs everything that socket callbacks, lifelines and timers ask for. Nothing
 * on it waits for a guest; only the trimming of the registry waits for other
 * work, that of lifelines.
 */
extern struct workqueue_struct *vmguest_wq;

/* Random id of this load of the module; constant. */
extern u8 vmguest_instance[16];

#endif /* _VMGUEST_MAIN_H */
