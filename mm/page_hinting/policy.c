// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * To keep free memory costs the time that it is kept, as the host could use it.
 * To hint it costs a refault if it is needed again. What a refault is worth, in
 * time of keeping the memory, is the one thing that has to be told: the price.
 *
 * Free memory is a stack. Allocations take what is not hinted first, and of that
 * what was freed last. So a level of the stack, by its depth below the recent
 * peak, has a history: a program that allocates and frees 512 MB in a loop uses
 * the first 512 MB below the peak each time, whichever blocks these are.
 *
 *	free ^    peak
 *	     |  ____      ____      ______ _ _
 *	     | |    |    |    |    |         level 1: needed again and again
 *	     | |    |____|    |____|
 *	     |_|                             level 2: not used
 *	     +-----------------------------> time
 *
 * Each level counts the idle times after which its memory was needed again. This
 * tells what each waiting time would have cost lately, and the level waits for
 * the one that would have cost least, but never longer than the price. What
 * nobody has used lately waits for the shortest time, 1/64 of the price.
 *
 * Blocks smaller than the usual ones cost more per byte. For each two orders,
 * begun or whole, that a block is smaller, the shortest time is twice as long.
 *
 * Documentation/mm/page_hinting.rst has the reasons and what was measured.
 */
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "policy.h"

/* The first level ends at this depth. */
#define FIRST_PAGES		((unsigned long)SZ_4M >> PAGE_SHIFT)
/* A use of all of a level counts so much in &page_hinting_level.lengths. */
#define PASS			1024U
/* As if so much of what is used of a level had not been needed again. */
#define PRIOR			(PASS / 4)
/* What was seen counts half after so many times the price. */
#define HALF_LIFE_PRICES	2
/* The peak is the most that was free lately: since this time. */
#define PEAK_MS			1000
/* Smaller blocks wait for up to 2^(PRICES - 1) times the shortest time. */
#define PRICES			((MAX_PAGE_ORDER + 1) / 2 + 1)

/**
 * page_hinting_policy_wait_ms - the waiting times: each 2^0.5 times the one before
 * @policy: the policy
 * @length: which one; the last is the price
 *
 * Return: in milliseconds.
 */
unsigned int
page_hinting_policy_wait_ms(const struct page_hinting_policy *policy,
			    unsigned int length)
{
	unsigned int down = PAGE_HINTING_LENGTHS - 1 - length;
	u64 ms = policy->refault_cost_ms;

	if (down % 2)
		ms = ms * 181 >> 8;
	return max_t(u64, ms >> down / 2, 1);
}

static unsigned int level_of(unsigned long depth_pages)
{
	if (depth_pages < FIRST_PAGES)
		return 0;
	return min(ilog2(depth_pages / FIRST_PAGES) + 1,
		   PAGE_HINTING_LEVELS - 1);
}

static unsigned long level_start(unsigned int nr)
{
	return nr ? FIRST_PAGES << (nr - 1) : 0;
}

/* Each level is as large as all above it. The last one has no end. */
static unsigned long level_end(unsigned int nr)
{
	return nr < PAGE_HINTING_LEVELS - 1 ? FIRST_PAGES << nr : ULONG_MAX;
}

/* A part of a level, in parts of PASS; of the last one, not more than it all. */
static unsigned int share(unsigned int nr, unsigned long pages)
{
	unsigned int shift = ilog2(FIRST_PAGES) + nr - !!nr;

	return min((u64)pages * PASS >> shift, PASS);
}

static unsigned long used_to(const struct page_hinting_level *level)
{
	return max(level->used_to_pages[0], level->used_to_pages[1]);
}

/*
 * Find the waiting time that would have cost least. Memory that was needed again
 * before it was over costs its idle time; later, the waiting time and the price;
 * and what was not needed again, of which a little is always assumed, the waiting
 * time.
 */
static void find_settle(struct page_hinting_policy *policy, unsigned int nr)
{
	struct page_hinting_level *level = &policy->levels[nr];
	unsigned long used_pages = max(used_to(level), level_start(nr)) -
				   level_start(nr);
	u64 never = PRIOR * share(nr, used_pages) / PASS;
	u64 sooner = 0, later = 0, best = U64_MAX;
	unsigned int i;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
		later += level->lengths[i];
	for (i = 0; i < PAGE_HINTING_LENGTHS; i++) {
		u64 ms = page_hinting_policy_wait_ms(policy, i), cost;

		/* The idle times counted here are a bit shorter than this one. */
		sooner += level->lengths[i] * (ms - ms / 4);
		later -= level->lengths[i];
		cost = sooner + later * (ms + policy->refault_cost_ms) +
		       never * ms;
		if (cost < best) {
			best = cost;
			level->settle_ms = ms;
		}
	}
}

