// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: the provider, and what hinting as a whole is doing.
 *
 * Whoever works with the device does so within an SRCU read section that
 * began after it had seen the state. To stop, the state is set first and all
 * sections are waited for; then nobody pulls or submits any more, and what is
 * in flight is harvested by whoever stops, for threads may be frozen.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/cc_platform.h>
#include <linux/cpuset.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/timex.h>
#include <linux/vmstat.h>

#include "../internal.h"
#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/page_hinting.h>

/* A range is waited for, and so are blocks in flight on OOM, up to this. */
#define WAIT_HOME_MS	250

/* The largest page that a host of this architecture may have. */
#define HOST_PAGE_SHIFT	CONFIG_PAGE_HINTING_HOST_PAGE_SHIFT

DEFINE_STATIC_KEY_FALSE(page_hinting_key);
EXPORT_SYMBOL_GPL(page_hinting_key);

/* What is registered and enabled, the knobs, and the list of zones. */
DEFINE_MUTEX(page_hinting_mutex);

/* For readers of the device and of the list of zones. */
DEFINE_SRCU(page_hinting_srcu);

/*
 * The device, for who reads it under SRCU and works with it: NULL from the
 * time when all of that has to stop. Written under the mutex.
 */
struct page_hinting_device __rcu *page_hinting_dev;

/* The device, even while it is suspended. Under the mutex. */
static struct page_hinting_device *registered;

/*
 * The knobs, written under the mutex; what reads them reads them once. Hinting
 * may be enabled without a device.
 */
unsigned int page_hinting_enabled = 1;
unsigned int page_hinting_min_order;
unsigned int page_hinting_idle_min_order;
unsigned int page_hinting_refault_cost_ms = PAGE_HINTING_REFAULT_COST_MS;

/*
 * No smaller block is ever submitted. Many hosts extend what they are asked to
 * discard to whole pages of their own, and the guest does not know their size:
 * the memory around a smaller block would be lost. A device may raise it.
 */
unsigned int page_hinting_safe_order __read_mostly =
	MAX(HOST_PAGE_SHIFT, PAGE_SHIFT) - PAGE_SHIFT;

/* Why no driver may hint, whatever its device. */
static enum page_hinting_refusal barred = PAGE_HINTING_NOT_REFUSED;
/* Why the last device is not used; written by xchg(). */
static enum page_hinting_refusal refusal = PAGE_HINTING_NOT_REFUSED;

static enum page_hinting_state state;	/* written under the mutex */
static bool order_is_by_user;		/* written under the mutex */
static bool host_is_gone;		/* it will answer no more */
static bool sleeps;			/* the system is suspended, or will be */
static atomic_long_t home_pages;	/* brought home ever; wraps */

static int __init setup_page_hinting(char *arg)
{
	bool enable;
	int err = kstrtobool(arg, &enable);

	if (err)
		return err;
	page_hinting_enabled = enable;
	barred = enable ? PAGE_HINTING_NOT_REFUSED : PAGE_HINTING_REFUSED_OFF;
	return 0;
}
early_param("page_hinting", setup_page_hinting);

static int __init setup_safe_order(char *arg)
{
	unsigned int order;
	int err = kstrtouint(arg, 10, &order);

	if (err || order > MAX_PAGE_ORDER) {
		pr_warn("page_hinting_safe_order=%s: not a number from 0 to %d, not used\n",
			arg, MAX_PAGE_ORDER);
		return -EINVAL;
	}
	page_hinting_safe_order = order;
	return 0;
}
early_param("page_hinting_safe_order", setup_safe_order);

/**
 * page_hinting_get_state - what hinting as a whole is doing
 *
 * Context: Any. Stable under the mutex only.
 * Return: the state.
 */
enum page_hinting_state page_hinting_get_state(void)
{
	/* Pairs with set_state(). */
	return READ_ONCE(state);
}

static void set_state(enum page_hinting_state new_state)
{
	lockdep_assert_held(&page_hinting_mutex);
	/* Pairs with page_hinting_get_state(). */
	WRITE_ONCE(state, new_state);
	if (new_state != PAGE_HINTING_RUNNING)
		page_hinting_flush_cancel();
}

