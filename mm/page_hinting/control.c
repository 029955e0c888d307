// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: what hinting as a whole is doing, and what a driver calls.
 *
 *	no device --register--> disabled <--enable--> running <--> suspended
 *	    ^                    |    ^                 |  |
 *	    +----reset_done------+    +---unregister----+  +-----> shutdown
 *
 * Every change is made under page_hinting_mutex. To leave "running", the state
 * is set and all SRCU sections are waited for, so that nobody pulls or submits
 * any more; then what is in flight is brought home.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>

#include "control.h"
#include "hooks.h"

#define CREATE_TRACE_POINTS
#include <trace/events/page_hinting.h>

DEFINE_STATIC_KEY_FALSE(page_hinting_key);
EXPORT_SYMBOL_GPL(page_hinting_key);

/* What is registered and enabled, the knobs, and the list of zones. */
DEFINE_MUTEX(page_hinting_mutex);

/* For who uses the device, or counts blocks, while hinting runs. */
DEFINE_SRCU(page_hinting_srcu);

enum page_hinting_state page_hinting_state;

/* How often hinting has stopped; a flush is in vain then. */
unsigned int page_hinting_nr_stops;

/* The system is suspended, or will be: from before devices are until after. */
bool page_hinting_sleeps;

unsigned int page_hinting_enabled = 1;

/* The device, even while it is suspended. Under the mutex. */
static struct page_hinting_device *registered;

/* Why no driver may hint, whatever its device. Set at boot. */
const char *page_hinting_barred;
/* Why the last device is not used: a copy, as modules go. */
static char refusal[160];
static DEFINE_SPINLOCK(refusal_lock);

/* The minimum order was written by the user. Under the mutex. */
static bool order_is_by_user;

static int __init setup_page_hinting(char *arg)
{
	bool enable;
	int err = kstrtobool(arg, &enable);

	if (err)
		return err;
	page_hinting_enabled = enable;
	page_hinting_barred = enable ? NULL : "page_hinting=off was given";
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

static void set_state(enum page_hinting_state new_state)
{
	lockdep_assert_held(&page_hinting_mutex);
	/* Pairs with page_hinting_get_state(). */
	WRITE_ONCE(page_hinting_state, new_state);
	if (new_state == PAGE_HINTING_RUNNING)
		return;
	/*
	 * Pairs with flush_all(). Before a zone's flush ends for this reason,
	 * quiesce() waits for all SRCU sections, which is a full barrier.
	 */
	WRITE_ONCE(page_hinting_nr_stops, page_hinting_nr_stops + 1);
	wake_up(&page_hinting_flush_wait);
}

/* From here on nobody calls the device's operations. */
static void hide_device(void)
{
	RCU_INIT_POINTER(page_hinting_dev, NULL);
	synchronize_srcu(&page_hinting_srcu);
}

/* Wait until nobody submits any more, then bring home what is in flight. */
static void wait_and_drain(void)
{
	synchronize_srcu(&page_hinting_srcu);
	if (rcu_access_pointer(page_hinting_dev) &&
	    !READ_ONCE(page_hinting_host_is_gone) &&
	    !page_hinting_wait_home(NULL, 0, ULONG_MAX, PAGE_HINTING_SILENCE_MS))
		pr_warn("%lu KiB are still in flight: the host does not answer, or somebody holds a reference\n",
			page_hinting_pages_in_flight() << (PAGE_SHIFT - 10));
}

/* From now on nothing is pulled; what is in flight comes home. */
static void quiesce(enum page_hinting_state new_state)
{
	set_state(new_state);
	wait_and_drain();
}

static void count_anew(void)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz) {
		page_hinting_count_start(pz);
		page_hinting_void_retried(pz);
	}
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
	page_hinting_for_each_zone(pz)
		page_hinting_count_stop(pz);
}

