// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: the guest was restored from a snapshot.
 *
 * A host that has a VM generation ID device says so; drivers/virt/vmgenid.c
 * listens to it. What the host backs now is not what it backed when the
 * snapshot was taken, so the marks are void. And a hint may cost such a host
 * much more than before: where memory comes from the snapshot's file, each one
 * may leave two more mappings behind, of which a process can have only so
 * many; where a process serves the page faults, each one is an event that it
 * has to read. So there are no small hints any more, unless the user asks for
 * them again.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "internal.h"

/* How often the guest was restored. Written under the mutex. */
unsigned int page_hinting_nr_restores;

/*
 * Hinting is stopped and started, although counting anew while it runs would
 * void the marks as well. This way blocks come home unhinted that the host
 * discarded before the snapshot and that the guest only harvests now; no small
 * blocks are hinted from there on; and who waits for a flush is told that it was
 * in vain. A block that a silent host does not give back stays in flight.
 */
static void restore_work_fn(struct work_struct *work)
{
	unsigned int old_order, nr;

	guard(mutex)(&page_hinting_mutex);
	old_order = page_hinting_idle_min_order;
	nr = page_hinting_nr_restores + 1;
	/* Pairs with who shows it. */
	WRITE_ONCE(page_hinting_nr_restores, nr);
	trace_page_hinting_restore(nr);
	/* It shows in sysfs, and lasts until it is written there. */
	page_hinting_set_idle_order(MAX_PAGE_ORDER);

	if (page_hinting_get_state() == PAGE_HINTING_NO_DEVICE)
		return;
	pr_info("restored from a snapshot: all marks are void; blocks below order %u are not hinted until idle_min_order, which was %u, is written again\n",
		page_hinting_min_order, old_order);
	/* While it is disabled there are no marks, and resuming voids them. */
	if (page_hinting_get_state() == PAGE_HINTING_RUNNING)
		page_hinting_begin_anew();
}

static DECLARE_WORK(restore_work, restore_work_fn);

/**
 * page_hinting_restored - the guest was restored from a snapshot
 *
 * The work is left to a work item. Whoever holds the mutex may wait for the
 * host for a second, and others that are notified, such as WireGuard, have to
 * forget their keys now. With a devicetree, that is in an interrupt, too.
 *
 * Context: Any.
 */
void page_hinting_restored(void)
{
	queue_work(system_long_wq, &restore_work);
}

static int vmfork_callback(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	page_hinting_restored();
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_nb = {
	.notifier_call = vmfork_callback,
};

static int __init page_hinting_restore_init(void)
{
	return register_random_vmfork_notifier(&vmfork_nb);
}
subsys_initcall(page_hinting_restore_init);