/* Nobody but the mutex holder works with the device from here on. */
static void hide_device(void)
{
	RCU_INIT_POINTER(page_hinting_dev, NULL);
	synchronize_srcu(&page_hinting_srcu);
}

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static DECLARE_FAULT_ATTR(fail_page_hinting_ack);

static int __init setup_fail_page_hinting_ack(char *str)
{
	return setup_fault_attr(&fail_page_hinting_ack, str);
}
__setup("fail_page_hinting_ack=", setup_fail_page_hinting_ack);

static void __init init_fault_injection(void)
{
	fault_create_debugfs_attr("fail_page_hinting_ack", NULL,
				  &fail_page_hinting_ack);
}

/* Play a host that has acknowledged nothing, for tests. */
static bool host_plays_dead(void)
{
	return should_fail(&fail_page_hinting_ack, 1);
}
#else
static void __init init_fault_injection(void)
{
}

static bool host_plays_dead(void)
{
	return false;
}
#endif

#ifdef CONFIG_PAGE_HINTING_DEBUG
static DEFINE_PER_CPU(cycles_t, hold_start);
static u64 hold_max_cycles;
static u64 work_cycles;

/* With interrupts off, under a zone lock: nothing comes in between. */
void page_hinting_hold_start(void)
{
	__this_cpu_write(hold_start, get_cycles());
}

void page_hinting_hold_end(void)
{
	u64 cycles = get_cycles() - __this_cpu_read(hold_start);

	/* Two zones' maxima may race; one of them is lost, to the next. */
	if (cycles > READ_ONCE(hold_max_cycles))
		WRITE_ONCE(hold_max_cycles, cycles);
}

void page_hinting_work_start(cycles_t *start)
{
	*start = get_cycles();
}

/* What two threads add at the same time may be lost. */
void page_hinting_work_end(cycles_t start)
{
	WRITE_ONCE(work_cycles,
		   READ_ONCE(work_cycles) + get_cycles() - start);
}

static void __init init_debug(void)
{
	struct dentry *dir = debugfs_lookup("page_hinting", NULL);

	debugfs_create_u64("lock_hold_max_cycles", 0600, dir,
			   &hold_max_cycles);
	debugfs_create_u64("work_cycles", 0600, dir, &work_cycles);
	dput(dir);
}
#else
static void __init init_debug(void)
{
}
#endif

/**
 * page_hinting_brought_home - blocks of a zone are free again
 * @pz: the zone
 * @pages: how much
 * @nr_blocks: how many blocks that is
 */
void page_hinting_brought_home(struct page_hinting_zone *pz,
			       unsigned long pages, unsigned int nr_blocks)
{
	atomic_long_add(pages, &home_pages);
	page_hinting_window_release(pz, pages, nr_blocks);
	/*
	 * Whoever harvests, a flush waits for the zone's thread. Either this
	 * sees the flush, or the thread sees that nothing is in flight. Pairs
	 * with the barrier of page_hinting_wake(), which tells the thread.
	 */
	smp_mb();
	if (page_hinting_flush_nr() && !READ_ONCE(pz->in_flight_pages))
		page_hinting_wake(pz, PAGE_HINTING_EV_HARVEST);
}

static void take_home(struct page_hinting_used *used, unsigned int nr)
{
	struct page_hinting_zone *pz = NULL;
	unsigned long pages = 0;
	unsigned int i, nr_blocks = 0;

	for (i = 0; i < nr; i++) {
		struct page_hinting_zone *next;
		unsigned long home;

		next = page_hinting_acknowledged(used[i].page, &home);
		if (!next)
			continue;
		if (pz && pz != next) {
			page_hinting_brought_home(pz, pages, nr_blocks);
			pages = 0;
			nr_blocks = 0;
		}
		pz = next;
		pages += home;
		nr_blocks += !!home;
	}
	if (pz)
		page_hinting_brought_home(pz, pages, nr_blocks);
}

/**
 * page_hinting_harvest - bring home what the host has acknowledged
 * @dev: the provider
 *
 * Context: Process context, under SRCU or the mutex.
 * Return: how many blocks it had acknowledged.
 */
