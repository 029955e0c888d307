// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * To keep free memory costs the time that it is kept, as the host could use it.
 * To hint it costs a refault if it is needed again. What a refault is worth, in
 * time of keeping the memory, is the one thing that has to be told: the price.
 * In blocks of the usual order nothing is kept for longer than that. So where
 * an idle time is longer than the price, it costs at most twice what it would
 * cost to know the future. Where it is shorter, there may be refaults until it
 * is learnt. Most memory is hinted much earlier:
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
 * Each level counts the idle times after which its memory was needed again.
 * What is longer ago than twice the price counts half, and so on. This tells what
 * each waiting time would have cost lately:
 *
 *	needed again before it was over: the idle time
 *	needed again later: the waiting time and the price
 *	not needed again, of which a little is always assumed: the waiting time
 *
 * The level waits for the time that would have cost least. What nobody has used
 * lately waits for the shortest one, 1/64 of the price.
 *
 * Smaller blocks than the usual ones cost the host and the guest more per byte.
 * For each two orders, begun or whole, that a block is smaller, its price is
 * twice as high, and so is the time that it waits.
 */
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "policy.h"

/* Depths below this are the first level. */
#define FIRST_LEVEL_PAGES	((unsigned long)SZ_4M >> PAGE_SHIFT)
/* A use of all of a level counts so much in &page_hinting_level.lengths. */
#define PASS			1024U
/* As if so much of what is used of a level had not been needed again. */
#define PRIOR			(PASS / 4)
/* All of a level, in &page_hinting_level.used. */
#define WHOLE			256U
/* What was seen counts half after so many times the price. */
#define HALF_LIFE_PRICES	2
/* The peak is the most that was free in this time, or twice as long. */
#define PEAK_MS			500
/* Smaller blocks have prices of up to 2^(PRICES - 1) times the usual one. */
#define PRICES			((MAX_PAGE_ORDER + 1) / 2 + 1)

/* The waiting times: the price is the last, each other one 2^0.5 shorter. */
static unsigned int wait_ms(const struct page_hinting_policy *policy,
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
	if (depth_pages < FIRST_LEVEL_PAGES)
		return 0;
	return min(ilog2(depth_pages / FIRST_LEVEL_PAGES) + 1,
		   PAGE_HINTING_LEVELS - 1);
}

static unsigned long level_start(unsigned int nr)
{
	return nr ? FIRST_LEVEL_PAGES << (nr - 1) : 0;
}

/* The last level has no end: what is beyond counts as its end. */
static unsigned long level_pages(unsigned int nr)
{
	return FIRST_LEVEL_PAGES << (nr ? nr - 1 : 0);
}

static unsigned int used(const struct page_hinting_level *level)
{
	return max(level->used[0], level->used[1]);
}

/* Find the waiting time that would have cost least. */
static void find_settle(const struct page_hinting_policy *policy,
			struct page_hinting_level *level)
{
	u64 price_ms = policy->refault_cost_ms, best = U64_MAX;
	u64 sooner = 0, later = 0, never = PRIOR * used(level) / WHOLE;
	unsigned int i;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
		later += level->lengths[i];
	for (i = 0; i < PAGE_HINTING_LENGTHS; i++) {
		u64 ms = wait_ms(policy, i), cost;

		/* The idle times counted here are a bit shorter than this one. */
		sooner += level->lengths[i] * (ms - ms / 4);
		later -= level->lengths[i];
		cost = sooner + later * (ms + price_ms) + never * ms;
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
		u32 half_life = div64_u64(ms, half_life_ms);
		u32 times = half_life - level->half_life;

		if (!times)
			continue;
		level->half_life = half_life;
		halve(level, times);
		level->used[1] = times == 1 ? level->used[0] : 0;
		level->used[0] = 0;
		find_settle(policy, level);
	}
}

/* A part of one level was needed again. */
static void learn_level(struct page_hinting_policy *policy, unsigned int nr,
			unsigned long end_pages, unsigned long pages,
			unsigned int length)
{
	struct page_hinting_level *level = &policy->levels[nr];
	unsigned int more;

	end_pages = min(end_pages, level_pages(nr));
	more = (u64)min(pages, end_pages) * PASS >> ilog2(level_pages(nr));
	if (level->lengths[length] + more > U16_MAX)
		halve(level, 1);
	level->lengths[length] += more;
	level->used[0] = max_t(u16, level->used[0],
			       DIV_ROUND_UP(end_pages * WHOLE, level_pages(nr)));
	find_settle(policy, level);
}

