// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of free page hinting: what happens to blocks, with the real
 * allocator and a host that the tests play.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../../internal.h"
#include "../../page_alloc.h"
#include "../control.h"
#include "../hooks.h"
#include "check.h"

#define RING		32
/* The largest that a test has. */
#define LARGEST_RING	1024
#define PATIENCE_MS	5000
/* An order well below that of a huge page. */
#define TEST_LOW_ORDER		3
#define TEST_SETTLE_MS	40
/* So long nothing is idle. */
#define NEVER_MS	600000

/**
 * struct host - a host that does what a test says
 * @dev: what it looks like to the guest
 * @lock: protects the rest
 * @ring: blocks that it has
 * @used: blocks that it is done with, and that were not harvested
 * @nr_ring: how many it has
 * @nr_used: how many it is done with
 * @armed: it tells when it is done with more
 * @silent: it keeps what it gets
 * @served: it is done with all it has whenever this task harvests
 * @refuses: it takes nothing
 * @broken: it says so
 * @holds: whoever harvests waits in it
 * @holding: somebody does
 * @arms_late: once, when the per-CPU lists are to be emptied, it makes the
 *	thread look again first
 * @kicked_locked: it was told of blocks while interrupts were off
 * @delay_us: of slow_host() for each block, and for each kick
 * @least_order: of the smallest block that it ever got
 * @most_nr: the most blocks that it had at a time
 * @most_pages: what was in flight then, at most
 * @seen_pages: all that it ever got
 * @before_pages: what the first zone's earlier hosts have acknowledged
 */
struct host {
	struct page_hinting_device dev;
	spinlock_t lock;	/* protects the rest */
	struct page *ring[LARGEST_RING];
	struct page *used[2 * LARGEST_RING];
	unsigned int nr_ring;
	unsigned int nr_used;
	bool armed;
	bool silent;
	struct task_struct *served;
	bool refuses;
	bool broken;
	bool holds;
	bool holding;
	bool arms_late;
	bool kicked_locked;
	unsigned int delay_us;
	unsigned int least_order;
	unsigned int most_nr;
	unsigned long most_pages;
	unsigned long seen_pages;
	unsigned long before_pages;
};

static struct host *to_host(struct page_hinting_device *dev)
{
	return container_of(dev, struct host, dev);
}

static int host_submit(struct page_hinting_device *dev, struct page *page,
		       unsigned int order)
{
	struct host *host = to_host(dev);
	unsigned long in_use = page_hinting_pages_in_flight();
	int err = -ENOSPC;

	spin_lock(&host->lock);
	if (host->nr_ring < dev->capacity && !READ_ONCE(host->refuses)) {
		host->ring[host->nr_ring++] = page;
		host->most_nr = max(host->most_nr, host->nr_ring);
		host->most_pages = max(host->most_pages, in_use);
		host->seen_pages += 1UL << order;
		host->least_order = min(host->least_order, order);
		err = 0;
	}
	spin_unlock(&host->lock);
	return err;
}

/* Be done with a block, which need not be the oldest one. */
static void host_use(struct host *host, unsigned int index)
{
	host->used[host->nr_used++] = host->ring[index];
	host->ring[index] = host->ring[--host->nr_ring];
}

static void host_use_all(struct host *host)
{
	bool armed;

	spin_lock(&host->lock);
	while (host->nr_ring && host->nr_used < ARRAY_SIZE(host->used))
		host_use(host, host->nr_ring / 2);
	armed = host->armed;
	spin_unlock(&host->lock);
	if (armed)
		page_hinting_notify(&host->dev);
}

static void host_kick(struct page_hinting_device *dev)
{
	struct host *host = to_host(dev);

	/* It may take long, and sleep. */
	if (irqs_disabled())
		host->kicked_locked = true;
	if (READ_ONCE(host->silent))
		return;
	if (host->delay_us)
		fsleep(host->delay_us);
	host_use_all(host);
}

static int host_harvest(struct page_hinting_device *dev,
			struct page_hinting_used *used, unsigned int max)
{
	struct host *host = to_host(dev);
	unsigned int nr = 0;

	if (READ_ONCE(host->broken))
		return -EIO;
	if (READ_ONCE(host->served) == current)
		host_use_all(host);
	while (READ_ONCE(host->holds)) {
		WRITE_ONCE(host->holding, true);
		fsleep(USEC_PER_MSEC);
	}
	spin_lock(&host->lock);
	host->armed = false;
	while (nr < max && host->nr_used)
		used[nr++].page = host->used[--host->nr_used];
	spin_unlock(&host->lock);
	return nr;
}

static struct page_hinting_zone *first_zone(void)
{
	return list_first_entry(&page_hinting_zones, struct page_hinting_zone,
				node);
}

static bool host_arm(struct page_hinting_device *dev)
{
	struct host *host = to_host(dev);

	if (READ_ONCE(host->arms_late) && first_zone()->drain_lists) {
		WRITE_ONCE(host->arms_late, false);
		return false;
	}
	guard(spinlock)(&host->lock);
	host->armed = true;
	return !host->nr_used;
}

static const struct page_hinting_ops host_ops = {
	.submit = host_submit,
	.kick = host_kick,
	.harvest = host_harvest,
	.arm = host_arm,
};

static unsigned long pages_of(const unsigned long *counter)
{
	return page_hinting_read(first_zone(), counter);
}

/* Wait until @cond, or for so long that it will never be. */
#define wait_for(cond)							\
({									\
	unsigned long deadline = jiffies +				\
				 msecs_to_jiffies(PATIENCE_MS);		\
	bool is_so;							\
									\
	/* It may be so for a moment only. */				\
	while (!(is_so = (cond)) && time_before(jiffies, deadline))	\
		fsleep(USEC_PER_MSEC);					\
	is_so;								\
})

static bool all_hinted(void)
{
	return !pages_of(&first_zone()->unhinted_pages) &&
	       !page_hinting_pages_in_flight() &&
	       pages_of(&first_zone()->hinted_pages);
}

/* Take the reset that a driver would do. */
static void host_reset(struct host *host, bool give_back)
{
	while (give_back && host->nr_ring)
		page_hinting_abort(&host->dev, host->ring[--host->nr_ring]);
	while (give_back && host->nr_used)
		page_hinting_abort(&host->dev, host->used[--host->nr_used]);
	page_hinting_reset_done(&host->dev);
}

/* What is freed counts as idle after this time, if nothing else was learnt. */
static void set_shortest_wait(unsigned int ms)
{
	WRITE_ONCE(page_hinting_refault_cost_ms, 64 * ms);
}

static void set_knobs(unsigned int settle_ms, unsigned long window_bytes,
		      unsigned int min_order)
{
	mutex_lock(&page_hinting_mutex);
	set_shortest_wait(settle_ms);
	WRITE_ONCE(page_hinting_window_pages, window_bytes >> PAGE_SHIFT);
	page_hinting_set_order(min_order, false);
	mutex_unlock(&page_hinting_mutex);
}

static void set_idle_order(unsigned int idle_min_order)
{
	mutex_lock(&page_hinting_mutex);
	page_hinting_set_idle_order(idle_min_order);
	mutex_unlock(&page_hinting_mutex);
}

static int host_init(struct kunit *test)
{
	struct host *host;
	int err;

	host = kunit_kzalloc(test, sizeof(*host), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, host);
	spin_lock_init(&host->lock);
	host->dev.ops = &host_ops;
	host->dev.capacity = RING;
	host->least_order = MAX_PAGE_ORDER;
	test->priv = host;

	set_knobs(TEST_SETTLE_MS, SZ_64M, pageblock_order);
	if (!list_empty(&page_hinting_zones))
		host->before_pages = pages_of(&first_zone()->acknowledged_pages);
	err = page_hinting_register(&host->dev);
	if (err == -EBUSY)
		kunit_skip(test, "a real host is in use");
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_ASSERT_FALSE(test, list_empty(&page_hinting_zones));
	KUNIT_ASSERT_NOT_NULL(test, first_zone()->task);
	return 0;
}

static void host_exit(struct kunit *test)
{
	struct host *host = test->priv;

	if (!host)
		return;
	WRITE_ONCE(host->silent, false);
	WRITE_ONCE(host->refuses, false);
	host_use_all(host);
	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	set_knobs(TEST_SETTLE_MS, SZ_64M, pageblock_order);
	WRITE_ONCE(page_hinting_refault_cost_ms, PAGE_HINTING_REFAULT_COST_MS);
}

static void expect_counts(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, page_hinting_check(first_zone()), 0UL);
}

/* What is wrong while @number is one more than it is. */
static unsigned long faults_of(unsigned long *number)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long faults;

	guard(spinlock_irqsave)(&pz->zone->lock);
	++*number;
	faults = page_hinting_check_locked(pz);
	--*number;
	return faults;
}

/* What is wrong while a list's first block seems to be so many orders larger. */
static unsigned long faults_of_order(struct list_head *list, unsigned int more)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long faults;
	struct page *page;

	guard(spinlock_irqsave)(&pz->zone->lock);
	page = list_first_entry(list, struct page, lru);
	set_page_private(page, page_private(page) + more);
	faults = page_hinting_check_locked(pz);
	set_page_private(page, page_private(page) - more);
	return faults;
}

/* What is wrong while somebody holds so many more references to it. */
static unsigned long faults_of_reference(struct list_head *list, int more)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long faults;
	struct page *page;

	guard(spinlock_irqsave)(&pz->zone->lock);
	page = list_first_entry(list, struct page, lru);
	page_ref_add(page, more);
	faults = page_hinting_check_locked(pz);
	page_ref_sub(page, more);
	return faults;
}

/* What is wrong while a block seems to be split. */
static unsigned long faults_of_split(struct page_hinting_zone *pz)
{
	unsigned long faults;

	guard(spinlock_irqsave)(&pz->zone->lock);
	pz->splits = true;
	faults = page_hinting_check_locked(pz);
	pz->splits = false;
	return faults;
}