/**
 * page_hinting_enable - switch hinting on or off
 * @enable: which
 *
 * Switching off waits for blocks in flight, and voids all marks. Without a
 * device, or while it is suspended, this decides what will be when there is one
 * again.
 *
 * Context: Process context, under page_hinting_mutex, may sleep. Switches a
 *	static key: not from hotplug notifiers.
 */
void page_hinting_enable(bool enable)
{
	lockdep_assert_held(&page_hinting_mutex);
	WRITE_ONCE(page_hinting_enabled, enable);
	/* Not between page_hinting_unregister() and the end of the reset. */
	if (enable && registered)
		page_hinting_threads_update();
	if (enable && registered && page_hinting_state == PAGE_HINTING_DISABLED)
		start_running();
	else if (!enable && page_hinting_state == PAGE_HINTING_RUNNING)
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
 * @min_order: at most MAX_PAGE_ORDER; raised to the safe order if it is less
 * @by_user: keep it when another device comes
 *
 * Zones forget what they have learnt.
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
	page_hinting_for_each_zone(pz)
		page_hinting_set_orders(pz, min_order,
					page_hinting_reach_order());
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
}

/**
 * page_hinting_set_idle_order - set how small blocks idle zones hint
 * @idle_min_order: at most MAX_PAGE_ORDER; raised to the safe order if it is
 *	less; at or above the minimum order, idle zones hint what others do
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
 * page_hinting_refuse - a device is not used for hinting
 * @why: the reason, for people, which is logged when it is another one than the
 *	last; NULL if the device is used, or has gone
 *
 * Context: Any but interrupts.
 */
void page_hinting_refuse(const char *why)
{
	bool is_news;

	spin_lock(&refusal_lock);
	is_news = why && strcmp(refusal, why);
	strscpy(refusal, why ?: "");
	spin_unlock(&refusal_lock);
	if (is_news)
		pr_info("not used: %s\n", why);
}
EXPORT_SYMBOL_GPL(page_hinting_refuse);

/**
 * page_hinting_why_not - why there is no device, although there could be one
 * @buf: receives the reason, for people
 * @size: of @buf
 *
 * Context: Any but interrupts.
 * Return: false if there is no reason.
 */
bool page_hinting_why_not(char *buf, size_t size)
{
	spin_lock(&refusal_lock);
	strscpy(buf, page_hinting_barred ?: refusal, size);
	spin_unlock(&refusal_lock);
	return *buf;
}

/**
 * page_hinting_wanted - should a driver register?
 *
 * Context: Process context.
 * Return: false with page_hinting=off, and where hinting does not work, which
 *	is logged. The driver then does what it would do without.
 */
bool page_hinting_wanted(void)
{
	if (page_hinting_barred)
		page_hinting_refuse(page_hinting_barred);
	return !page_hinting_barred;
}
EXPORT_SYMBOL_GPL(page_hinting_wanted);

/**
 * page_hinting_register - begin to hint to a host
 * @dev: the provider, ready for all of its operations
 *
 * Context: Process context, may sleep, from initcalls on. Takes the mutex.
 * Return: 0, also if a zone's thread could not be started, which is logged;
 *	-EBUSY if there is a device, or one whose reset is not done yet;
 *	-EOPNOTSUPP with page_hinting=off, where hinting does not work, or if no
 *	block is as large as @dev's safe order; -EINVAL if @dev has no room for a
 *	single block.
 */
