// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: what the rest of mm asks of it.
 *
 * Leave a zone alone while memory is short, bring home what is in flight before
 * somebody needs it, follow memory hotplug, look after the per-CPU lists, and
 * begin anew when the guest was restored from a snapshot.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/cc_platform.h>
#include <linux/cpuset.h>
#include <linux/init.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sizes.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "control.h"
#include "hooks.h"

/* The per-CPU lists are looked at so long after a CPU that used one is idle. */
#define LISTS_MS		2000
/* When less than this came or went, a per-CPU list has not been used. */
#define LISTS_CHANGE_PAGES	((int)(SZ_1M >> PAGE_SHIFT))

/*
 * See page_hinting_back_off(). That a large block is not to be had is no sign
 * of pressure, unless it may be because one is in flight. A zone that the
 * allocation may not use has nothing to do with it.
 */
void __page_hinting_back_off(gfp_t gfp_mask, unsigned int order,
			     const struct alloc_context *ac)
{
	struct page_hinting_zone *pz;
	struct zoneref *z;
	struct zone *zone;

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (!cpuset_zone_allowed(zone, gfp_mask))
			continue;
		/* Pairs with publish_zone(). */
		pz = READ_ONCE(zone->hinting);
		if (pz && (order <= PAGE_ALLOC_COSTLY_ORDER ||
			   READ_ONCE(pz->in_flight_pages)))
			page_hinting_back_off_zone(pz);
	}
}

/* Bring a range home. Returns false if some of it is still in flight. */
static bool drain_range(unsigned long start_pfn, unsigned long end_pfn,
			unsigned int patience_ms)
{
	struct zone *zone = page_zone(pfn_to_page(start_pfn));
	struct page_hinting_zone *pz = READ_ONCE(zone->hinting);

	might_sleep();
	return !pz || page_hinting_wait_home(pz, start_pfn, end_pfn,
					     patience_ms);
}

/* See page_hinting_drain_range(). */
void __page_hinting_drain_range(unsigned long start_pfn, unsigned long end_pfn)
{
	drain_range(start_pfn, end_pfn, PAGE_HINTING_WAIT_HOME_MS);
}

/*
 * See page_hinting_memory_fails(). A host that did not answer is not waited for
 * again: pages may fail by the hundred, and the queue before memory_failure() is
 * short.
 */
void __page_hinting_memory_fails(unsigned long pfn)
{
	static bool is_silent;

	/* Pairs with put_back(), by the zone lock, which is taken next. */
	WRITE_ONCE(page_hinting_memory_failed, true);
	is_silent = !drain_range(pfn, pfn + 1,
				 is_silent ? 0 : PAGE_HINTING_WAIT_HOME_MS);
}

/*
 * Bring home what is in flight, and report just that: reporting what is not
 * free yet would have the allocator try again and again while the host is
 * silent. Such a host is waited for once, not in every call.
 */
static int oom_callback(struct notifier_block *nb, unsigned long unused,
			void *data)
{
	static bool is_silent;
	unsigned long before = page_hinting_pages_in_flight(), after;
	unsigned long *freed_pages = data;
	struct page_hinting_zone *pz;
	bool home;

	if (!before)
		return NOTIFY_OK;

	page_hinting_for_each_zone(pz)
		page_hinting_be_quiet(pz, PAGE_HINTING_BACK_OFF_MS);
	home = page_hinting_wait_home(NULL, 0, ULONG_MAX,
				      READ_ONCE(is_silent) ? 0 :
				      PAGE_HINTING_WAIT_HOME_MS);
	after = page_hinting_pages_in_flight();
	*freed_pages += before - min(before, after);
	WRITE_ONCE(is_silent, !home);
	return NOTIFY_OK;
}

static struct notifier_block oom_nb = {
	.notifier_call = oom_callback,
};