/* What expect_counts() asks can fail. */
static void check_finds_faults(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct list_head *largest =
		&pz->zone->free_area[MAX_PAGE_ORDER].free_list[MIGRATE_MOVABLE];

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_EQ(test, page_hinting_check(pz), 0UL);
	KUNIT_EXPECT_EQ(test, faults_of(&pz->nr_unhinted[0][MIGRATE_MOVABLE]),
			BIT(PAGE_HINTING_BAD_COUNT) |
			BIT(PAGE_HINTING_BAD_SUM));
	KUNIT_EXPECT_EQ(test, faults_of(&pz->hinted_pages),
			BIT(PAGE_HINTING_BAD_COUNT));
	KUNIT_EXPECT_EQ(test, faults_of(&pz->reach_pages),
			BIT(PAGE_HINTING_BAD_SUM));
	KUNIT_EXPECT_EQ(test, faults_of(&pz->list_pages),
			BIT(PAGE_HINTING_BAD_LISTS));
	KUNIT_ASSERT_FALSE(test, list_empty(largest));
	KUNIT_EXPECT_EQ(test, faults_of_order(largest, 1),
			BIT(PAGE_HINTING_BAD_FREE));
	KUNIT_EXPECT_EQ(test, faults_of_reference(largest, 1),
			BIT(PAGE_HINTING_BAD_FREE));
	KUNIT_EXPECT_EQ(test, faults_of_split(pz), BIT(PAGE_HINTING_BAD_STEP));
}

static void idle_memory_is_hinted(struct kunit *test)
{
	struct host *host = test->priv;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_FALSE(test, host->kicked_locked);
	expect_counts(test);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->acknowledged_pages),
			host->before_pages + host->seen_pages);
}

/* Read the kernel's log on to its end. Return: was @text in it? */
static bool read_log(struct kmsg_dump_iter *log, const char *text)
{
	static char line[512];
	bool found = false;
	size_t len;

	while (kmsg_dump_get_line(log, true, line, sizeof(line), &len))
		found |= !!strnstr(line, text, len);
	return found;
}

static struct page *find_hinted_block(void)
{
	struct page_hinting_zone *pz = first_zone();
	struct page *page, *found = NULL;
	struct list_head *list;

	guard(spinlock_irqsave)(&pz->zone->lock);
	list = &pz->zone->free_area[MAX_PAGE_ORDER].free_list[MIGRATE_MOVABLE];
	list_for_each_entry(page, list, buddy_list)
		if (PageBuddyOffline(page))
			found = page;
	return found;
}

/* What is printed of a page, and of all memory when there is no more of it. */
static void log_tells_hinted_memory(struct kunit *test)
{
	struct kmsg_dump_iter log;
	unsigned long hinted_pages;
	struct page *page;
	char text[40];

	if (!IS_ENABLED(CONFIG_PRINTK))
		kunit_skip(test, "no log");
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page = find_hinted_block();
	KUNIT_ASSERT_NOT_NULL(test, page);
	kmsg_dump_rewind(&log);
	read_log(&log, "");
	dump_page(page, "its type is to be told");
	KUNIT_EXPECT_TRUE(test, read_log(&log, "(buddy_offline)"));

	/* Until nobody takes or frees memory meanwhile. */
	do {
		hinted_pages = pages_of(&first_zone()->hinted_pages);
		read_log(&log, "");
		page_hinting_show_mem();
	} while (hinted_pages != pages_of(&first_zone()->hinted_pages));
	snprintf(text, sizeof(text), " hinted:%lukB ",
		 hinted_pages << (PAGE_SHIFT - 10));
	KUNIT_EXPECT_TRUE(test, read_log(&log, text));
}

/* No more than the window in flight, and none of it is handed out. */
static void window_bounds_what_is_in_flight(struct kunit *test)
{
	unsigned long window = max(SZ_8M, PAGE_SIZE << pageblock_order);
	struct host *host = test->priv;
	struct page *page, *next;
	unsigned int stolen = 0;
	LIST_HEAD(pages);
	int i;

	WRITE_ONCE(host->silent, true);
	set_knobs(TEST_SETTLE_MS, window, pageblock_order);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	host_use_all(host);
	wait_for(!page_hinting_pages_in_flight());
	host->most_pages = 0;
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);

	KUNIT_ASSERT_TRUE(test, wait_for(page_hinting_pages_in_flight()));
	fsleep(5 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_GT(test, host->most_pages, 0UL);
	KUNIT_EXPECT_LE(test, host->most_pages, window >> PAGE_SHIFT);

	/* Take most of what is free: none of it may be with the host. */
	for (i = 0; i < 64; i++) {
		page = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
				   pageblock_order);
		if (!page)
			break;
		list_add(&page->lru, &pages);
	}
	KUNIT_EXPECT_GT(test, i, 0);
	spin_lock(&host->lock);
	for (i = 0; i < host->nr_ring; i++) {
		if (!PageOffline(host->ring[i]) ||
		    page_count(host->ring[i]) != 1)
			stolen++;
		list_for_each_entry(page, &pages, lru)
			if (page == host->ring[i])
				stolen++;
	}
	spin_unlock(&host->lock);
	KUNIT_EXPECT_EQ(test, stolen, 0U);
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_pages(page, pageblock_order);
}

static struct page *wait_for_block(struct kunit *test)
{
	struct host *host = test->priv;

	WRITE_ONCE(host->silent, true);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(host->nr_ring)));
	return host->ring[0];
}

/* What expect_counts() asks of blocks in flight can fail, too. */
static void check_finds_faults_in_flight(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();

	wait_for_block(test);
	KUNIT_EXPECT_EQ(test, page_hinting_check(pz), 0UL);
	KUNIT_EXPECT_EQ(test, faults_of(&pz->in_flight_pages),
			BIT(PAGE_HINTING_BAD_IN_FLIGHT));
	KUNIT_EXPECT_EQ(test, faults_of_order(&pz->in_flight,
					      get_order(SZ_64M)),
			BIT(PAGE_HINTING_BAD_IN_FLIGHT) |
			BIT(PAGE_HINTING_BAD_WINDOW));
	KUNIT_EXPECT_EQ(test, faults_of_reference(&pz->in_flight, -1),
			BIT(PAGE_HINTING_BAD_IN_FLIGHT));
}

/* Whoever holds a reference across an acknowledgment keeps the block. */
static void held_reference(struct kunit *test)
{
	struct page *page = wait_for_block(test);
	struct host *host = test->priv;

	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	KUNIT_EXPECT_FALSE(test, PageBuddy(page));
	KUNIT_ASSERT_TRUE(test, get_page_unless_zero(page));

	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	fsleep(5 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	KUNIT_EXPECT_EQ(test, page_count(page), 2);
	KUNIT_EXPECT_GE(test, page_hinting_pages_in_flight(),
			1UL << pageblock_order);

	put_page(page);
	KUNIT_EXPECT_TRUE(test, wait_for(!PageOffline(page)));
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* Nothing but the host's silence wakes the thread, and not for the next second. */
static bool thread_sleeps(void)
{
	struct page_hinting_zone *pz = first_zone();

	if (!wait_for(data_race(pz->look_in_ms) > PAGE_HINTING_SILENCE_MS))
		return false;
	page_hinting_wake(pz, PAGE_HINTING_EV_HARVEST);
	fsleep(50 * USEC_PER_MSEC);
	return true;
}

/* Is a block home before a thread that was told nothing looks at it? */
static bool is_soon_home(struct page *page)
{
	unsigned long deadline =
		jiffies + msecs_to_jiffies(PAGE_HINTING_SILENCE_MS / 2);

	while (PageOffline(page) && time_before(jiffies, deadline))
		fsleep(USEC_PER_MSEC);
	return !PageOffline(page);
}

/* A block of the first zone that the host has. */
static struct page *first_zones_block(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned int i;

	wait_for_block(test);
	KUNIT_ASSERT_TRUE(test, thread_sleeps());
	for (i = 0; i < host->nr_ring; i++)
		if (page_zone(host->ring[i]) == first_zone()->zone)
			return host->ring[i];
	KUNIT_FAIL_AND_ABORT(test, "no block of the first zone");
	return NULL;
}

/* Somebody else harvests a block that is held: its thread is told to try again. */
static void held_block_is_told(struct kunit *test)
{
	struct page *page = first_zones_block(test);
	struct host *host = test->priv;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, get_page_unless_zero(page));
	/* Only this one, or the thread would be told of another. */
	scoped_guard(spinlock, &host->lock)
		for (i = 0; i < host->nr_ring; i++)
			if (host->ring[i] == page)
				host_use(host, i);
	page_hinting_bring_home();
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	put_page(page);
	KUNIT_EXPECT_TRUE(test, is_soon_home(page));
}

/* Who waits for a range disarms the host, and arms it again. */
static void range_arms_again(struct kunit *test)
{
	struct page *page = first_zones_block(test);
	struct host *host = test->priv;
	unsigned long pfn = page_to_pfn(page);

	KUNIT_EXPECT_TRUE(test, host->armed);
	KUNIT_EXPECT_FALSE(test, page_hinting_wait_home(first_zone(), pfn,
							pfn + 1, 0));
	host_use_all(host);
	KUNIT_EXPECT_TRUE(test, is_soon_home(page));
}

static bool in_flight(struct page *page)
{
	guard(spinlock_irqsave)(&page_zone(page)->lock);
	return page_hinting_in_flight(page);
}

/* Blocks in flight are told from what others have taken offline. */
static void in_flight_is_not_just_offline(struct kunit *test)
{
	struct page *page = wait_for_block(test);
	struct page *other = alloc_page(GFP_KERNEL);
	struct host *host = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, other);
	__SetPageOffline(other);
	KUNIT_EXPECT_FALSE(test, in_flight(other));
	__ClearPageOffline(other);
	__free_page(other);

	KUNIT_EXPECT_TRUE(test, in_flight(page));
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_FALSE(test, in_flight(page));
}

/* A host that answers twice, or for what it does not have. */
static void wrong_acknowledgments(struct kunit *test)
{
	struct page *page = wait_for_block(test);
	struct page *other = alloc_page(GFP_KERNEL);
	struct host *host = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, other);
	/* Stop what would pull the block again, and make it look right. */
	mutex_lock(&page_hinting_mutex);
	set_shortest_wait(60 * 1000);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
	mutex_unlock(&page_hinting_mutex);
	/* It looks like a block in flight of a single page, but is not ours. */
	__SetPageOffline(other);
	set_page_private(other, 0);
	INIT_LIST_HEAD(&other->lru);
	spin_lock(&host->lock);
	host_use(host, 0);
	host->used[host->nr_used++] = page;
	host->used[host->nr_used++] = other;
	spin_unlock(&host->lock);
	page_hinting_notify(&host->dev);

	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(host->nr_used)));
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	KUNIT_EXPECT_TRUE(test, wait_for(!page_hinting_pages_in_flight()));
	KUNIT_EXPECT_EQ(test, page_count(other), 1);
	KUNIT_EXPECT_TRUE(test, PageOffline(other));
	expect_counts(test);
	__ClearPageOffline(other);
	__free_page(other);
}

/* Is what lies beside the block that @page is in a free block of that size? */
static struct page *free_buddy(struct page *page, unsigned int order)
{
	struct page *buddy;