/* Memory below @depth_pages was needed again, after so long. */
static void learn(struct page_hinting_policy *policy, unsigned long depth_pages,
		  unsigned long pages, u64 idle_ms)
{
	unsigned int length = 0;

	/* What is seen of the next pause, of the same length, may be longer. */
	idle_ms += idle_ms / 8;
	while (length < PAGE_HINTING_LENGTHS - 1 &&
	       wait_ms(policy, length) < idle_ms)
		length++;
	while (pages) {
		unsigned int nr = level_of(depth_pages);
		unsigned long in_pages = depth_pages - level_start(nr);
		unsigned long part = pages;

		if (nr < PAGE_HINTING_LEVELS - 1)
			part = min(part, level_pages(nr) - in_pages);
		learn_level(policy, nr, in_pages + part, part, length);
		depth_pages += part;
		pages -= part;
	}
}

/* How far free memory is below its recent peak. */
static unsigned long depth(const struct page_hinting_policy *policy)
{
	return max3(policy->peak_pages[0], policy->peak_pages[1],
		    policy->free_pages) - policy->free_pages;
}

static void move_peak(struct page_hinting_policy *policy, u64 now_ms)
{
	u64 ms = now_ms - policy->peak_ms;

	if (ms >= PEAK_MS) {
		policy->peak_pages[1] = ms < 2 * PEAK_MS ?
					policy->peak_pages[0] : 0;
		policy->peak_pages[0] = 0;
		policy->peak_ms = now_ms;
	}
	policy->peak_pages[0] = max(policy->peak_pages[0], policy->free_pages);
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

/* Two layers become one, as old as the older: those that differ least in age. */
static void merge_layers(struct page_hinting_policy *policy, u64 now_ms)
{
	struct page_hinting_layer *layer = policy->layers, *best = layer;
	u64 least = U64_MAX;
	unsigned int i;

	for (i = 1; i < policy->nr_layers; i++, layer++) {
		u64 gap_ms = layer[1].since_ms - layer->since_ms;
		u64 error = div64_u64(gap_ms * WHOLE,
				      now_ms - layer->since_ms + 1);

		if (error < least) {
			least = error;
			best = layer;
		}
	}
	best->pages += best[1].pages;
	policy->nr_layers--;
	memmove(best + 1, best + 2, (policy->layers + policy->nr_layers -
				     best - 1) * sizeof(*best));
}

/* Memory became free. */
static void push(struct page_hinting_policy *policy, unsigned long pages,
		 u64 since_ms, u64 now_ms)
{
	struct page_hinting_layer *layers = policy->layers;

	policy->free_pages += pages;
	if (policy->nr_layers == PAGE_HINTING_LAYERS)
		merge_layers(policy, now_ms);
	layers[policy->nr_layers].since_ms = since_ms;
	layers[policy->nr_layers++].pages = pages;
}

/* How much of the free memory may not be hinted yet, and for how long. */
struct idle {
	/* By price: in blocks of the usual price, of twice that, and so on. */
	unsigned long kept_pages[PRICES];
	/* Until less is kept at the usual price, or at any. */
	u64 next_ms;
	u64 next_small_ms;
};

/* A part of a layer that waits for @settle_ms at the usual price. */
static void weigh_part(struct idle *idle, unsigned long pages, u64 age_ms,
		       u64 settle_ms)
{
	unsigned int i = 0;

	while (i < PRICES && age_ms >= settle_ms << i)
		i++;
	if (i == PRICES)
		return;
	if (!i)
		idle->next_ms = min(idle->next_ms, settle_ms - age_ms);
	idle->next_small_ms = min(idle->next_small_ms,
				  (settle_ms << i) - age_ms);
	for (; i < PRICES; i++)
		idle->kept_pages[i] += pages;
}

static void weigh(const struct page_hinting_policy *policy, u64 now_ms,
		  struct idle *idle)
{
	unsigned long depth_pages = depth(policy);
	int i;

	for (i = policy->nr_layers - 1; i >= 0; i--) {
		const struct page_hinting_layer *layer = &policy->layers[i];
		unsigned long pages = layer->pages, part;

		for (; pages; pages -= part, depth_pages += part) {
			unsigned int nr = level_of(depth_pages);
			const struct page_hinting_level *level;
			unsigned long in_pages, used_pages;
			u64 settle_ms = wait_ms(policy, 0);

			level = &policy->levels[nr];
			used_pages = used(level) * level_pages(nr) / WHOLE;
			in_pages = depth_pages - level_start(nr);
			part = pages;
			if (in_pages < used_pages) {
				part = min(part, used_pages - in_pages);
				settle_ms = level->settle_ms;
			} else if (nr < PAGE_HINTING_LEVELS - 1) {
				part = min(part, level_pages(nr) - in_pages);
			}
			weigh_part(idle, part, now_ms - layer->since_ms,
				   settle_ms);
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
	unsigned long small_pages = 0, most_pages = PAGE_HINTING_REST_PAGES - 1;
	unsigned int order = policy->usual_order;

	advice->small_order = order;
	advice->wake_pages = ULONG_MAX;
	if (order == policy->lowest_order)
		return;
	while (order-- > policy->lowest_order) {
		unsigned int price = (policy->usual_order - order + 1) / 2;
		unsigned long kept_pages = idle->kept_pages[price];
		unsigned long pages, slice_pages;

		small_pages += sample->small_pages[order];
		kept_pages -= min(kept_pages, left_pages);
		pages = small_pages - min(small_pages, kept_pages);
		if (pages > most_pages) {
			most_pages = pages;
			advice->small_order = order;
			slice_pages = max(PAGE_HINTING_SLICE_PAGES, 1UL << order);
			advice->small_pages = min(pages, slice_pages);
		}
	}
	advice->wake_pages = small_pages + PAGE_HINTING_SIGNIFICANT_PAGES;
	if (small_pages >= PAGE_HINTING_SIGNIFICANT_PAGES &&
	    idle->next_small_ms != U64_MAX)
		advice->look_in_ms = min_t(u64, idle->next_small_ms, INT_MAX);
	if (advice->small_pages)
		advice->look_in_ms = 1;
}

/* When to look again, and whether to empty the per-CPU lists now. */
static void advise_looks(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample,
			 const struct idle *idle,
			 struct page_hinting_advice *advice)
{
	if (sample->unhinted_pages > advice->hint_pages) {
		/* Often enough to see what is freed beside it. */
		u64 most_ms = min(idle->next_ms, wait_ms(policy, 0));

		advice->look_in_ms = min_not_zero(advice->look_in_ms,
						  (unsigned int)most_ms);
	} else if (!idle->kept_pages[0] &&
		   policy->freed_pages >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		/* What they held is seen at once. */
		advice->drain_lists = true;
		advice->look_in_ms = 1;
		policy->freed_pages = 0;
	}
}

/* Memory went that nobody needed. Which it was is not known: the oldest. */
static void drop(struct page_hinting_policy *policy, unsigned long pages)
{
	struct page_hinting_layer *layers = policy->layers;

	pages = min(pages, policy->free_pages);
	policy->free_pages -= pages;
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

/* Since when what came since the last sample is free. */
static u64 came_ms(const struct page_hinting_policy *policy,
		   const struct page_hinting_sample *sample)
{
	/* The per-CPU lists hold a part of what was freed last. */
	if (sample->emptied && policy->nr_layers)
		return policy->layers[policy->nr_layers - 1].since_ms;
	if (sample->freed || sample->now_ms == policy->start_ms)
		return sample->now_ms;
	return min(sample->low_ms, sample->now_ms);
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
	if (came_pages)
		push(policy, came_pages, came_ms(policy, sample),
		     sample->now_ms);
	drop(policy, sample->gone_pages);
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
	unsigned int i, most_ms = wait_ms(policy, 0);

	for (i = 0; i < PAGE_HINTING_LEVELS; i++)
		if (used(&policy->levels[i]))
			most_ms = max(most_ms, policy->levels[i].settle_ms);
	return most_ms;
}