static void halve(struct page_hinting_level *level, unsigned int times)
{
	unsigned int i;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
		level->lengths[i] >>= min(times, 16U);
}

/* Count the past half. Not of all levels at the same look: that is much work. */
static void fade(struct page_hinting_policy *policy, u64 now_ms)
{
	u64 half_life_ms = (u64)policy->refault_cost_ms * HALF_LIFE_PRICES;
	unsigned int i;

	for (i = 0; i < PAGE_HINTING_LEVELS; i++) {
		struct page_hinting_level *level = &policy->levels[i];
		u64 ms = now_ms + div_u64(i * half_life_ms, PAGE_HINTING_LEVELS);
		u32 times = (u32)div64_u64(ms, half_life_ms) - level->half_life;

		if (!times)
			continue;
		level->half_life += times;
		halve(level, times);
		level->used_to_pages[1] = times == 1 ? level->used_to_pages[0] : 0;
		level->used_to_pages[0] = 0;
		find_settle(policy, i);
	}
}

/* Memory below @depth_pages was needed again, after so long. */
static void learn(struct page_hinting_policy *policy, unsigned long depth_pages,
		  unsigned long pages, u64 idle_ms)
{
	unsigned int length = 0;

	/* What is seen of the next pause, of the same length, may be longer. */
	idle_ms += idle_ms / 8;
	while (length < PAGE_HINTING_LENGTHS - 1 &&
	       page_hinting_policy_wait_ms(policy, length) < idle_ms)
		length++;
	while (pages) {
		unsigned int nr = level_of(depth_pages), more;
		struct page_hinting_level *level = &policy->levels[nr];
		unsigned long part = min(pages, level_end(nr) - depth_pages);

		depth_pages += part;
		pages -= part;
		more = share(nr, part);
		if (level->lengths[length] + more > U16_MAX)
			halve(level, 1);
		level->lengths[length] += more;
		level->used_to_pages[0] = clamp(depth_pages,
						level->used_to_pages[0],
						U32_MAX);
		find_settle(policy, nr);
	}
}

/* How far free memory is below its recent peak. */
static unsigned long depth(const struct page_hinting_policy *policy)
{
	return max(policy->peak_pages, policy->free_pages) -
	       policy->free_pages;
}

static void move_peak(struct page_hinting_policy *policy, u64 now_ms)
{
	if (policy->free_pages < policy->peak_pages &&
	    now_ms - policy->peak_ms < PEAK_MS)
		return;
	policy->peak_pages = policy->free_pages;
	policy->peak_ms = now_ms;
}

/* Memory was needed. Returns how much of it was free for less than the price. */
static unsigned long pop(struct page_hinting_policy *policy, unsigned long pages,
			 u64 at_ms)
{
	unsigned long depth_pages = depth(policy), early_pages = 0;

	policy->free_pages -= pages;
	while (pages && policy->nr_layers) {
		struct page_hinting_layer *layer;
		unsigned long part;
		u64 idle_ms;

		layer = &policy->layers[policy->nr_layers - 1];
		idle_ms = at_ms - min(at_ms, layer->since_ms);
		part = min(pages, layer->pages);
		if (idle_ms < policy->refault_cost_ms &&
		    layer->since_ms != policy->start_ms) {
			learn(policy, depth_pages, part, idle_ms);
			early_pages += part;
		}
		depth_pages += part;
		pages -= part;
		layer->pages -= part;
		if (!layer->pages)
			policy->nr_layers--;
	}
	return early_pages;
}

/* Two layers become one, as old as the older: the first of nearly the same age. */
static void merge_layers(struct page_hinting_policy *policy, u64 now_ms)
{
	struct page_hinting_layer *layer = policy->layers;
	unsigned int left = policy->nr_layers - 2;

	while (left && layer[1].since_ms - layer->since_ms >
		       (now_ms - layer->since_ms) / 4) {
		layer++;
		left--;
	}
	layer->pages += layer[1].pages;
	memmove(layer + 1, layer + 2, left * sizeof(*layer));
	policy->nr_layers--;
}

/* Put a layer under all others, or on top of them. */
static void insert_layer(struct page_hinting_policy *policy, bool on_top,
			 u64 since_ms, unsigned long pages, u64 now_ms)
{
	struct page_hinting_layer *layers = policy->layers;
	unsigned int nr;

	if (policy->nr_layers == PAGE_HINTING_LAYERS)
		merge_layers(policy, now_ms);
	nr = on_top ? policy->nr_layers : 0;
	memmove(layers + nr + 1, layers + nr,
		(policy->nr_layers - nr) * sizeof(*layers));
	policy->nr_layers++;
	layers[nr].since_ms = since_ms;
	layers[nr].pages = pages;
	policy->free_pages += pages;
}