	buddy = pfn_to_page(ALIGN_DOWN(page_to_pfn(page), 1UL << order) ^
			    (1UL << order));
	return PageBuddy(buddy) && buddy_order(buddy) == order ? buddy : NULL;
}

/*
 * Was half a granule just taken out of a larger block? Then its other half is
 * free, and so is the granule beside, which is hinted or not.
 */
static bool was_split(struct page *half, bool *hinted)
{
	unsigned int order = page_hinting_granule_order;
	struct page *beside;

	guard(spinlock_irqsave)(&page_zone(half)->lock);
	beside = free_buddy(half, order);
	if (!beside)
		return false;
	*hinted = PageBuddyOffline(beside);
	return free_buddy(half, order - 1);
}

/* Split: a granule keeps the mark. Merge: with what is not hinted, it goes. */
static void split_and_merge(struct kunit *test)
{
	unsigned int order = page_hinting_granule_order;
	bool found = false, hinted = false;
	unsigned long used_pages;
	struct page *pages[64];
	int nr;

	if (order == MAX_PAGE_ORDER)
		kunit_skip(test, "a granule is never split off");
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	mutex_lock(&page_hinting_mutex);
	set_shortest_wait(60 * 1000);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
	mutex_unlock(&page_hinting_mutex);

	/* Not granules: those would come by the pair, for the per-CPU lists. */
	for (nr = 0; nr < ARRAY_SIZE(pages) && !found; nr++) {
		pages[nr] = alloc_pages(GFP_KERNEL, order - 1);
		if (!pages[nr])
			break;
		found = was_split(pages[nr], &hinted);
	}
	expect_counts(test);
	KUNIT_EXPECT_TRUE(test, found);
	KUNIT_EXPECT_TRUE(test, hinted);

	used_pages = page_hinting_used(first_zone());
	while (nr--)
		__free_pages(pages[nr], order - 1);
	expect_counts(test);
	/* To lose the mark to a neighbour is not to be used. */
	KUNIT_EXPECT_LT(test, page_hinting_used(first_zone()) -
			used_pages, 1UL << order);
	/* What came back is not hinted, nor is what it merged with. */
	KUNIT_EXPECT_GE(test, pages_of(&first_zone()->unhinted_pages),
			2UL << order);
}

static unsigned long take_order(struct list_head *blocks, unsigned int order,
				unsigned long pages)
{
	unsigned long taken = 0;
	struct page *page;

	while (taken < pages) {
		page = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
				   order);
		if (!page)
			break;
		list_add(&page->lru, blocks);
		taken += 1UL << order;
	}
	return taken;
}

static void free_order(struct list_head *blocks, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, blocks, lru)
		__free_pages(page, order);
	INIT_LIST_HEAD(blocks);
}

static unsigned long take_blocks(struct list_head *blocks, unsigned long pages)
{
	return take_order(blocks, TEST_LOW_ORDER, pages);
}

static void free_blocks(struct list_head *blocks)
{
	free_order(blocks, TEST_LOW_ORDER);
}

/* What was hinted and needed soon teaches to wait, and is counted. */
static void early_use_is_seen(struct kunit *test)
{
	const unsigned long pages = 3 * PAGE_HINTING_SIGNIFICANT_PAGES / 2;
	struct page_hinting_zone *pz = first_zone();
	unsigned long refaulted_pages;
	LIST_HEAD(blocks);
	bool enough;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	/* Of what is free from the start nobody knows for how long it was. */
	enough = take_blocks(&blocks, pages) >= pages;
	fsleep(2 * TEST_SETTLE_MS * USEC_PER_MSEC);
	free_blocks(&blocks);
	if (!enough)
		kunit_skip(test, "not enough memory");
	/* Also what was in the per-CPU lists. */
	drain_all_pages(pz->zone);
	/* The thread does the same within 250 ms, and may find something. */
	fsleep(500 * USEC_PER_MSEC);
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));

	refaulted_pages = READ_ONCE(pz->refaulted_pages);
	KUNIT_EXPECT_GE(test, take_blocks(&blocks, pages), pages);
	/* It is looked at when something is freed. */
	free_blocks(&blocks);
	drain_all_pages(pz->zone);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(pz->refaulted_pages) -
					 refaulted_pages >=
					 PAGE_HINTING_SIGNIFICANT_PAGES));
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(pz->settle_ms) >
					 TEST_SETTLE_MS));
}

static unsigned long pages_in_lists(struct zone *zone)
{
	unsigned long pages = 0;
	int cpu;

	for_each_online_cpu(cpu)
		pages += data_race(per_cpu_ptr(zone->per_cpu_pageset,
					       cpu)->count);
	return pages;
}

/* A second look before the lists are emptied does not prevent that. */
static void lists_are_emptied(struct kunit *test)
{
	const unsigned long enough = PAGE_HINTING_SIGNIFICANT_PAGES;
	struct zone *zone = first_zone()->zone;
	struct host *host = test->priv;
	LIST_HEAD(pages);

	/* It is in flight from here on, as otherwise nobody asks to be told. */
	wait_for_block(test);
	take_order(&pages, 0, 4 * enough);
	KUNIT_ASSERT_TRUE(test, wait_for(!first_zone()->drain_lists));
	WRITE_ONCE(host->arms_late, true);
	free_order(&pages, 0);
	/* How much the kernel keeps there depends on the zone and its use. */
	if (pages_in_lists(zone) < enough)
		kunit_skip(test, "the per-CPU lists do not hold this much");

	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(host->arms_late)));
	KUNIT_EXPECT_TRUE(test, wait_for(pages_in_lists(zone) < enough));
}

/* Memory that has to stay, and is looked at rarely, does not hide a free. */
static void free_ends_what_stays(struct kunit *test)
{
	/* Not all of it may merge to blocks of a pageblock. */
	const unsigned long pages = 4 * PAGE_HINTING_SIGNIFICANT_PAGES;
	const unsigned int rarely_ms = 1500;
	struct page_hinting_zone *pz = first_zone();
	unsigned long start, high_pages;
	unsigned int idle_min_order;
	LIST_HEAD(blocks);
	struct page *page;

	/* Small blocks are looked after more often. */
	idle_min_order = page_hinting_idle_min_order;
	set_idle_order(pageblock_order);
	page = alloc_pages(GFP_KERNEL, pageblock_order);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_GE(test, take_blocks(&blocks, pages), pages);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	/* More has to stay than there is. */
	high_pages = pz->zone->_watermark[WMARK_HIGH];
	WRITE_ONCE(pz->zone->_watermark[WMARK_HIGH],
		   zone_managed_pages(pz->zone));
	__free_pages(page, pageblock_order);
	/* Little in the per-CPU lists is left there. */
	drain_all_pages(pz->zone);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(pz->look_in_ms) >= rarely_ms));

	WRITE_ONCE(pz->zone->_watermark[WMARK_HIGH], high_pages);
	start = jiffies;
	free_blocks(&blocks);
	drain_all_pages(pz->zone);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_LT(test, jiffies_to_msecs(jiffies - start), rarely_ms);
	set_idle_order(idle_min_order);
}

/* Many allocations and frees of all orders leave the counts right. */
static void counts_survive_a_storm(struct kunit *test)
{
	struct { struct page *page; unsigned int order; } *slots;
	const unsigned int nr_slots = 256;
	unsigned int i, n;

	slots = kunit_kcalloc(test, nr_slots, sizeof(*slots), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slots);
	/* Until then blocks are still being counted. */
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	for (n = 0; n < 20000; n++) {
		i = get_random_u32_below(nr_slots);
		if (slots[i].page) {
			__free_pages(slots[i].page, slots[i].order);
			slots[i].page = NULL;
			continue;
		}
		slots[i].order = get_random_u32_below(pageblock_order + 1);
		if (get_random_u32_below(4))
			slots[i].order %= 5;
		slots[i].page = alloc_pages((n & 1 ? GFP_KERNEL :
					     GFP_HIGHUSER_MOVABLE) |
					    __GFP_NORETRY | __GFP_NOWARN,
					    slots[i].order);
		if (n % 1000 == 0) {
			expect_counts(test);
			fsleep(TEST_SETTLE_MS * USEC_PER_MSEC);
		}
	}
	for (i = 0; i < nr_slots; i++)
		if (slots[i].page)
			__free_pages(slots[i].page, slots[i].order);
	expect_counts(test);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* With the device gone, and not yet reset, enabling has to wait. */
static void enabled_before_the_reset(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long pages;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	pages = pages_of(&first_zone()->acknowledged_pages);
	page_hinting_unregister(&host->dev);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_FALSE(test, static_key_enabled(&page_hinting_key));
	host_reset(host, true);
	KUNIT_EXPECT_FALSE(test, static_key_enabled(&page_hinting_key));
	KUNIT_EXPECT_PTR_EQ(test, first_zone()->task, NULL);

	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	/* A zone's totals outlive its thread. */
	KUNIT_EXPECT_GE(test, pages_of(&first_zone()->acknowledged_pages) - pages,
			pages_of(&first_zone()->hinted_pages));
	expect_counts(test);
}

static void disabled_means_no_marks(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long seen_pages;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->hinted_pages), 0UL);
	KUNIT_EXPECT_FALSE(test, static_key_enabled(&page_hinting_key));
	seen_pages = host->seen_pages;
	fsleep(3 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, host->seen_pages, seen_pages);

	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

static void suspend_voids_marks(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long seen_pages;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page_hinting_suspend(&host->dev);
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	host_reset(host, true);
	seen_pages = host->seen_pages;
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_GE(test, host->seen_pages - seen_pages,
			pages_of(&first_zone()->hinted_pages));
	expect_counts(test);
}

/* Free every second one of many small blocks, so that they do not merge. */
static bool make_holes(struct list_head *blocks, unsigned long hole_pages)
{
	bool enough = take_blocks(blocks, 2 * hole_pages) >= 2 * hole_pages;
	struct page *page, *next;
	bool odd = false;

	list_for_each_entry_safe(page, next, blocks, lru) {
		odd = !odd;
		if (!odd)
			continue;
		list_del(&page->lru);
		__free_pages(page, TEST_LOW_ORDER);
	}
	return enough;
}

/* Hinted memory in blocks below the minimum order. */
static unsigned long hinted_small_pages(void)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long pages = 0;
	unsigned int order;
	int mt;

	guard(spinlock_irqsave)(&pz->zone->lock);
	for (order = 0; order < pz->min_order; order++) {
		pages += pz->zone->free_area[order].nr_free << order;
		for (mt = 0; mt < MIGRATE_TYPES; mt++)
			pages -= pz->nr_unhinted[order][mt] << order;
	}
	return pages;
}