unsigned int page_hinting_harvest(struct page_hinting_device *dev)
{
	struct page_hinting_used used[PAGE_HINTING_BATCH_BLOCKS];
	unsigned int total = 0;
	int nr;

	if (host_plays_dead())
		return 0;
	do {
		nr = dev->ops->harvest(dev, used, ARRAY_SIZE(used));
		if (nr < 0) {
			if (!READ_ONCE(host_is_gone))
				pr_err("the host answers no more, error %d: hinting stops until the device is bound anew\n",
				       nr);
			/* Pairs with page_hinting_host_is_gone(). */
			WRITE_ONCE(host_is_gone, true);
			page_hinting_flush_wake();
			break;
		}
		take_home(used, nr);
		total += nr;
	} while (nr == ARRAY_SIZE(used));

	return total;
}

/**
 * page_hinting_host_is_gone - has the host stopped to answer for good?
 *
 * Return: true if it has, until another one is registered or this one resumed.
 */
bool page_hinting_host_is_gone(void)
{
	/* Pairs with page_hinting_harvest(). */
	return READ_ONCE(host_is_gone);
}

/**
 * page_hinting_sleeps - is the system suspended, or about to be?
 *
 * Return: true from before devices are suspended until they are resumed.
 */
bool page_hinting_sleeps(void)
{
	return READ_ONCE(sleeps);
}

/**
 * page_hinting_arm - be told when there is something to harvest
 * @dev: the provider
 *
 * Context: Process context, under SRCU.
 * Return: false if there is already.
 */
bool page_hinting_arm(struct page_hinting_device *dev)
{
	return page_hinting_host_is_gone() || host_plays_dead() ||
	       dev->ops->arm(dev);
}

/* The block comes home, unless it is none of ours; it may have to wait. */
static bool take_back(struct page *page)
{
	unsigned long pages;
	struct page_hinting_zone *pz;

	pz = page_hinting_not_acknowledged(page, &pages);
	if (pages)
		page_hinting_brought_home(pz, pages, 1);
	return pz;
}

/**
 * page_hinting_submit - hand a batch of blocks to the host
 * @dev: the provider
 * @batch: the blocks, which have a place in its ring each
 *
 * The one place where blocks leave the guest, and so where their size is
 * checked: see page_hinting_safe_order.
 *
 * Context: Process context, under SRCU.
 * Return: how many pages it took; the others are free again.
 */
unsigned long page_hinting_submit(struct page_hinting_device *dev,
				  struct page_hinting_batch *batch)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		struct page *page = batch->pages[i];
		unsigned int order = page_hinting_block_order(page);

		if (WARN_ON_ONCE(order < page_hinting_safe_order)) {
			take_back(page);
			continue;
		}
		trace_page_hinting_submit(page, order);
		/* From here on it may be home at any time. */
		if (dev->ops->submit(dev, page, order)) {
			take_back(page);
			continue;
		}
		pages += 1UL << order;
	}
	count_vm_events(PAGE_HINTING_SUBMITTED, pages);
	dev->ops->kick(dev);
	return pages;
}

/**
 * page_hinting_notify - there is something to harvest
 * @dev: the provider
 *
 * Context: Any but NMI.
 */
void page_hinting_notify(struct page_hinting_device *dev)
{
	page_hinting_wake_all(PAGE_HINTING_EV_HARVEST);
}
EXPORT_SYMBOL_GPL(page_hinting_notify);