/*
 * Memory went that nobody needed. Which it was is not known: the oldest. The peak
 * goes with it, so that the depths stay.
 */
static void drop_oldest(struct page_hinting_policy *policy, unsigned long pages)
{
	struct page_hinting_layer *layers = policy->layers;

	pages = min(pages, policy->free_pages);
	policy->free_pages -= pages;
	policy->peak_pages -= min(pages, policy->peak_pages);
	while (pages) {
		unsigned long part = min(pages, layers->pages);

		layers->pages -= part;
		pages -= part;
		if (layers->pages)
			break;
		policy->nr_layers--;
		memmove(layers, layers + 1,
			policy->nr_layers * sizeof(*layers));
	}
}

/* Memory came, of which some went before and was not used meanwhile. */
static void push(struct page_hinting_policy *policy,
		 const struct page_hinting_sample *sample, unsigned long pages)
{
	u64 since_ms = clamp(sample->low_ms, policy->start_ms, sample->now_ms);
	unsigned long back_pages;

	policy->back_pages += sample->back_pages;
	back_pages = min(pages, policy->back_pages);
	policy->back_pages -= back_pages;
	/* The per-CPU lists hold a part of what was freed last. */
	if (sample->emptied && policy->nr_layers)
		since_ms = policy->layers[policy->nr_layers - 1].since_ms;
	else if (sample->freed)
		since_ms = sample->now_ms;
	if (pages > back_pages)
		insert_layer(policy, true, since_ms, pages - back_pages,
			     sample->now_ms);
	/* Like what is free from the start, nobody knows for how long. */
	if (back_pages)
		insert_layer(policy, false, policy->start_ms, back_pages,
			     sample->now_ms);
}

/* How much of the free memory may not be hinted yet, and for how long. */
struct idle {
	/* By price: in blocks of the usual price, of twice that, and so on. */
	unsigned long kept_pages[PRICES];
	/* Until less is kept at the usual price, or at any. */
	u64 next_ms;
	u64 next_small_ms;
};

/* A part of a layer that waits for @settle_ms, or more at a higher price. */
static void weigh_part(struct idle *idle, unsigned long pages, u64 age_ms,
		       u64 settle_ms, u64 shortest_ms)
{
	u64 left_ms = U64_MAX;
	unsigned int i;

	for (i = PRICES; i--;) {
		u64 wait_ms = max(settle_ms, shortest_ms << i);

		if (age_ms >= wait_ms)
			break;
		idle->kept_pages[i] += pages;
		left_ms = wait_ms - age_ms;
	}
	idle->next_small_ms = min(idle->next_small_ms, left_ms);
	if (age_ms < settle_ms)
		idle->next_ms = min(idle->next_ms, left_ms);
}

static void weigh(const struct page_hinting_policy *policy, u64 now_ms,
		  struct idle *idle)
{
	u64 shortest_ms = page_hinting_policy_wait_ms(policy, 0);
	unsigned long depth_pages = depth(policy);
	int i;

	for (i = policy->nr_layers - 1; i >= 0; i--) {
		const struct page_hinting_layer *layer = &policy->layers[i];
		unsigned long pages = layer->pages, part;

		for (; pages; pages -= part, depth_pages += part) {
			unsigned int nr = level_of(depth_pages);
			const struct page_hinting_level *level;
			bool used;

			level = &policy->levels[nr];
			used = depth_pages < used_to(level);
			part = used ? used_to(level) : level_end(nr);
			part = min(pages, part - depth_pages);
			weigh_part(idle, part, now_ms - layer->since_ms,
				   used ? level->settle_ms : shortest_ms,
				   shortest_ms);
		}
	}
}

/*
 * Hint smaller blocks, down to the order for which the price of that order allows
 * most. What has to be kept at that price may also be kept in usual blocks.
 */
static void advise_small(const struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample,
			 const struct idle *idle,
			 struct page_hinting_advice *advice)
{
	unsigned long left_pages = sample->unhinted_pages - advice->hint_pages;
	unsigned long small_pages = 0, slice_pages;
	unsigned int order = policy->usual_order;