static bool holes_are_hinted(unsigned long pages)
{
	return all_hinted() && hinted_small_pages() >= pages;
}

/* As a VM generation ID device would, if the kernel knows such devices. */
static void tell_of_a_restore(void)
{
#if IS_ENABLED(CONFIG_VMGENID)
	static const u8 id[16];

	add_vmfork_randomness(id, sizeof(id));
#else
	page_hinting_restored();
#endif
}

/* After a restore all is hinted again, but no small blocks unless asked for. */
static void restore_voids_marks(struct kunit *test)
{
	const unsigned long hole_pages = 3 * PAGE_HINTING_SIGNIFICANT_PAGES;
	unsigned int idle_min_order = page_hinting_idle_min_order;
	unsigned int nr_restores = page_hinting_nr_restores;
	struct host *host = test->priv;
	unsigned long seen_pages;
	LIST_HEAD(blocks);
	bool enough;

	set_idle_order(TEST_LOW_ORDER);
	enough = make_holes(&blocks, hole_pages);
	if (enough)
		KUNIT_EXPECT_TRUE(test, wait_for(holes_are_hinted(hole_pages / 2)));

	seen_pages = host->seen_pages;
	tell_of_a_restore();
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(page_hinting_nr_restores) ==
					 nr_restores + 1));
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted() &&
					 host->seen_pages - seen_pages >=
					 pages_of(&first_zone()->hinted_pages)));
	/* Long enough for small blocks. */
	fsleep(20 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, hinted_small_pages(), 0UL);
	expect_counts(test);

	set_idle_order(TEST_LOW_ORDER);
	if (enough)
		KUNIT_EXPECT_TRUE(test, wait_for(holes_are_hinted(hole_pages / 2)));
	expect_counts(test);
	set_idle_order(idle_min_order);
	free_blocks(&blocks);
	if (!enough)
		kunit_skip(test, "not enough memory");
}

/* A restore while there is no host, or a suspended one, is not forgotten. */
static void restore_without_a_host(struct kunit *test)
{
	unsigned int idle_min_order = page_hinting_idle_min_order;
	unsigned int nr_restores = page_hinting_nr_restores;
	struct host *host = test->priv;

	page_hinting_suspend(&host->dev);
	page_hinting_restored();
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(page_hinting_nr_restores) ==
					 nr_restores + 1));
	host_reset(host, true);
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));

	page_hinting_unregister(&host->dev);
	set_idle_order(idle_min_order);
	page_hinting_restored();
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(page_hinting_nr_restores) ==
					 nr_restores + 2));
	host_reset(host, true);
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_EQ(test, page_hinting_idle_min_order, MAX_PAGE_ORDER);
	KUNIT_EXPECT_EQ(test, first_zone()->reach_order,
			page_hinting_min_order);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	set_idle_order(idle_min_order);
	expect_counts(test);
}

/* Lower orders are hinted when asked for, and the window still holds. */
static void lower_orders(struct kunit *test)
{
	struct host *host = test->priv;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	host->most_pages = 0;
	set_knobs(TEST_SETTLE_MS, SZ_64M, TEST_LOW_ORDER);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_LE(test, host->most_pages, SZ_64M >> PAGE_SHIFT);
	expect_counts(test);
}

/* A window smaller than the free blocks: they are split. */
static void small_window_splits(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned int order;

	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	order = max(pageblock_order, 4) - 4;
	set_knobs(TEST_SETTLE_MS, PAGE_SIZE << (order + 2), order);
	mutex_lock(&page_hinting_mutex);
	page_hinting_set_order(order, true);
	mutex_unlock(&page_hinting_mutex);
	host->most_pages = 0;
	host->seen_pages = 0;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	/* Parts do not merge back into blocks that have to be hinted again. */
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_LE(test, host->seen_pages,
			5 * zone_managed_pages(first_zone()->zone) / 4);
	/* Nor is a block marked of which the host has seen a part only. */
	KUNIT_EXPECT_GE(test, host->seen_pages,
			pages_of(&first_zone()->hinted_pages));
	KUNIT_EXPECT_LE(test, host->most_pages, 1UL << (order + 2));
	KUNIT_EXPECT_GT(test, host->most_pages, 0UL);
	expect_counts(test);
}

/* Free memory that is never idle: what the policy keeps, a flush does not. */
static void keep_memory(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	set_knobs(NEVER_MS, SZ_64M, pageblock_order);
	mutex_lock(&page_hinting_mutex);
	page_hinting_begin_anew();
	mutex_unlock(&page_hinting_mutex);
	KUNIT_ASSERT_TRUE(test, wait_for(pages_of(&first_zone()->unhinted_pages)));
	fsleep(3 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->hinted_pages), 0UL);
}

static void flush_hints_what_is_kept(struct kunit *test)
{
	struct host *host = test->priv;
	struct page_hinting_zone *pz;
	unsigned long seen_pages;

	keep_memory(test);
	seen_pages = host->seen_pages;
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());
	page_hinting_for_each_zone(pz)
		KUNIT_EXPECT_EQ(test, page_hinting_read(pz, &pz->unhinted_pages), 0UL);
	KUNIT_EXPECT_EQ(test, page_hinting_flush_left(), 0UL);
	KUNIT_EXPECT_GE(test, host->seen_pages - seen_pages,
			pages_of(&first_zone()->hinted_pages));
	expect_counts(test);

	/* Nothing is left to do, unless all is to be done anew. */
	seen_pages = host->seen_pages;
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_LT(test, host->seen_pages - seen_pages, SZ_16M >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), 0);
	KUNIT_EXPECT_GE(test, host->seen_pages - seen_pages,
			pages_of(&first_zone()->hinted_pages));
	expect_counts(test);
}

static int slow_host(void *data)
{
	struct host *host = data;

	while (!kthread_should_stop()) {
		spin_lock(&host->lock);
		if (host->nr_ring && host->nr_used < ARRAY_SIZE(host->used))
			host_use(host, host->nr_ring - 1);
		spin_unlock(&host->lock);
		page_hinting_notify(&host->dev);
		fsleep(host->delay_us);
	}
	return 0;
}

static struct task_struct *start_slow_host(struct kunit *test,
					   unsigned int delay_us)
{
	struct host *host = test->priv;
	struct task_struct *task;

	WRITE_ONCE(host->silent, true);
	host->delay_us = delay_us;
	task = kthread_run(slow_host, host, "slow_host");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	return task;
}

/* One block at a time, the newest first, and never within a kick. */
static void flush_waits_for_a_slow_host(struct kunit *test)
{
	struct host *host = test->priv;
	struct task_struct *task;

	keep_memory(test);
	task = start_slow_host(test, 50);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_EQ(test, host->nr_ring, 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());
	kthread_stop(task);
	expect_counts(test);
}

/* As when there was no memory for a thread: a flush does not leave out a zone. */
static void flush_starts_threads_that_lack(struct kunit *test)
{
	keep_memory(test);
	mutex_lock(&page_hinting_mutex);
	page_hinting_threads_stop();
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_NOT_NULL(test, first_zone()->task);
	KUNIT_EXPECT_TRUE(test, all_hinted());
	expect_counts(test);
}

static void flush_says_why_not(struct kunit *test)
{
	unsigned int timeout_ms = page_hinting_flush_timeout_ms;
	struct host *host = test->priv;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), -EOPNOTSUPP);
	page_hinting_suspend(&host->dev);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), -ENODEV);
	host_reset(host, true);
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), -EOPNOTSUPP);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	page_hinting_suspend(&host->dev);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), -ENODEV);
	host_reset(host, true);
	page_hinting_resume(&host->dev);

	keep_memory(test);
	WRITE_ONCE(host->silent, true);
	WRITE_ONCE(page_hinting_flush_timeout_ms, TEST_SETTLE_MS);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), -ETIMEDOUT);
	WRITE_ONCE(page_hinting_flush_timeout_ms, timeout_ms);
	KUNIT_EXPECT_EQ(test, page_hinting_flush_left(), 0UL);
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	expect_counts(test);
}

/* That nothing can be pulled for a moment does not mean that all is done. */
static void flush_outlasts_what_is_in_its_way(struct kunit *test)
{
	unsigned int timeout_ms = page_hinting_flush_timeout_ms;
	struct host *host = test->priv;

	keep_memory(test);
	page_hinting_be_quiet(first_zone(), 2 * TEST_SETTLE_MS);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());

	WRITE_ONCE(host->refuses, true);
	WRITE_ONCE(page_hinting_flush_timeout_ms, TEST_SETTLE_MS);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), -ETIMEDOUT);
	WRITE_ONCE(page_hinting_flush_timeout_ms, timeout_ms);
	WRITE_ONCE(host->refuses, false);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());
	expect_counts(test);
}

/**
 * struct flusher - who flushes beside the test
 * @task: it
 * @done: it is back
 * @err: with this
 */
struct flusher {
	struct task_struct *task;
	struct completion done;
	int err;
};

static int flush_beside(void *data)
{
	struct flusher *flusher = data;

	allow_signal(SIGTERM);
	flusher->err = page_hinting_flush(false);
	complete(&flusher->done);
	while (!kthread_should_stop())
		fsleep(USEC_PER_MSEC);
	return 0;
}

/* A flush that has begun, and that the host does not let end soon. */
static void start_flush(struct kunit *test, struct flusher *flusher)
{
	struct host *host = test->priv;
	unsigned long seen_pages = READ_ONCE(host->seen_pages);

	init_completion(&flusher->done);
	flusher->task = kthread_run(flush_beside, flusher, "flusher");
	KUNIT_ASSERT_FALSE(test, IS_ERR(flusher->task));
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(host->seen_pages) !=
					 seen_pages));
}

static void end_flush(struct kunit *test, struct flusher *flusher, int err)
{
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&flusher->done,
							  msecs_to_jiffies(PATIENCE_MS)),
			0UL);
	KUNIT_EXPECT_EQ(test, flusher->err, err);
	kthread_stop(flusher->task);
}