static void retry_all_references(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	unsigned long pages;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		while ((pages = page_hinting_retry(pz)))
			page_hinting_brought_home(pz, pages, 1);
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/*
 * Bring everything home. A host that is silent for PAGE_HINTING_SILENCE_MS is
 * not waited for. Only for who made sure that no more is submitted.
 */
static void drain(struct page_hinting_device *dev)
{
	unsigned long patience = msecs_to_jiffies(PAGE_HINTING_SILENCE_MS);
	unsigned long deadline = jiffies + patience;
	int idx = srcu_read_lock(&page_hinting_srcu);

	while (page_hinting_window_in_use()) {
		if (page_hinting_harvest(dev))
			deadline = jiffies + patience;
		retry_all_references();
		if (!page_hinting_window_in_use())
			break;
		if (page_hinting_host_is_gone() ||
		    time_after(jiffies, deadline)) {
			pr_warn("%lu KiB are still in flight: the host does not answer, or somebody holds a reference\n",
				page_hinting_window_in_use() <<
				(PAGE_SHIFT - 10));
			break;
		}
		fsleep(USEC_PER_MSEC);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/* From now on nothing is pulled; what is in flight comes home. */
static void quiesce(enum page_hinting_state new_state)
{
	set_state(new_state);
	synchronize_srcu(&page_hinting_srcu);
	if (rcu_access_pointer(page_hinting_dev))
		drain(registered);
}

static void count_anew(void)
{
	struct page_hinting_zone *pz;

	list_for_each_entry(pz, &page_hinting_zones, node)
		page_hinting_count_start(pz);
}

static void start_running(void)
{
	count_anew();
	static_branch_enable(&page_hinting_key);
	set_state(PAGE_HINTING_RUNNING);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
}

static void stop_running(void)
{
	struct page_hinting_zone *pz;

	quiesce(PAGE_HINTING_DISABLED);
	static_branch_disable(&page_hinting_key);
	list_for_each_entry(pz, &page_hinting_zones, node)
		page_hinting_count_stop(pz);
}

/**
 * page_hinting_enable - switch hinting on or off
 * @enable: which
 *
 * Off drains and voids all marks. Without a device this only decides what
 * will be when one is registered.
 *
 * Context: Process context, under page_hinting_mutex, may sleep.
 */
void page_hinting_enable(bool enable)
{
	lockdep_assert_held(&page_hinting_mutex);
	WRITE_ONCE(page_hinting_enabled, enable);
	/* Not between page_hinting_unregister() and the end of the reset. */
	if (enable && registered)
		page_hinting_zones_update();
	if (enable && registered && state == PAGE_HINTING_DISABLED)
		start_running();
	else if (!enable && state == PAGE_HINTING_RUNNING)
		stop_running();
}

/**
 * page_hinting_begin_anew - forget what was hinted, and hint it again
 *
 * Context: Process context, under page_hinting_mutex, while hinting is
 *	running; may sleep.
 */
void page_hinting_begin_anew(void)
{
	lockdep_assert_held(&page_hinting_mutex);
	stop_running();
	start_running();
}

/**
 * page_hinting_set_order - set the minimum order
 * @min_order: at most MAX_PAGE_ORDER; less than the safe order is not in force
 * @by_user: keep it when another device comes
 *
 * Context: Process context, under page_hinting_mutex.
 */
void page_hinting_set_order(unsigned int min_order, bool by_user)
{
	struct page_hinting_zone *pz;

	lockdep_assert_held(&page_hinting_mutex);
	order_is_by_user = by_user;
	min_order = max(min_order, page_hinting_safe_order);
	WRITE_ONCE(page_hinting_min_order, min_order);
	list_for_each_entry(pz, &page_hinting_zones, node)
		page_hinting_set_orders(pz, min_order,
					page_hinting_reach_order());
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
}

/**
 * page_hinting_set_idle_order - set how small blocks idle zones hint
 * @idle_min_order: at most MAX_PAGE_ORDER; less than the safe order is not in
 *	force; at or above the minimum order, idle zones hint what others do
 *
 * Context: Process context, under page_hinting_mutex.
 */
void page_hinting_set_idle_order(unsigned int idle_min_order)
{
	lockdep_assert_held(&page_hinting_mutex);
	WRITE_ONCE(page_hinting_idle_min_order,
		   max(idle_min_order, page_hinting_safe_order));
	page_hinting_set_order(page_hinting_min_order, order_is_by_user);
}

/**
 * page_hinting_reach_order - the lowest order that an idle zone hints
 *
 * Context: Process context, under page_hinting_mutex.
 * Return: the order.
 */
unsigned int page_hinting_reach_order(void)
{
	return min(page_hinting_min_order, page_hinting_idle_min_order);
}

/* What comes after "not used: ", in the log and in sysfs. */
static const char * const refusals[] = {
	[PAGE_HINTING_REFUSED_OFF] = "page_hinting=off was given",
	[PAGE_HINTING_REFUSED_BOOT] = "it could not be set up at boot",
	[PAGE_HINTING_REFUSED_GUEST] = "this is a confidential guest",
	[PAGE_HINTING_REFUSED_HOST] =
		"the host does not offer free page reporting",
	[PAGE_HINTING_REFUSED_PAGES] =
		"the host's pages are larger than the largest free block",
	[PAGE_HINTING_REFUSED_POISON] =
		"free pages are poisoned; boot with page_poison=0",
	[PAGE_HINTING_REFUSED_CONTENT] =
		"free pages are zeroed or poisoned, and the host does not promise to keep that; boot with page_poison=0 init_on_free=0",
};

/**
 * page_hinting_refuse - a device is not used for hinting
 * @why: the reason, which is logged when it is another one than the last;
 *	PAGE_HINTING_NOT_REFUSED if the device has gone
 *
 * Context: Any but NMI.
 */
void page_hinting_refuse(enum page_hinting_refusal why)
{
	/* Pairs with page_hinting_why_not(). */
	if (xchg(&refusal, why) != why && refusals[why])
		pr_info("not used: %s\n", refusals[why]);
}
EXPORT_SYMBOL_GPL(page_hinting_refuse);

/**
 * page_hinting_why_not - why there is no device, although there could be one
 *
 * Return: the reason, for people; NULL if there is none.
 */
const char *page_hinting_why_not(void)
{
	/* Pairs with page_hinting_refuse(). */
	return refusals[barred ?: READ_ONCE(refusal)];
}

/**
 * page_hinting_wanted - should a driver register?
 *
 * Not in a confidential guest: the host cannot discard what it cannot read,
 * and what it does discard has to be accepted anew.
 *
 * Context: Process context.
 * Return: false with page_hinting=off, and where hinting does not work, which
 *	is logged. The driver then does what it would do without.
 */
bool page_hinting_wanted(void)
{
	if (barred)
		page_hinting_refuse(barred);
	else if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		page_hinting_refuse(PAGE_HINTING_REFUSED_GUEST);
	else
		return true;
	return false;
}
EXPORT_SYMBOL_GPL(page_hinting_wanted);

/**
 * page_hinting_register - begin to hint to a host
 * @dev: the provider, ready for all of its operations
 *
 * Context: Process context, may sleep. After all memory has been given to the
 *	buddy allocator, which initcalls may take for granted.
 * Return: 0; -EBUSY if there is one already; -EOPNOTSUPP if hinting is off or
 *	does not work here, or if no block is as large as @dev's safe order;
 *	-EINVAL if @dev has no room for a single block.
 */
int page_hinting_register(struct page_hinting_device *dev)
{
	unsigned int granule_order = dev->granule_order ?: pageblock_order;

	if (!page_hinting_wanted())
		return -EOPNOTSUPP;
	if (!dev->capacity)
		return -EINVAL;

	guard(mutex)(&page_hinting_mutex);
	if (state != PAGE_HINTING_NO_DEVICE)
		return -EBUSY;

	if (max(page_hinting_safe_order, dev->safe_order) > MAX_PAGE_ORDER) {
		page_hinting_refuse(PAGE_HINTING_REFUSED_PAGES);
		return -EOPNOTSUPP;
	}
	page_hinting_granule_order = min_t(unsigned int, granule_order,
					   pageblock_order);
	page_hinting_safe_order = max(page_hinting_safe_order, dev->safe_order);
	page_hinting_set_order(order_is_by_user ? page_hinting_min_order :
						  page_hinting_granule_order,
			       order_is_by_user);
	page_hinting_set_idle_order(page_hinting_idle_min_order);
	WRITE_ONCE(host_is_gone, false);
	page_hinting_refuse(PAGE_HINTING_NOT_REFUSED);
	registered = dev;
	rcu_assign_pointer(page_hinting_dev, dev);
	set_state(PAGE_HINTING_DISABLED);
	page_hinting_zones_update();
	if (page_hinting_enabled)
		start_running();
	pr_info("free memory goes to the host, from order %u on, when idle from order %u%s\n",
		page_hinting_min_order, page_hinting_reach_order(),
		page_hinting_enabled ? "" : ", once enabled");
	return 0;
}
EXPORT_SYMBOL_GPL(page_hinting_register);

/**
 * page_hinting_unregister - stop to hint to a host
 * @dev: the provider
 *
 * No operation of it is called any more afterwards. The driver then resets
 * its device, gives what it still holds to page_hinting_abort(), and calls
 * page_hinting_reset_done(); until then the blocks that the host may still
 * write to belong to nobody.
 *
 * Context: Process context, may sleep; waits PAGE_HINTING_SILENCE_MS for a
 *	silent host.
 */
void page_hinting_unregister(struct page_hinting_device *dev)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered != dev)
		return;
	if (state == PAGE_HINTING_RUNNING)
		stop_running();
	else
		quiesce(state);
	static_branch_disable(&page_hinting_key);
	hide_device();
	registered = NULL;
}
EXPORT_SYMBOL_GPL(page_hinting_unregister);

/**
 * page_hinting_suspend - stop until page_hinting_resume()
 * @dev: the provider, whose device is about to be reset
 *
 * As page_hinting_unregister(), but threads stay, which may be frozen.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_suspend(struct page_hinting_device *dev)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered != dev)
		return;
	if (state == PAGE_HINTING_RUNNING)
		quiesce(PAGE_HINTING_SUSPENDED);
	else
		quiesce(state);
	hide_device();
}
EXPORT_SYMBOL_GPL(page_hinting_suspend);

/**
 * page_hinting_resume - go on after page_hinting_suspend()
 * @dev: the provider, ready again
 *
 * All marks are void: after hibernation the host backs all memory again.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_resume(struct page_hinting_device *dev)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered != dev)
		return;
	WRITE_ONCE(host_is_gone, false);
	rcu_assign_pointer(page_hinting_dev, dev);
	page_hinting_zones_update();
	if (state != PAGE_HINTING_SUSPENDED)
		return;
	if (page_hinting_enabled)
		start_running();
	else
		stop_running();
}
EXPORT_SYMBOL_GPL(page_hinting_resume);

/**
 * page_hinting_abort - a block comes back without an answer
 * @dev: the provider, whose device cannot reach the block any more
 * @page: head page of the block, as it was submitted
 *
 * A page that is no block in flight is left as it is, which is logged.
 *
 * Context: Process context, between page_hinting_unregister() or
 *	page_hinting_suspend() and page_hinting_reset_done().
 */
void page_hinting_abort(struct page_hinting_device *dev, struct page *page)
{
	int idx = srcu_read_lock(&page_hinting_srcu);

	if (!take_back(page))
		pr_err_ratelimited("the driver gave back pfn %#lx, which it did not have\n",
				   page_to_pfn(page));
	srcu_read_unlock(&page_hinting_srcu, idx);
}
EXPORT_SYMBOL_GPL(page_hinting_abort);

/**
 * page_hinting_reset_done - the device has been reset and holds no block
 * @dev: the provider
 *
 * What did not come back is lost on purpose, counted and logged.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_reset_done(struct page_hinting_device *dev)
{
	struct page_hinting_zone *pz;
	unsigned long deadline;

	guard(mutex)(&page_hinting_mutex);
	list_for_each_entry(pz, &page_hinting_zones, node)
		page_hinting_give_up(pz, false);
	if (registered || state == PAGE_HINTING_NO_DEVICE)
		return;

	/* Let who holds a reference to a block drop it. */
	set_state(PAGE_HINTING_NO_DEVICE);
	deadline = jiffies + msecs_to_jiffies(WAIT_HOME_MS);
	while (page_hinting_window_in_use() && time_before(jiffies, deadline)) {
		fsleep(USEC_PER_MSEC);
		retry_all_references();
	}
	page_hinting_zones_destroy();
}
EXPORT_SYMBOL_GPL(page_hinting_reset_done);

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

	rcu_read_lock();
	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (!cpuset_zone_allowed(zone, gfp_mask))
			continue;
		/* Pairs with publish_zone() and remove_zone(). */
		pz = READ_ONCE(zone->hinting);
		if (pz && (order <= PAGE_ALLOC_COSTLY_ORDER ||
			   READ_ONCE(pz->in_flight_pages)))
			page_hinting_back_off_zone(pz);
	}
	rcu_read_unlock();
}