int page_hinting_register(struct page_hinting_device *dev)
{
	unsigned int granule_order = dev->granule_order ?: pageblock_order;

	if (!page_hinting_wanted())
		return -EOPNOTSUPP;
	if (!dev->capacity)
		return -EINVAL;

	guard(mutex)(&page_hinting_mutex);
	if (page_hinting_state != PAGE_HINTING_NO_DEVICE)
		return -EBUSY;

	if (max(page_hinting_safe_order, dev->safe_order) > MAX_PAGE_ORDER) {
		page_hinting_refuse("the host's pages are larger than the largest free block");
		return -EOPNOTSUPP;
	}
	page_hinting_granule_order = min_t(unsigned int, granule_order,
					   pageblock_order);
	page_hinting_safe_order = max(page_hinting_safe_order, dev->safe_order);
	page_hinting_set_order(order_is_by_user ? page_hinting_min_order :
						  page_hinting_granule_order,
			       order_is_by_user);
	page_hinting_set_idle_order(page_hinting_idle_min_order);
	WRITE_ONCE(page_hinting_host_is_gone, false);
	page_hinting_refuse(NULL);
	registered = dev;
	rcu_assign_pointer(page_hinting_dev, dev);
	set_state(PAGE_HINTING_DISABLED);
	page_hinting_threads_update();
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
 * Context: Process context, may sleep; gives the host PAGE_HINTING_SILENCE_MS
 *	to give back what it has.
 */
void page_hinting_unregister(struct page_hinting_device *dev)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered != dev)
		return;
	if (page_hinting_state == PAGE_HINTING_RUNNING)
		stop_running();
	else
		quiesce(page_hinting_state);
	static_branch_disable(&page_hinting_key);
	hide_device();
	registered = NULL;
}
EXPORT_SYMBOL_GPL(page_hinting_unregister);

/**
 * page_hinting_suspend - stop until page_hinting_resume()
 * @dev: the provider, whose device is about to be reset
 *
 * Nothing is submitted any more, and what is in flight comes home, as by
 * page_hinting_unregister(). The device stays registered; hooks and marks stay
 * until it resumes.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_suspend(struct page_hinting_device *dev)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered != dev)
		return;
	if (page_hinting_state == PAGE_HINTING_RUNNING)
		quiesce(PAGE_HINTING_SUSPENDED);
	else
		quiesce(page_hinting_state);
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
	WRITE_ONCE(page_hinting_host_is_gone, false);
	rcu_assign_pointer(page_hinting_dev, dev);
	page_hinting_threads_update();
	if (page_hinting_state != PAGE_HINTING_SUSPENDED)
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
	if (!page_hinting_put_back(page, false))
		pr_err_ratelimited("the driver gave back pfn %#lx, which it did not have\n",
				   page_to_pfn(page));
}
EXPORT_SYMBOL_GPL(page_hinting_abort);

/**
 * page_hinting_reset_done - the device has been reset and holds no block
 * @dev: the provider
 *
 * Blocks that did not come back are never freed, which is logged. After
 * page_hinting_unregister(), the zones' threads end, too.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_reset_done(struct page_hinting_device *dev)
{
	struct page_hinting_zone *pz;

	guard(mutex)(&page_hinting_mutex);
	page_hinting_for_each_zone(pz)
		page_hinting_give_up(pz, false);
	if (registered || page_hinting_state == PAGE_HINTING_NO_DEVICE)
		return;

	set_state(PAGE_HINTING_NO_DEVICE);
	page_hinting_threads_stop();
}
EXPORT_SYMBOL_GPL(page_hinting_reset_done);

/**
 * page_hinting_set_sleeps - the system is about to sleep, or is awake again
 * @sleeps: which
 *
 * Not all drivers are told of a suspend: virtio-pci tells none if its device
 * keeps its state. Yet nothing may be submitted to a device that sleeps.
 *
 * Context: Process context, may sleep.
 */
void page_hinting_set_sleeps(bool sleeps)
{
	guard(mutex)(&page_hinting_mutex);
	WRITE_ONCE(page_hinting_sleeps, sleeps);
	if (sleeps)
		wait_and_drain();
	else
		page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
}

/**
 * page_hinting_shutdown - stop for good, as the system goes down
 *
 * Context: Process context, may sleep.
 */
void page_hinting_shutdown(void)
{
	guard(mutex)(&page_hinting_mutex);
	if (registered)
		quiesce(PAGE_HINTING_SHUTDOWN);
}