/* With the writer gone nothing is pulled for it any more. */
static void killed_flush_stops(struct kunit *test)
{
	struct host *host = test->priv;
	struct flusher flusher;
	unsigned long seen_pages;

	keep_memory(test);
	host->delay_us = TEST_SETTLE_MS * USEC_PER_MSEC / 2;
	start_flush(test, &flusher);
	send_sig(SIGTERM, flusher.task, 1);
	end_flush(test, &flusher, -EINTR);
	KUNIT_EXPECT_TRUE(test, wait_for(!page_hinting_pages_in_flight()));
	seen_pages = host->seen_pages;
	fsleep(5 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, host->seen_pages, seen_pages);
	KUNIT_EXPECT_GT(test, pages_of(&first_zone()->unhinted_pages), 0UL);
	host->delay_us = 0;

	/* And the policy goes on. */
	set_knobs(TEST_SETTLE_MS, SZ_64M, pageblock_order);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* Though hinting is on again: what was flushed before has lost its mark. */
static void flush_is_cancelled(struct kunit *test)
{
	struct host *host = test->priv;
	struct flusher flusher;

	keep_memory(test);
	WRITE_ONCE(host->silent, true);
	start_flush(test, &flusher);
	mutex_lock(&page_hinting_mutex);
	page_hinting_begin_anew();
	mutex_unlock(&page_hinting_mutex);
	end_flush(test, &flusher, -ECANCELED);

	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());
	expect_counts(test);
}

/* What is freed meanwhile may be hinted in its place, but there is an end. */
static void flush_ends_beside_a_user(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct host *host = test->priv;
	struct flusher flusher;
	unsigned long seen_pages, reach_pages;
	LIST_HEAD(blocks);

	keep_memory(test);
	seen_pages = host->seen_pages;
	reach_pages = pages_of(&pz->reach_pages);
	host->delay_us = USEC_PER_MSEC;
	start_flush(test, &flusher);
	while (!completion_done(&flusher.done)) {
		take_blocks(&blocks, SZ_16M >> PAGE_SHIFT);
		free_blocks(&blocks);
		fsleep(USEC_PER_MSEC);
	}
	end_flush(test, &flusher, 0);
	host->delay_us = 0;
	KUNIT_EXPECT_LE(test, host->seen_pages - seen_pages,
			reach_pages + PAGE_HINTING_SIGNIFICANT_PAGES);
	expect_counts(test);
}

/* A worker is not woken by the freezer, which waits for it. */
static void flush_ends_before_a_suspend(struct kunit *test)
{
	struct host *host = test->priv;
	struct flusher flusher;

	keep_memory(test);
	host->delay_us = TEST_SETTLE_MS * USEC_PER_MSEC / 2;
	start_flush(test, &flusher);
	page_hinting_set_sleeps(true);
	end_flush(test, &flusher, -EINTR);
	page_hinting_set_sleeps(false);
	host->delay_us = 0;
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	expect_counts(test);
}

/* All that is free goes to a host that asks, if the user wants that. */
static void asked_flush_is_a_flush(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long seen_pages;

	keep_memory(test);
	seen_pages = host->seen_pages;
	KUNIT_EXPECT_FALSE(test, page_hinting_flush_asked());
	KUNIT_EXPECT_EQ(test, host->seen_pages, seen_pages);

	WRITE_ONCE(page_hinting_flush_for_host, 1);
	KUNIT_EXPECT_TRUE(test, page_hinting_flush_asked());
	KUNIT_EXPECT_TRUE(test, all_hinted());
	expect_counts(test);

	/* Nor does it get anything in another way when this cannot be done. */
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_TRUE(test, page_hinting_flush_asked());
	WRITE_ONCE(page_hinting_flush_for_host, 0);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
}

/* The host takes it for done when this returns. */
static void asked_flush_waits_for_another(struct kunit *test)
{
	struct host *host = test->priv;
	struct flusher flusher;

	keep_memory(test);
	host->delay_us = TEST_SETTLE_MS * USEC_PER_MSEC / 2;
	start_flush(test, &flusher);
	WRITE_ONCE(page_hinting_flush_for_host, 1);
	KUNIT_EXPECT_TRUE(test, page_hinting_flush_asked());
	KUNIT_EXPECT_TRUE(test, all_hinted());
	WRITE_ONCE(page_hinting_flush_for_host, 0);
	end_flush(test, &flusher, 0);
	host->delay_us = 0;
	expect_counts(test);
}

/* Somebody else may bring home what a flush waits for, and ends the notification. */
static void flush_is_told_by_others(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct host *host = test->priv;
	struct flusher flusher;
	unsigned long begin;
	LIST_HEAD(blocks);

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	set_knobs(NEVER_MS, SZ_64M, pageblock_order);
	set_idle_order(pageblock_order);
	KUNIT_ASSERT_GT(test, take_blocks(&blocks, 4UL << pageblock_order), 0UL);
	free_blocks(&blocks);
	drain_all_pages(pz->zone);
	WRITE_ONCE(host->silent, true);
	start_flush(test, &flusher);
	/* All of it is in flight, and the thread waits. */
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(pz->flush_pages)));
	fsleep(TEST_SETTLE_MS * USEC_PER_MSEC);
	begin = jiffies;
	spin_lock(&host->lock);
	while (host->nr_ring)
		host_use(host, 0);
	spin_unlock(&host->lock);
	page_hinting_bring_home();
	end_flush(test, &flusher, 0);
	/* Else it would look after this time, as an interrupt may be lost. */
	KUNIT_EXPECT_LT(test, jiffies_to_msecs(jiffies - begin),
			PAGE_HINTING_SILENCE_MS / 2U);
	set_idle_order(page_hinting_safe_order);
}

static void flush_of_a_broken_host(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long begin;
	struct flusher flusher;

	keep_memory(test);
	WRITE_ONCE(host->silent, true);
	start_flush(test, &flusher);
	WRITE_ONCE(host->broken, true);
	page_hinting_notify(&host->dev);
	end_flush(test, &flusher, -EIO);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), -EIO);

	/* Nobody waits for it any more. */
	begin = jiffies;
	KUNIT_EXPECT_FALSE(test, page_hinting_wait_home(NULL, 0, ULONG_MAX,
							PAGE_HINTING_SILENCE_MS));
	KUNIT_EXPECT_LT(test, jiffies_to_msecs(jiffies - begin),
			PAGE_HINTING_SILENCE_MS / 2U);

	/* Bound anew, it is another host. */
	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	WRITE_ONCE(host->silent, false);
	WRITE_ONCE(host->broken, false);
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_TRUE(test, all_hinted());
}

#ifdef CONFIG_CONTIG_ALLOC
static struct page *take_pageblock(void)
{
	return alloc_contig_pages(pageblock_nr_pages, GFP_KERNEL,
				  numa_node_id(), NULL);
}

static void free_pageblock(struct page *page)
{
	free_contig_range(page_to_pfn(page), pageblock_nr_pages);
}

static unsigned long pages_migrated(unsigned long *events)
{
	all_vm_events(events);
	return events[PGMIGRATE_SUCCESS];
}
#else
static struct page *take_pageblock(void)
{
	return NULL;
}

static void free_pageblock(struct page *page)
{
}

static unsigned long pages_migrated(unsigned long *events)
{
	return 0;
}
#endif

/*
 * A pageblock that is isolated was not used, nor was what it is a part of. Of
 * those that were not all free others are used instead: that is no matter here.
 */
static void isolation_is_no_use(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long *events, used_pages, migrated;
	int nr, nr_free = 0;
	/* So many that some of them are halves of a larger block. */
	struct page *pages[16];

	if (!IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "nobody isolates memory");
	events = kunit_kcalloc(test, NR_VM_EVENT_ITEMS, sizeof(*events),
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, events);
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	for (nr = 0; nr < ARRAY_SIZE(pages); nr++) {
		used_pages = page_hinting_used(pz);
		migrated = pages_migrated(events);
		pages[nr] = take_pageblock();
		if (!pages[nr])
			break;
		if (pages_migrated(events) != migrated)
			continue;
		nr_free++;
		KUNIT_EXPECT_LT(test, page_hinting_used(pz) - used_pages,
				pageblock_nr_pages / 2);
	}
	KUNIT_EXPECT_EQ(test, nr, (int)ARRAY_SIZE(pages));
	KUNIT_EXPECT_GT(test, nr_free, 1);
	while (nr--)
		free_pageblock(pages[nr]);
	expect_counts(test);
}

/* What the tests have pulled themselves. */
static struct page *pulled[256];
static unsigned int nr_pulled;

/* Pull all that a zone may have in flight. */
static void pull_all(struct page_hinting_zone *pz, unsigned int order,
		     unsigned int capacity)
{
	struct page_hinting_batch batch;

	do {
		page_hinting_pull(pz, order, ULONG_MAX, capacity, &batch);
		while (batch.nr)
			pulled[nr_pulled++] = batch.pages[--batch.nr];
	} while (READ_ONCE(pz->in_flight_pages) && !READ_ONCE(pz->wants_room) &&
		 nr_pulled + PAGE_HINTING_BATCH_BLOCKS <= ARRAY_SIZE(pulled));
}

static void put_all_back(void)
{
	while (nr_pulled)
		page_hinting_put_back(pulled[--nr_pulled], false);
}

/* What the host knows stands at the tail of its list; what joins one later does not. */
static void hinted_is_used_last(struct kunit *test)
{
	struct page *held = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER), *pages[4];
	struct page_hinting_zone *pz = first_zone();
	unsigned long used_pages, hinted_pages;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, held);
	keep_memory(test);
	pull_all(pz, pageblock_order, 4);
	KUNIT_EXPECT_GT(test, nr_pulled, 0U);
	while (nr_pulled)
		page_hinting_put_back(pulled[--nr_pulled], true);
	hinted_pages = pages_of(&pz->hinted_pages);
	__free_pages(held, MAX_PAGE_ORDER);
	KUNIT_EXPECT_LE(test, pages_of(&pz->hinted_pages), hinted_pages);

	used_pages = page_hinting_used(pz);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = alloc_pages(GFP_HIGHUSER_MOVABLE, pageblock_order);
	KUNIT_EXPECT_LT(test, page_hinting_used(pz) - used_pages,
			pageblock_nr_pages);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		if (pages[i])
			__free_pages(pages[i], pageblock_order);
	expect_counts(test);
}

/* Each zone has a part of the window to itself, or one block. */
static void window_is_divided(struct kunit *test)
{
	const unsigned long window = SZ_8M >> PAGE_SHIFT;
	const unsigned long block = 1UL << TEST_LOW_ORDER;
	struct page_hinting_zone *pz;
	unsigned long nr_zones = 0;

	keep_memory(test);
	set_knobs(NEVER_MS, window << PAGE_SHIFT, TEST_LOW_ORDER);
	page_hinting_for_each_zone(pz) {
		unsigned long part = window * zone_managed_pages(pz->zone) /
				     totalram_pages();

		pull_all(pz, TEST_LOW_ORDER, UINT_MAX);
		KUNIT_EXPECT_LE(test, page_hinting_read(pz, &pz->in_flight_pages),
				max(part, block));
		KUNIT_EXPECT_GT(test, page_hinting_read(pz, &pz->in_flight_pages),
				0UL);
		nr_zones++;
	}
	KUNIT_EXPECT_LE(test, page_hinting_pages_in_flight(),
			window + nr_zones * block);
	put_all_back();
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
}