/* Before devices are shut down, and before a new kernel uses the memory. */
static int reboot_callback(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	page_hinting_shutdown();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = {
	.notifier_call = reboot_callback,
};

/* Before a suspend and the image of a hibernation, and after them. */
static int pm_callback(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		page_hinting_set_sleeps(true);
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		page_hinting_set_sleeps(false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_nb = {
	.notifier_call = pm_callback,
};

static void update_zones_work(struct work_struct *work)
{
	mutex_lock(&page_hinting_mutex);
	if (page_hinting_get_state() != PAGE_HINTING_NO_DEVICE)
		page_hinting_threads_update();
	mutex_unlock(&page_hinting_mutex);
}

static DECLARE_WORK(page_hinting_update, update_zones_work);

/*
 * Blocks in flight would make offlining fail. And as the caller holds the
 * memory hotplug lock, others have to look after threads later.
 */
static int memory_callback(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct memory_notify *arg = data;

	switch (action) {
	case MEM_GOING_OFFLINE:
		page_hinting_drain_range(arg->start_pfn,
					 arg->start_pfn + arg->nr_pages);
		break;
	case MEM_ONLINE:
	case MEM_OFFLINE:
		schedule_work(&page_hinting_update);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = {
	.notifier_call = memory_callback,
};

/* See page_hinting_show_mem(). Without the zone locks, which may be held. */
void __page_hinting_show_mem(void)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz) {
		if (!READ_ONCE(pz->task))
			continue;
		pr_info("Node %d %s hinted:%lukB unhinted:%lukB in_flight:%lukB\n",
			zone_to_nid(pz->zone), pz->zone->name,
			data_race(pz->hinted_pages) << (PAGE_SHIFT - 10),
			data_race(pz->unhinted_pages) << (PAGE_SHIFT - 10),
			READ_ONCE(pz->in_flight_pages) << (PAGE_SHIFT - 10));
	}
}

/* What a CPU's list holds. */
static int pages_in_list(struct page_hinting_zone *pz, int cpu)
{
	struct per_cpu_pages *pcp;

	/* Pairs with zone_pcp_reset(), when the zone becomes empty. */
	guard(rcu)();
	pcp = per_cpu_ptr(READ_ONCE(pz->zone->per_cpu_pageset), cpu);
	return data_race(pcp->count);
}

/* Was a CPU's list used since that was told last? If so, it is told now. */
static bool list_was_used(struct page_hinting_zone *pz, int cpu)
{
	struct page_hinting_list *list = per_cpu_ptr(pz->lists, cpu);
	int pages = pages_in_list(pz, cpu);

	/* Others write it, too; see page_hinting_empty_lists(). */
	if (abs(pages - READ_ONCE(list->told_pages)) < LISTS_CHANGE_PAGES)
		return false;
	WRITE_ONCE(list->told_pages, pages);
	return true;
}

/* Lists that are in use are left alone: what is in them will be needed. */
static void look_at_lists(struct work_struct *work)
{
	struct page_hinting_zone *pz;
	bool again = false;

	page_hinting_for_each_zone(pz) {
		unsigned long pages = 0;
		bool used = false;
		int cpu;

		for_each_online_cpu(cpu) {
			used |= list_was_used(pz, cpu);
			pages += pages_in_list(pz, cpu);
		}
		if (!used && pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
			page_hinting_wake(pz, PAGE_HINTING_EV_LISTS);
		again |= used;
	}
	if (again && page_hinting_get_state() == PAGE_HINTING_RUNNING)
		schedule_delayed_work(to_delayed_work(work),
				      msecs_to_jiffies(LISTS_MS));
}

static DECLARE_DELAYED_WORK(lists_work, look_at_lists);

static void look_at_lists_later(struct irq_work *work)
{
	schedule_delayed_work(&lists_work, msecs_to_jiffies(LISTS_MS));
}

static DEFINE_IRQ_WORK(lists_irq_work, look_at_lists_later);

/*
 * See page_hinting_cpu_idle(). Memory that is freed into a per-CPU list alone
 * wakes nobody, and would stay there. So when a CPU that has used its list
 * becomes idle, the lists are looked at a moment later, until none is used any
 * more. If there is much in them, the zone's thread asks the policy whether they
 * are to be emptied.
 *
 * Called with interrupts off, while the tick is being stopped. A timer that was
 * started here would not be seen; hence the irq_work.
 */
void __page_hinting_cpu_idle(void)
{
	struct page_hinting_zone *pz;

	/* Either the work that is pending sees what is in the list, or it is over. */
	smp_mb();
	if (delayed_work_pending(&lists_work))
		return;
	page_hinting_for_each_zone(pz)
		if (list_was_used(pz, smp_processor_id()))
			irq_work_queue(&lists_irq_work);
}

/* How often the guest was restored. Written under the mutex. */
unsigned int page_hinting_nr_restores;

/*
 * Restored from a snapshot.
 *
 * A host that has a VM generation ID device says so; drivers/virt/vmgenid.c
 * listens to it. What the host backs now is not what it backed when the
 * snapshot was taken, so the marks are void. And a hint may cost such a host
 * much more than before: where memory comes from the snapshot's file, each one
 * may leave two more mappings behind, of which a process can have only so
 * many; where a process serves the page faults, each one is an event that it
 * has to read. So there are no small hints any more, unless the user asks for
 * them again.
 *
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
 * Context: Any but NMI.
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

static int __init page_hinting_init(void)
{
	int err;

	page_hinting_min_order = pageblock_order;
	page_hinting_idle_min_order = page_hinting_safe_order;
	/* It would have to accept again what the host has discarded. */
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		page_hinting_barred = "this is a confidential guest";
	err = page_hinting_sysfs_init();
	if (!err)
		err = register_memory_notifier(&memory_nb);
	if (!err)
		err = register_oom_notifier(&oom_nb);
	if (!err)
		err = register_reboot_notifier(&reboot_nb);
	if (!err)
		err = register_pm_notifier(&pm_nb);
	if (!err)
		err = register_random_vmfork_notifier(&vmfork_nb);
	if (err) {
		pr_err("not available: error %d at boot\n", err);
		page_hinting_barred = "it could not be set up at boot";
	}
	return err;
}
subsys_initcall(page_hinting_init);