	advice->small_order = order;
	advice->wake_pages = ULONG_MAX;
	while (order-- > policy->lowest_order) {
		unsigned int price = (policy->usual_order - order + 1) / 2;
		unsigned long kept_pages = idle->kept_pages[price], pages;

		small_pages += sample->small_pages[order];
		kept_pages -= min(kept_pages, left_pages);
		pages = small_pages - min(small_pages, kept_pages);
		if (pages >= PAGE_HINTING_REST_PAGES &&
		    pages > advice->small_pages) {
			advice->small_pages = pages;
			advice->small_order = order;
		}
		advice->wake_pages = small_pages +
				     PAGE_HINTING_SIGNIFICANT_PAGES;
	}
	slice_pages = max(PAGE_HINTING_SLICE_PAGES, 1UL << advice->small_order);
	advice->small_pages = min(advice->small_pages, slice_pages);
	if (advice->small_pages)
		advice->look_in_ms = 1;
	else if (small_pages >= PAGE_HINTING_SIGNIFICANT_PAGES &&
		 idle->next_small_ms != U64_MAX)
		advice->look_in_ms = min_t(u64, idle->next_small_ms, INT_MAX);
}

/* When to look again, and whether to empty the per-CPU lists now. */
static void advise_looks(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample,
			 const struct idle *idle,
			 struct page_hinting_advice *advice)
{
	if (sample->unhinted_pages > advice->hint_pages) {
		/* Often enough to see what is freed beside it. */
		u64 most_ms = min(idle->next_ms,
				  page_hinting_policy_wait_ms(policy, 0));

		advice->look_in_ms = min_not_zero(advice->look_in_ms,
						  (unsigned int)most_ms);
	} else if (idle->kept_pages[0] < PAGE_HINTING_SIGNIFICANT_PAGES &&
		   policy->freed_pages >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		/* What they held is seen at once. */
		advice->drain_lists = true;
		advice->look_in_ms = 1;
		policy->freed_pages = 0;
	}
}

/**
 * page_hinting_policy_init - forget all that was seen
 * @policy: the policy
 * @refault_cost_ms: what a refault is worth: so long memory may be kept to avoid
 *	one; not 0
 * @usual_order: blocks of this order and above are hinted at this price
 * @lowest_order: smaller ones at a higher one, down to this order, which is not
 *	above @usual_order
 *
 * What is free at the first sample counts from there on.
 */
void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int refault_cost_ms,
			      unsigned int usual_order,
			      unsigned int lowest_order)
{
	memset(policy, 0, sizeof(*policy));
	policy->refault_cost_ms = refault_cost_ms;
	policy->usual_order = usual_order;
	policy->lowest_order = lowest_order;
}

/**
 * page_hinting_policy_step - what to do after a look at a zone
 * @policy: the policy
 * @sample: what was seen
 *
 * Return: how much to hint now, and when to look again.
 */
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample)
{
	struct idle idle = { .next_ms = U64_MAX, .next_small_ms = U64_MAX };
	struct page_hinting_advice advice = { };
	unsigned long low_pages = min3(sample->low_pages, sample->free_pages,
				       policy->free_pages);
	unsigned long went_pages = policy->free_pages - low_pages;
	unsigned long came_pages = sample->free_pages - low_pages;

	if (!policy->start_ms)
		policy->start_ms = sample->now_ms;
	fade(policy, sample->now_ms);
	if (went_pages)
		advice.early_pages = pop(policy, went_pages, sample->went_ms);
	/* What is hinted is taken last, and was free for longest. */
	advice.refaulted_pages = min(advice.early_pages, sample->taken_pages -
				     min(sample->taken_pages,
					 went_pages - advice.early_pages));
	push(policy, sample, came_pages);
	drop_oldest(policy, sample->gone_pages);
	move_peak(policy, sample->now_ms);
	/*
	 * Who takes memory uses what is in the per-CPU lists. And to empty them
	 * is no reason to empty them again.
	 */
	if (went_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
		policy->freed_pages = 0;
	if (!sample->emptied)
		policy->freed_pages += came_pages;

	weigh(policy, sample->now_ms, &idle);
	advice.hint_pages = sample->unhinted_pages -
			    min(sample->unhinted_pages, idle.kept_pages[0]);
	advise_small(policy, sample, &idle, &advice);
	advise_looks(policy, sample, &idle, &advice);
	return advice;
}

/**
 * page_hinting_policy_settle_ms - how long free memory is kept at most
 * @policy: the policy
 *
 * Return: the longest waiting time of all levels that were used lately, in
 *	milliseconds.
 */
unsigned int
page_hinting_policy_settle_ms(const struct page_hinting_policy *policy)
{
	unsigned int i, most_ms = page_hinting_policy_wait_ms(policy, 0);

	for (i = 0; i < PAGE_HINTING_LEVELS; i++)
		if (used_to(&policy->levels[i]))
			most_ms = max(most_ms, policy->levels[i].settle_ms);
	return most_ms;
}