/* Nor is a large ring filled: what is in flight is walked under the zone lock. */
static void large_ring_is_not_filled(struct kunit *test)
{
	LIST_HEAD(blocks);

	keep_memory(test);
	if (make_holes(&blocks, 512UL << TEST_LOW_ORDER)) {
		pull_all(first_zone(), TEST_LOW_ORDER, 32768);
		KUNIT_EXPECT_GT(test, nr_pulled, 64U);
		KUNIT_EXPECT_LE(test, nr_pulled, 128U);
		put_all_back();
	}
	free_blocks(&blocks);
}

/* A ring with a place for one block is enough, and a very large one is not filled. */
static void rings_of_any_size(struct kunit *test)
{
	static const unsigned int capacities[] = { 1, 2, RING, 256, LARGEST_RING };
	struct host *host = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(capacities); i++) {
		page_hinting_unregister(&host->dev);
		host_reset(host, true);
		host->dev.capacity = capacities[i];
		host->most_nr = 0;
		KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
		KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
		KUNIT_EXPECT_EQ(test, page_hinting_flush(true), 0);
		KUNIT_EXPECT_GT(test, host->most_nr, 0U);
		KUNIT_EXPECT_LE(test, host->most_nr, min(capacities[i], 128U));
		expect_counts(test);
	}
}

static void see_wake(void *seen, struct zone *zone, unsigned long events)
{
	if (zone == first_zone()->zone && events & BIT(PAGE_HINTING_EV_HARVEST))
		WRITE_ONCE(*(bool *)seen, true);
}

/* A thread that had no room is told when somebody else has made some. */
static void room_is_told(struct kunit *test)
{
	struct host *host = test->priv;
	bool seen = false;

	wait_for_block(test);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(first_zone()->wants_room)));
	if (register_trace_page_hinting_wake(see_wake, &seen))
		kunit_skip(test, "needs tracepoints");
	spin_lock(&host->lock);
	while (host->nr_ring)
		host_use(host, 0);
	spin_unlock(&host->lock);
	page_hinting_bring_home();
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(seen)));
	unregister_trace_page_hinting_wake(see_wake, &seen);
	tracepoint_synchronize_unregister();
}

/* A silent host is not waited for, and its reset brings everything home. */
static void silent_host(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long begin, acknowledged_pages;

	wait_for_block(test);
	fsleep(5 * TEST_SETTLE_MS * USEC_PER_MSEC);
	begin = jiffies;
	page_hinting_unregister(&host->dev);
	KUNIT_EXPECT_LT(test, jiffies_to_msecs(jiffies - begin),
			3U * PAGE_HINTING_SILENCE_MS);
	KUNIT_EXPECT_GT(test, page_hinting_pages_in_flight(), 0UL);
	KUNIT_EXPECT_TRUE(test, PageOffline(host->ring[0]));
	acknowledged_pages = pages_of(&first_zone()->acknowledged_pages);
	host_reset(host, true);
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->acknowledged_pages),
			acknowledged_pages);
	KUNIT_EXPECT_PTR_EQ(test, first_zone()->task, NULL);

	/* And it can be bound again. */
	host->silent = false;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* What is not given back even by a reset is lost, and nothing is stuck. */
static void lost_blocks(struct kunit *test)
{
	struct host *host = test->priv;
	struct page *page;

	set_knobs(TEST_SETTLE_MS, PAGE_SIZE << pageblock_order,
		  pageblock_order);
	page = wait_for_block(test);
	page_hinting_unregister(&host->dev);
	host_reset(host, false);
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	host->nr_ring = 0;

	host->silent = false;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));

	/* It stays so when the host acknowledges it after all. */
	spin_lock(&host->lock);
	host->used[host->nr_used++] = page;
	spin_unlock(&host->lock);
	page_hinting_wake(first_zone(), PAGE_HINTING_EV_HARVEST);
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(host->nr_used)));
	fsleep(TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->in_flight_pages), 0UL);

	/* The same with a device that stays. */
	wait_for_block(test);
	page_hinting_suspend(&host->dev);
	host_reset(host, false);
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	host->nr_ring = 0;
	host->silent = false;
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
}

/* Whatever a driver gives back: what is not in flight is not touched. */
static void foreign_pages_are_not_taken(struct kunit *test)
{
	unsigned long private[] = { 0, 3, BIT(9) | 3, ULONG_MAX,
				    (unsigned long)test };
	struct host *host = test->priv;
	unsigned long hinted_pages;
	struct page *page;
	int i;

	page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	__SetPageOffline(page);
	INIT_LIST_HEAD(&page->lru);
	for (i = 0; i < ARRAY_SIZE(private); i++) {
		set_page_private(page, private[i]);
		page_hinting_abort(&host->dev, page);
		KUNIT_EXPECT_TRUE(test, PageOffline(page));
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_EQ(test, page_private(page), private[i]);
	}
	__ClearPageOffline(page);
	set_page_private(page, 0);
	__free_page(page);

	/* Nor is it taken twice. */
	page = wait_for_block(test);
	page_hinting_suspend(&host->dev);
	page_hinting_abort(&host->dev, page);
	hinted_pages = pages_of(&first_zone()->in_flight_pages);
	page_hinting_abort(&host->dev, page);
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->in_flight_pages),
			hinted_pages);
	spin_lock(&host->lock);
	for (i = 0; i < host->nr_ring; i++)
		if (host->ring[i] == page)
			host->ring[i] = host->ring[--host->nr_ring];
	spin_unlock(&host->lock);
	host_reset(host, true);
	host->silent = false;
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* A host that says that it is broken is not asked again and again. */
static void broken_host_is_left_alone(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long switches;

	wait_for_block(test);
	WRITE_ONCE(host->broken, true);
	page_hinting_notify(&host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(page_hinting_host_is_gone)));
	fsleep(TEST_SETTLE_MS * USEC_PER_MSEC);
	switches = READ_ONCE(first_zone()->task->nvcsw);
	fsleep(5 * PAGE_HINTING_SILENCE_MS / 2 * USEC_PER_MSEC);
	KUNIT_EXPECT_LE(test, READ_ONCE(first_zone()->task->nvcsw), switches + 1);
	KUNIT_EXPECT_FALSE(test, page_hinting_may_pull(first_zone()));
	WRITE_ONCE(host->broken, false);
}

/* A frozen one could not be ended when its device or its zone goes. */
static void threads_are_not_frozen(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_TRUE(test, first_zone()->task->flags & PF_NOFREEZE);
}

/* Neither a knob nor a flush nor idleness brings smaller blocks to the host. */
static void no_block_below_the_safe_order(struct kunit *test)
{
	unsigned int before = page_hinting_safe_order;
	struct host *host = test->priv;
	struct page *pages[64];
	int i;

	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	host->dev.safe_order = TEST_LOW_ORDER;
	host->least_order = MAX_PAGE_ORDER;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_EQ(test, page_hinting_safe_order,
			(unsigned int)TEST_LOW_ORDER);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = alloc_page(GFP_KERNEL);
	set_knobs(TEST_SETTLE_MS, SZ_64M, 0);
	set_idle_order(0);
	for (i = 0; i < ARRAY_SIZE(pages); i += 2)
		if (pages[i])
			__free_page(pages[i]);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), 0);
	KUNIT_EXPECT_EQ(test, host->least_order, (unsigned int)TEST_LOW_ORDER);

	/* Where no block is large enough, nothing is hinted at all. */
	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	host->dev.safe_order = MAX_PAGE_ORDER + 1;
	KUNIT_EXPECT_EQ(test, page_hinting_register(&host->dev), -EOPNOTSUPP);
	host->dev.safe_order = 0;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);

	/* And this is what it is without. */
	page_hinting_safe_order = 0;
	set_knobs(TEST_SETTLE_MS, SZ_64M, 0);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), 0);
	KUNIT_EXPECT_EQ(test, host->least_order, 0U);
	for (i = 1; i < ARRAY_SIZE(pages); i += 2)
		if (pages[i])
			__free_page(pages[i]);
	page_hinting_safe_order = before;
	set_idle_order(before);
}

/* An allocation that may not use a zone says nothing about it. */
static void back_off_is_for_the_nodes_asked(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	nodemask_t others = NODE_MASK_ALL;
	struct alloc_context ac = {
		.zonelist = node_zonelist(zone_to_nid(pz->zone), GFP_KERNEL),
		.highest_zoneidx = MAX_NR_ZONES - 1,
		.nodemask = &others,
	};

	if (!IS_ENABLED(CONFIG_NUMA))
		kunit_skip(test, "there is one node");
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	node_clear(zone_to_nid(pz->zone), others);
	__page_hinting_back_off(GFP_KERNEL, 0, &ac);
	KUNIT_EXPECT_EQ(test, page_hinting_quiet_left(pz), 0UL);
	ac.nodemask = NULL;
	__page_hinting_back_off(GFP_KERNEL, 0, &ac);
	KUNIT_EXPECT_GT(test, page_hinting_quiet_left(pz), 0UL);
}

/* That a large block is not to be had is no matter, unless one is in flight. */
static void back_off_is_for_what_is_in_flight(struct kunit *test)
{
	const unsigned int order = PAGE_ALLOC_COSTLY_ORDER + 1;
	struct page_hinting_zone *pz = first_zone();
	struct alloc_context ac = {
		.zonelist = node_zonelist(zone_to_nid(pz->zone), GFP_KERNEL),
		.highest_zoneidx = MAX_NR_ZONES - 1,
	};

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted() &&
					 !page_hinting_quiet_left(pz)));
	__page_hinting_back_off(GFP_KERNEL, order, &ac);
	KUNIT_EXPECT_EQ(test, page_hinting_quiet_left(pz), 0UL);
	wait_for_block(test);
	/* Another back-off may have ended a moment ago. */
	fsleep(PAGE_HINTING_TURN_MS * USEC_PER_MSEC);
	__page_hinting_back_off(GFP_KERNEL, order, &ac);
	KUNIT_EXPECT_GT(test, page_hinting_quiet_left(pz), 0UL);
	KUNIT_EXPECT_TRUE(test, wait_for(!page_hinting_quiet_left(pz)));
}