/*
 * After a harvest by who is no thread: nobody would be told of the next
 * acknowledgment, as each harvest disarms.
 */
static void arm_again(void)
{
	struct page_hinting_device *dev;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	if (dev && page_hinting_window_in_use() && !page_hinting_arm(dev))
		page_hinting_wake_all(PAGE_HINTING_EV_HARVEST);
}

/* Wait for blocks in flight, for a bounded time, without the threads' help. */
static bool wait_home(struct page_hinting_zone *pz, unsigned long start_pfn,
		      unsigned long end_pfn)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(WAIT_HOME_MS);
	struct page_hinting_device *dev;

	while (page_hinting_range_in_flight(pz, start_pfn, end_pfn)) {
		dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
		if (dev)
			page_hinting_harvest(dev);
		retry_all_references();
		if (!page_hinting_range_in_flight(pz, start_pfn, end_pfn))
			break;
		if (time_after(jiffies, deadline))
			return false;
		fsleep(USEC_PER_MSEC);
	}
	return true;
}

/* See page_hinting_drain_range(). */
void __page_hinting_drain_range(unsigned long start_pfn, unsigned long end_pfn)
{
	struct zone *zone = page_zone(pfn_to_page(start_pfn));
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz = READ_ONCE(zone->hinting);

	might_sleep();
	/*
	 * If some of the range is in flight, nothing more is pulled from the zone
	 * until the caller has had time to isolate the range. This is not done
	 * for every call, or callers that come often would keep the zone unhinted
	 * for ever. This way they cannot: the next call finds nothing in flight,
	 * and does not make that time longer.
	 */
	if (pz && page_hinting_range_in_flight(pz, start_pfn, end_pfn)) {
		page_hinting_be_quiet(pz, PAGE_HINTING_HOLD_MS);
		wait_home(pz, start_pfn, end_pfn);
		page_hinting_be_quiet(pz, PAGE_HINTING_HOLD_MS);
		arm_again();
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/*
 * Bring home what is in flight, and report just that: reporting what is not
 * free yet would have the allocator try again and again while the host is
 * silent. Such a host is waited for once, not in every call.
 */
static int oom_callback(struct notifier_block *nb, unsigned long unused,
			void *data)
{
	static unsigned long silent_since_pages = ULONG_MAX;
	unsigned long before = atomic_long_read(&home_pages);
	unsigned long *freed_pages = data;
	struct page_hinting_zone *pz;
	bool home = true;
	int idx;

	if (!page_hinting_window_in_use() || silent_since_pages == before)
		return NOTIFY_OK;

	idx = srcu_read_lock(&page_hinting_srcu);
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		page_hinting_be_quiet(pz, PAGE_HINTING_BACK_OFF_MS);
		/* One silent host is enough to wait for. */
		home = home && wait_home(pz, 0, ULONG_MAX);
	}
	arm_again();
	srcu_read_unlock(&page_hinting_srcu, idx);

	*freed_pages += atomic_long_read(&home_pages) - before;
	silent_since_pages = home ? ULONG_MAX : atomic_long_read(&home_pages);
	return NOTIFY_OK;
}

static struct notifier_block oom_nb = {
	.notifier_call = oom_callback,
};

/* Before devices are shut down, and before a new kernel uses the memory. */
static int reboot_callback(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered)
		quiesce(PAGE_HINTING_SHUTDOWN);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = {
	.notifier_call = reboot_callback,
};

/*
 * Before a suspend and the image of a hibernation. Not all drivers are told of a
 * suspend: virtio-pci tells none if its device keeps its state. Yet nothing may
 * be submitted to a device that sleeps.
 */
static int pm_callback(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	guard(mutex)(&page_hinting_mutex);
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(sleeps, true);
		synchronize_srcu(&page_hinting_srcu);
		if (rcu_access_pointer(page_hinting_dev))
			drain(registered);
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		WRITE_ONCE(sleeps, false);
		page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_nb = {
	.notifier_call = pm_callback,
};

static int __init page_hinting_init(void)
{
	int err;

	page_hinting_min_order = pageblock_order;
	page_hinting_idle_min_order = page_hinting_safe_order;
	init_fault_injection();
	err = page_hinting_sysfs_init();
	init_debug();
	if (!err)
		err = page_hinting_zones_init();
	if (!err)
		err = register_oom_notifier(&oom_nb);
	if (!err)
		err = register_reboot_notifier(&reboot_nb);
	if (!err)
		err = register_pm_notifier(&pm_nb);
	if (err) {
		pr_err("not available: error %d at boot\n", err);
		barred = PAGE_HINTING_REFUSED_BOOT;
	}
	return err;
}
subsys_initcall(page_hinting_init);