/* Asking for a range keeps the rest of its zone neither waiting nor unhinted. */
static void ranges_keep_no_zone_quiet(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	unsigned long pfn = pz->zone->zone_start_pfn;
	struct page *page;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page_hinting_drain_range(pfn, pfn + 1);
	KUNIT_EXPECT_EQ(test, page_hinting_quiet_left(pz), 0UL);

	page = wait_for_block(test);
	pfn = page_to_pfn(page);
	page_hinting_drain_range(pfn, pfn + 1);
	KUNIT_EXPECT_EQ(test, page_hinting_quiet_left(pz), 0UL);
}

/*
 * Whoever takes memory offline has to bring it home, as the zone's thread may be
 * late. So this host answers only this task.
 */
static void offline_brings_home(struct kunit *test)
{
	struct page *page = wait_for_block(test);
	struct memory_notify range = {
		.start_pfn = ALIGN_DOWN(page_to_pfn(page), pageblock_nr_pages),
		.nr_pages = pageblock_nr_pages,
	};
	struct host *host = test->priv;

	if (!IS_ENABLED(CONFIG_MEMORY_HOTPLUG))
		kunit_skip(test, "no memory goes offline");
	WRITE_ONCE(host->served, current);
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	memory_notify(MEM_GOING_OFFLINE, &range);
	KUNIT_EXPECT_FALSE(test, PageOffline(page));
	memory_notify(MEM_CANCEL_OFFLINE, &range);
}

/* A page fails, and the host of its block answers again. */
static void fail_and_answer(struct host *host, unsigned long pfn)
{
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	page_hinting_memory_fails(pfn);
	WRITE_ONCE(page_hinting_memory_failed, false);
}

/* A silent host is waited for when the first page fails, not for each. */
static void failing_pages_wait_once(struct kunit *test)
{
	unsigned long pfn = page_to_pfn(wait_for_block(test));
	unsigned long start = jiffies, first;

	page_hinting_memory_fails(pfn);
	first = jiffies;
	KUNIT_EXPECT_GE(test, first - start,
			msecs_to_jiffies(PAGE_HINTING_WAIT_HOME_MS));
	page_hinting_memory_fails(pfn + 1);
	KUNIT_EXPECT_LE(test, jiffies - first,
			msecs_to_jiffies(PAGE_HINTING_WAIT_HOME_MS / 2));
	fail_and_answer(test->priv, pfn);
}

/* Hinting may be off while a silent host still has blocks: a page of them fails. */
static void memory_fails_while_off(struct kunit *test)
{
	struct page *page = wait_for_block(test);

	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
	KUNIT_EXPECT_FALSE(test, page_hinting_memory_failed);
	page_hinting_memory_fails(page_to_pfn(page));
	KUNIT_EXPECT_TRUE(test, page_hinting_memory_failed);
	fail_and_answer(test->priv, page_to_pfn(page));
	KUNIT_EXPECT_FALSE(test, PageOffline(page));
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
}

/* Under steady pressure a zone is still hinted, if slowly. */
static bool hinted_in_spite_of_it(struct page_hinting_zone *pz)
{
	page_hinting_back_off_zone(pz);
	return all_hinted();
}

static void no_rhythm_starves_a_zone(struct kunit *test)
{
	LIST_HEAD(blocks);

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	KUNIT_EXPECT_GT(test, take_blocks(&blocks, SZ_8M >> PAGE_SHIFT), 0UL);
	page_hinting_back_off_zone(first_zone());
	free_blocks(&blocks);
	KUNIT_EXPECT_FALSE(test, all_hinted());
	KUNIT_EXPECT_TRUE(test, wait_for(hinted_in_spite_of_it(first_zone())));
}

/* How far free memory fell below @free_pages since the last sample. */
static long depth_of_low(struct page_hinting_zone *pz, unsigned long free_pages)
{
	struct page_hinting_sample sample;

	page_hinting_take_sample(pz, &sample);
	return min(free_pages, sample.free_pages) - sample.low_pages;
}

/* What was freed late since the last sample is known to be free since then. */
static void low_lasts_until_a_free(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct page_hinting_sample sample;
	struct page *page;
	u64 freed_ms;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	page_hinting_take_sample(pz, &sample);
	fsleep(TEST_SETTLE_MS * USEC_PER_MSEC);
	freed_ms = ktime_to_ms(ktime_get());
	__free_pages(page, MAX_PAGE_ORDER);
	page_hinting_take_sample(pz, &sample);
	KUNIT_EXPECT_GE(test, sample.low_ms + TEST_SETTLE_MS / 2, freed_ms);
	page_hinting_wake(pz, PAGE_HINTING_EV_CHANGED);
}

/* While a block is split or merges, its memory is not needed by anybody. */
static void split_and_merge_are_no_demand(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct page_hinting_sample before;
	/* The per-CPU lists have none of these: to fill them takes more. */
	const unsigned int order = MAX_PAGE_ORDER - 2;
	struct page *pages[8];
	long depth = 0;
	int i;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		page_hinting_take_sample(pz, &before);
		pages[i] = alloc_pages(GFP_KERNEL, order);
		depth = max(depth, depth_of_low(pz, before.free_pages));
	}
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		page_hinting_take_sample(pz, &before);
		if (pages[i])
			__free_pages(pages[i], order);
		depth = max(depth, depth_of_low(pz, before.free_pages));
	}
	/* Others may use some at the same time. */
	KUNIT_EXPECT_LT(test, depth, (long)MAX_ORDER_NR_PAGES / 4);
	page_hinting_wake(pz, PAGE_HINTING_EV_CHANGED);
}

static int pages_in_this_list(struct zone *zone)
{
	return data_race(this_cpu_ptr(zone->per_cpu_pageset)->count);
}

/* What is taken out of a per-CPU list and freed between two looks was needed. */
static void use_of_lists_is_demand(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct page_hinting_sample before;
	struct host *host = test->priv;
	unsigned long listed;
	LIST_HEAD(pages);
	bool other_zone;
	long depth;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	/* The zone's thread does not look meanwhile. */
	WRITE_ONCE(host->holds, true);
	page_hinting_wake(pz, PAGE_HINTING_EV_FREED);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(host->holding)));
	migrate_disable();
	take_order(&pages, 0, 4 * PAGE_HINTING_SIGNIFICANT_PAGES);
	other_zone = list_empty(&pages) ||
		     page_zone(list_first_entry(&pages, struct page, lru)) !=
		     pz->zone;
	free_order(&pages, 0);
	page_hinting_take_sample(pz, &before);
	listed = pages_in_this_list(pz->zone);
	/* The free lists alone show half as much as was in the list. */
	take_order(&pages, 0, listed + listed / 2);
	free_order(&pages, 0);
	depth = depth_of_low(pz, before.free_pages);
	migrate_enable();
	expect_counts(test);
	WRITE_ONCE(host->holds, false);
	page_hinting_wake(pz, PAGE_HINTING_EV_CHANGED);

	if (other_zone || listed < PAGE_HINTING_SIGNIFICANT_PAGES / 2)
		kunit_skip(test, "the zone's list does not hold this much");
	/* Others may use some at the same time. */
	KUNIT_EXPECT_GT(test, depth, (long)listed);
}

/* A balloon's blocks may be too large for a list: they are not counted there. */
static void host_memory_is_counted_once(struct kunit *test)
{
	struct page_hinting_zone *pz = first_zone();
	struct page_hinting_sample sample;
	unsigned long list_pages;
	struct page *page;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	migrate_disable();
	page_hinting_take_sample(pz, &sample);
	page_hinting_gone(page, MAX_ORDER_NR_PAGES);
	page_hinting_gone(page, -(long)MAX_ORDER_NR_PAGES);
	__free_pages(page, MAX_PAGE_ORDER);
	list_pages = page_hinting_read(pz, &pz->list_pages);
	migrate_enable();
	page_hinting_wake(pz, PAGE_HINTING_EV_CHANGED);
	KUNIT_EXPECT_LT(test, list_pages,
			sample.list_pages + MAX_ORDER_NR_PAGES / 2);
}

/* What is taken on behalf of the host is no demand, nor new when it comes back. */
static void host_memory_is_no_demand(struct kunit *test)
{
	const unsigned long pages = 4 * MAX_ORDER_NR_PAGES;
	struct page_hinting_zone *pz = first_zone();
	struct page_hinting_sample before, seen[3];
	struct page *page, *next;
	LIST_HEAD(blocks);
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page_hinting_take_sample(pz, &before);
	KUNIT_EXPECT_GE(test, take_blocks(&blocks, pages), pages);
	list_for_each_entry(page, &blocks, lru)
		page_hinting_gone(page, 1L << TEST_LOW_ORDER);
	page_hinting_take_sample(pz, &seen[0]);
	list_for_each_entry_safe(page, next, &blocks, lru) {
		page_hinting_gone(page, -(1L << TEST_LOW_ORDER));
		__free_pages(page, TEST_LOW_ORDER);
	}
	page_hinting_take_sample(pz, &seen[1]);
	drain_all_pages(pz->zone);
	page_hinting_take_sample(pz, &seen[2]);
	page_hinting_wake(pz, PAGE_HINTING_EV_CHANGED);

	/* Others may use some at the same time. */
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		KUNIT_EXPECT_LT_MSG(test, abs_diff(before.free_pages,
						   seen[i].free_pages),
				    pages / 4, "sample %u", i);
		/* What was told too late looked like demand to the first. */
		if (i)
			KUNIT_EXPECT_LT_MSG(test, before.free_pages -
					    min(before.free_pages,
						seen[i].low_pages),
					    pages / 4, "low of %u", i);
	}
}

static void only_one_host(struct kunit *test)
{
	struct host *host = test->priv;
	struct page_hinting_device other = { .ops = &host_ops };

	KUNIT_EXPECT_EQ(test, page_hinting_register(&other), -EINVAL);
	other.capacity = 1;
	KUNIT_EXPECT_EQ(test, page_hinting_register(&other), -EBUSY);
	page_hinting_unregister(&other);
	page_hinting_suspend(&other);
	page_hinting_resume(&other);
	KUNIT_EXPECT_EQ(test, page_hinting_get_state(), PAGE_HINTING_RUNNING);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(page_hinting_dev), &host->dev);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
}

/* Where hinting must not be, as in a confidential guest, no host is used. */
static void barred_means_no_host(struct kunit *test)
{
	struct host *host = test->priv;
	char why[40];

	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	page_hinting_barred = "a test bars it";
	KUNIT_EXPECT_FALSE(test, page_hinting_wanted());
	KUNIT_EXPECT_EQ(test, page_hinting_register(&host->dev), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, page_hinting_get_state(), PAGE_HINTING_NO_DEVICE);
	KUNIT_EXPECT_TRUE(test, page_hinting_why_not(why, sizeof(why)));
	KUNIT_EXPECT_STREQ(test, why, "a test bars it");
	page_hinting_barred = NULL;
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_FALSE(test, page_hinting_why_not(why, sizeof(why)));
}

/* A block with hinted ones before and behind it, as one whose type has changed. */
static void hinted_blocks_in_the_way(struct kunit *test)
{
	struct page_hinting_zone *pz;
	struct page *page, *more[2];
	struct list_head *list;
	bool moved = false;
	unsigned int i;

	page = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < ARRAY_SIZE(more); i++)
		more[i] = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER);
	for (i = 0; i < ARRAY_SIZE(more); i++)
		if (more[i])
			__free_pages(more[i], MAX_PAGE_ORDER);
	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	set_knobs(NEVER_MS, SZ_64M, pageblock_order);
	__free_pages(page, MAX_PAGE_ORDER);
	pz = page_zone(page)->hinting;
	KUNIT_ASSERT_NOT_NULL(test, pz);
	scoped_guard(spinlock_irqsave, &pz->zone->lock) {
		list = &pz->zone->free_area[MAX_PAGE_ORDER]
				.free_list[get_pageblock_migratetype(page)];
		if (PageBuddy(page) && !PageBuddyOffline(page) &&
		    !list_is_last(&page->buddy_list, list)) {
			list_move_tail(&page->buddy_list, list->prev);
			moved = !list_is_first(&page->buddy_list, list);
		}
	}
	if (!moved)
		kunit_skip(test, "there are too few such blocks");
	KUNIT_EXPECT_EQ(test, page_hinting_flush(false), 0);
	KUNIT_EXPECT_EQ(test, page_hinting_read(pz, &pz->unhinted_pages), 0UL);
	expect_counts(test);
}

/* What is written to "enabled" while the device sleeps counts when it wakes. */
static void disabled_while_suspended(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long seen_pages;

	KUNIT_ASSERT_TRUE(test, wait_for(all_hinted()));
	page_hinting_suspend(&host->dev);
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	mutex_unlock(&page_hinting_mutex);
	host_reset(host, true);
	seen_pages = host->seen_pages;
	page_hinting_resume(&host->dev);
	KUNIT_EXPECT_EQ(test, page_hinting_get_state(), PAGE_HINTING_DISABLED);
	KUNIT_EXPECT_FALSE(test, static_key_enabled(&page_hinting_key));
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->hinted_pages), 0UL);
	fsleep(3 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, host->seen_pages, seen_pages);

	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* Nothing but the driver's going ends it, so that nothing is in flight then. */
static void shutdown_is_for_good(struct kunit *test)
{
	struct host *host = test->priv;
	unsigned long seen_pages;

	wait_for_block(test);
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	page_hinting_shutdown();
	KUNIT_EXPECT_EQ(test, page_hinting_pages_in_flight(), 0UL);
	seen_pages = host->seen_pages;
	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(false);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
	fsleep(3 * TEST_SETTLE_MS * USEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, host->seen_pages, seen_pages);
	KUNIT_EXPECT_EQ(test, page_hinting_flush(true), -ENODEV);

	page_hinting_unregister(&host->dev);
	host_reset(host, true);
	KUNIT_EXPECT_EQ(test, page_hinting_get_state(), PAGE_HINTING_NO_DEVICE);
	KUNIT_ASSERT_EQ(test, page_hinting_register(&host->dev), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

/* Held since before all marks became void: the answer is to the old question. */
static void held_reference_outlasts_marks(struct kunit *test)
{
	struct page *page = wait_for_block(test);
	struct host *host = test->priv;

	KUNIT_ASSERT_TRUE(test, get_page_unless_zero(page));
	set_knobs(NEVER_MS, SZ_64M, pageblock_order);
	WRITE_ONCE(host->silent, false);
	host_use_all(host);
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(host->nr_used)));
	KUNIT_EXPECT_TRUE(test, in_flight(page));
	mutex_lock(&page_hinting_mutex);
	page_hinting_begin_anew();
	mutex_unlock(&page_hinting_mutex);
	/* What is not counted yet is not marked in any case. */
	KUNIT_EXPECT_TRUE(test, wait_for(page_hinting_all_counted(first_zone())));
	put_page(page);
	KUNIT_EXPECT_TRUE(test, wait_for(!page_hinting_pages_in_flight()));
	KUNIT_EXPECT_EQ(test, pages_of(&first_zone()->hinted_pages), 0UL);
	expect_counts(test);
}

/* Whoever is being killed cannot start a thread: see kthread_create_on_node(). */
static int register_while_killed(void *data)
{
	struct host *host = data;
	int err;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	err = page_hinting_register(&host->dev);
	while (!kthread_should_stop())
		fsleep(USEC_PER_MSEC);
	return err;
}

/* Zones whose thread does not start are told of in the log, and tried again. */
static void threads_that_do_not_start(struct kunit *test)
{
	struct host *host = test->priv;
	struct kmsg_dump_iter log;
	struct task_struct *task;
	char text[40];
	int i;

	kmsg_dump_rewind(&log);
	read_log(&log, "");
	/* One may be there before it looks whether it is killed. */
	for (i = 0; i < 50 && first_zone()->task; i++) {
		page_hinting_unregister(&host->dev);
		host_reset(host, true);
		task = kthread_run(register_while_killed, host, "killed");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		wait_for(page_hinting_get_state() == PAGE_HINTING_RUNNING);
		KUNIT_ASSERT_EQ(test, kthread_stop(task), 0);
	}
	KUNIT_ASSERT_PTR_EQ(test, first_zone()->task, NULL);
	if (IS_ENABLED(CONFIG_PRINTK))
		KUNIT_EXPECT_TRUE(test, read_log(&log, "its thread did not start"));
	KUNIT_EXPECT_PTR_EQ(test, first_zone()->kobj, NULL);
	snprintf(text, sizeof(text), "Node %d %s hinted:",
		 zone_to_nid(first_zone()->zone), first_zone()->zone->name);
	page_hinting_show_mem();
	KUNIT_EXPECT_FALSE(test, read_log(&log, text));

	mutex_lock(&page_hinting_mutex);
	page_hinting_enable(true);
	mutex_unlock(&page_hinting_mutex);
	KUNIT_ASSERT_NOT_NULL(test, first_zone()->task);
	KUNIT_EXPECT_TRUE(test, wait_for(all_hinted()));
	expect_counts(test);
}

static struct kunit_case block_cases[] = {
	KUNIT_CASE(check_finds_faults),
	KUNIT_CASE(check_finds_faults_in_flight),
	KUNIT_CASE(idle_memory_is_hinted),
	KUNIT_CASE(log_tells_hinted_memory),
	KUNIT_CASE(window_bounds_what_is_in_flight),
	KUNIT_CASE(held_reference),
	KUNIT_CASE(held_block_is_told),
	KUNIT_CASE(range_arms_again),
	KUNIT_CASE(in_flight_is_not_just_offline),
	KUNIT_CASE(wrong_acknowledgments),
	KUNIT_CASE(split_and_merge),
	KUNIT_CASE(early_use_is_seen),
	KUNIT_CASE(lists_are_emptied),
	KUNIT_CASE_SLOW(free_ends_what_stays),
	KUNIT_CASE_SLOW(counts_survive_a_storm),
	KUNIT_CASE(hinted_is_used_last),
	KUNIT_CASE(window_is_divided),
	KUNIT_CASE(large_ring_is_not_filled),
	KUNIT_CASE(rings_of_any_size),
	KUNIT_CASE(room_is_told),
	KUNIT_CASE(foreign_pages_are_not_taken),
	KUNIT_CASE_SLOW(broken_host_is_left_alone),
	KUNIT_CASE(threads_are_not_frozen),
	KUNIT_CASE(no_block_below_the_safe_order),
	KUNIT_CASE(back_off_is_for_the_nodes_asked),
	KUNIT_CASE(back_off_is_for_what_is_in_flight),
	KUNIT_CASE(ranges_keep_no_zone_quiet),
	KUNIT_CASE(offline_brings_home),
	KUNIT_CASE(failing_pages_wait_once),
	KUNIT_CASE(memory_fails_while_off),
	KUNIT_CASE_SLOW(no_rhythm_starves_a_zone),
	KUNIT_CASE(low_lasts_until_a_free),
	KUNIT_CASE(split_and_merge_are_no_demand),
	KUNIT_CASE(use_of_lists_is_demand),
	KUNIT_CASE(host_memory_is_no_demand),
	KUNIT_CASE(host_memory_is_counted_once),
	KUNIT_CASE(enabled_before_the_reset),
	KUNIT_CASE(disabled_means_no_marks),
	KUNIT_CASE(suspend_voids_marks),
	KUNIT_CASE_SLOW(restore_voids_marks),
	KUNIT_CASE(restore_without_a_host),
	KUNIT_CASE(flush_hints_what_is_kept),
	KUNIT_CASE(flush_waits_for_a_slow_host),
	KUNIT_CASE(flush_starts_threads_that_lack),
	KUNIT_CASE(flush_says_why_not),
	KUNIT_CASE(flush_outlasts_what_is_in_its_way),
	KUNIT_CASE(killed_flush_stops),
	KUNIT_CASE_SLOW(flush_is_cancelled),
	KUNIT_CASE(flush_of_a_broken_host),
	KUNIT_CASE(flush_ends_beside_a_user),
	KUNIT_CASE(flush_ends_before_a_suspend),
	KUNIT_CASE(asked_flush_is_a_flush),
	KUNIT_CASE(asked_flush_waits_for_another),
	KUNIT_CASE(flush_is_told_by_others),
	KUNIT_CASE(isolation_is_no_use),
	KUNIT_CASE_SLOW(lower_orders),
	KUNIT_CASE(small_window_splits),
	KUNIT_CASE_SLOW(silent_host),
	KUNIT_CASE_SLOW(lost_blocks),
	KUNIT_CASE(only_one_host),
	KUNIT_CASE(barred_means_no_host),
	KUNIT_CASE(hinted_blocks_in_the_way),
	KUNIT_CASE(disabled_while_suspended),
	KUNIT_CASE(shutdown_is_for_good),
	KUNIT_CASE(held_reference_outlasts_marks),
	KUNIT_CASE(threads_that_do_not_start),
	{}
};

static struct kunit_suite block_suite = {
	.name = "page_hinting_block",
	.init = host_init,
	.exit = host_exit,
	.test_cases = block_cases,
};

kunit_test_suite(block_suite);
