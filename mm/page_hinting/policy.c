// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * To keep free memory costs time in which the host could use it. To hint it
 * costs a refault if it is needed again. How much time that is worth has to be
 * told: the price. Nothing is kept for longer.
 *
 * Free memory is a stack: what was freed last is used first. A program that
 * frees and allocates 512 MB in a loop uses the first 512 MB below the recent
 * peak each time, whichever blocks these are. So the stack has levels, by that
 * depth. Each counts after which idle times its memory was needed again, and
 * waits for the time that would have cost least. What is deeper than all that
 * was used lately waits for the shortest time, 1/64 of the price; this is more
 * for small blocks. See Documentation/mm/page_hinting.rst.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "policy.h"

/* What was seen counts half after so many times the price. */
#define HALF_LIFE_PRICES	2
/* A peak counts for so long after free memory was last there. */
#define PEAK_MS			1500
/* The shortest wait doubles for each two orders below the usual one. */
#define PRICES			((MAX_PAGE_ORDER + 1) / 2 + 1)

/**
 * page_hinting_policy_wait_ms - the waiting times that there are
 * @policy: the policy
 * @nr: which: 0 is all of the price, then 3/4, 1/2, 3/8, 1/4, ..., and 1/64 of
 *	it the last, below %PAGE_HINTING_LENGTHS
 *
 * Return: in milliseconds.
 */
unsigned int
page_hinting_policy_wait_ms(const struct page_hinting_policy *policy,
			    unsigned int nr)
{
	u64 ms = (u64)policy->refault_cost_ms * (4 - nr % 2) / 4;

	return max_t(u64, ms >> nr / 2, 1);
}

static unsigned int shortest_ms(const struct page_hinting_policy *policy)
{
	return page_hinting_policy_wait_ms(policy, PAGE_HINTING_LENGTHS - 1);
}

/* The last that learns has no end but the use; what is deeper is another level. */
static unsigned long level_start(const struct page_hinting_policy *policy,
				 unsigned int nr)
{
	unsigned long used_end = max(policy->used_end[0], policy->used_end[1]);

	if (nr > PAGE_HINTING_LEVELS)
		return ULONG_MAX;
	if (nr == PAGE_HINTING_LEVELS)
		return used_end;
	return min((PAGE_HINTING_FIRST_PAGES << nr) - PAGE_HINTING_FIRST_PAGES,
		   used_end);
}

/* Find the waiting time that would have cost least. */
static void find_settle(struct page_hinting_policy *policy, unsigned int nr)
{
	struct page_hinting_level *level = &policy->levels[nr];
	unsigned long used_pages = level_start(policy, nr + 1) -
				   level_start(policy, nr);
	/* As if a quarter of what is used had not been needed again. */
	s64 later = used_pages >> nr >> 2, cost = 0, least = 0;
	s64 price_ms = policy->refault_cost_ms, ms = price_ms, less_ms;
	unsigned int i;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++) {
		if (cost <= least) {
			least = cost;
			level->settle_ms = ms;
		}
		/* What it costs more to wait for the next shorter time. */
		less_ms = page_hinting_policy_wait_ms(policy, i + 1);
		cost -= later * (ms - less_ms);
		/* These idle times were a bit shorter than the longer one. */
		cost += level->lengths[i] * (less_ms + price_ms - ms * 3 / 4);
		later += level->lengths[i];
		ms = less_ms;
	}
}

/* Count the past half, of one level after the other: to learn again costs. */
static void fade(struct page_hinting_policy *policy, u64 now_ms)
{
	/* Halved 16 times, nothing is left. */
	unsigned int i, nr, most = 16 * PAGE_HINTING_LEVELS;

	for (; most && policy->fade_ms <= now_ms; most--) {
		nr = (policy->fade_nr ?: PAGE_HINTING_LEVELS) - 1;
		policy->fade_nr = nr;
		policy->fade_ms += policy->refault_cost_ms /
				   PAGE_HINTING_LEVELS * HALF_LIFE_PRICES + 1;
		for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
			policy->levels[nr].lengths[i] /= 2;
		if (!nr) {
			policy->used_end[1] = policy->used_end[0];
			policy->used_end[0] = 0;
		}
		find_settle(policy, nr);
	}
	policy->fade_ms = max(policy->fade_ms, now_ms);
}

/* What lies from @depth to @end below the peak was needed, after @idle_ms. */
static void learn(struct page_hinting_policy *policy, unsigned long depth,
		  unsigned long end, u64 idle_ms)
{
	unsigned int nr, i = PAGE_HINTING_LENGTHS - 1;

	/* What is seen of the next pause, of the same length, may be longer. */
	idle_ms += idle_ms / 8;
	while (i && page_hinting_policy_wait_ms(policy, i) < idle_ms)
		i--;
	policy->used_end[0] = max(policy->used_end[0], end);
	for (nr = 0; nr < PAGE_HINTING_LEVELS && depth < end; nr++) {
		unsigned long part_end = min(end, level_start(policy, nr + 1));
		u16 *count = &policy->levels[nr].lengths[i];

		if (depth >= part_end)
			continue;
		/* 1024 for all of a level, and never 0. */
		*count = min_t(unsigned long, U16_MAX,
			       *count + ((part_end - depth) >> nr) + 1);
		find_settle(policy, nr);
		depth = part_end;
	}
}

/* Memory was needed. Returns what of it was free for less than the price. */
static unsigned long pop(struct page_hinting_policy *policy,
			 unsigned long pages, u64 at_ms)
{
	unsigned long early_pages = 0;

	while (pages) {
		unsigned long depth = policy->peak_pages - policy->free_pages;
		struct page_hinting_layer *layer =
			&policy->layers[policy->nr_layers - 1];
		unsigned long part = min(pages, layer->pages);
		u64 age_ms = at_ms - min(at_ms, layer->since_ms);

		/*
		 * How much was used of the per-CPU lists is not exact. So the
		 * small rest of a demand is taken to be as old as the most of it.
		 */
		if (pages >= PAGE_HINTING_REST_PAGES ||
		    pages > policy->demand_pages / 4)
			policy->demand_since_ms = layer->since_ms;
		/* Since when the first of it was free, nobody knows. */
		if (part && age_ms < policy->refault_cost_ms &&
		    layer->since_ms > policy->start_ms) {
			learn(policy, depth, depth + part,
			      at_ms - min(at_ms, policy->demand_since_ms));
			early_pages += part;
		}
		pages -= part;
		policy->demand_pages += part;
		policy->free_pages -= part;
		layer->pages -= part;
		if (!layer->pages && policy->nr_layers > 1)
			policy->nr_layers--;
	}
	return early_pages;
}

/* The oldest two layers of about an age become one, as old as the older. */
static void merge_layers(struct page_hinting_policy *policy, u64 now_ms)
{
	struct page_hinting_layer *layer = policy->layers;
	unsigned int left = --policy->nr_layers;

	while (--left && (layer[1].since_ms - layer->since_ms) * 4 >
			 now_ms - layer->since_ms)
		layer++;
	layer->pages += layer[1].pages;
	memmove(layer + 1, layer + 2, left * sizeof(*layer));
}

/* Memory became free. */
static void push(struct page_hinting_policy *policy,
		 const struct page_hinting_sample *sample, unsigned long pages)
{
	struct page_hinting_layer *layer;

	if (!pages)
		return;
	if (policy->nr_layers == PAGE_HINTING_LAYERS)
		merge_layers(policy, sample->now_ms);
	policy->demand_pages = 0;
	layer = &policy->layers[policy->nr_layers++];
	layer->pages = pages;
	layer->since_ms = sample->freed ? sample->now_ms :
			  max(sample->low_ms, policy->start_ms);
	policy->free_pages += pages;
}

/* How much of the free memory may not be hinted yet. */
struct idle {
	/* By price: in blocks of the usual order, of the two below, ... */
	unsigned long kept_pages[PRICES];
	/* Until one of them is less; 0 if nothing is kept. */
	unsigned int next_ms;
};

/*
 * A part of a layer, in a level that waits for @settle_ms. It is counted at the
 * lowest price at which it is kept.
 */
static void weigh_part(struct idle *idle, unsigned long pages, u64 age_ms,
		       u64 least_ms, u64 settle_ms)
{
	unsigned int i;

	for (i = 0; i < PRICES; i++) {
		u64 wait_ms = max(settle_ms, least_ms << i);

		if (age_ms < wait_ms) {
			idle->kept_pages[i] += pages;
			idle->next_ms = min_not_zero(idle->next_ms,
						     wait_ms - age_ms);
			return;
		}
	}
}

static void weigh(const struct page_hinting_policy *policy, u64 now_ms,
		  struct idle *idle)
{
	unsigned long depth = policy->peak_pages - policy->free_pages;
	unsigned long level_end = level_start(policy, 1);
	u64 least_ms = shortest_ms(policy);
	u64 dearest_ms = least_ms << (PRICES - 1);
	unsigned int i = policy->nr_layers, nr = 0;

	while (i--) {
		unsigned long end = depth + policy->layers[i].pages, part;
		u64 age_ms = now_ms - policy->layers[i].since_ms;

		/* None of this is kept at any price, nor what is older. */
		if (age_ms >= max(policy->refault_cost_ms, dearest_ms))
			break;
		for (; depth < end; depth += part) {
			while (level_end <= depth)
				level_end = level_start(policy, ++nr + 1);
			part = min(end, level_end) - depth;
			weigh_part(idle, part, age_ms, least_ms,
				   policy->levels[nr].settle_ms);
		}
	}
	/* What is kept at one price is kept at a higher one. */
	for (i = 1; i < PRICES; i++)
		idle->kept_pages[i] += idle->kept_pages[i - 1];
}

/* Hint smaller blocks, down to the order whose price allows most. */
static void advise_small(const struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample,
			 const struct idle *idle,
			 struct page_hinting_advice *advice)
{
	unsigned long left_pages = sample->unhinted_pages +
				   sample->list_pages - advice->hint_pages;
	unsigned long small_pages = 0, most_pages = PAGE_HINTING_REST_PAGES - 1;
	unsigned int order = policy->usual_order;

	while (order-- > policy->lowest_order) {
		unsigned int price = (policy->usual_order - order + 1) / 2;
		unsigned long pages;

		small_pages += sample->small_pages[order];
		/* What has to be kept may also be kept elsewhere. */
		pages = small_pages + left_pages;
		pages -= min(pages, idle->kept_pages[price]);
		pages = min(pages, small_pages);
		if (pages > most_pages) {
			most_pages = pages;
			advice->small_order = order;
		}
		advice->wake_pages = small_pages +
				     PAGE_HINTING_SIGNIFICANT_PAGES;
	}
	if (advice->small_order < policy->usual_order) {
		advice->small_pages = min(most_pages,
					  max(PAGE_HINTING_SLICE_PAGES,
					      1UL << advice->small_order));
		advice->look_in_ms = 1;
	} else if (small_pages >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		advice->look_in_ms = idle->next_ms;
	}
}

/**
 * page_hinting_policy_init - forget all that was seen
 * @policy: the policy
 * @refault_cost_ms: what a refault is worth: so long memory may be kept; not 0
 * @usual_order: blocks of this order and above are hinted at this price
 * @lowest_order: smaller ones at a higher one, down to this order
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

/* What came and went since the last sample. */
static void follow(struct page_hinting_policy *policy,
		   const struct page_hinting_sample *sample,
		   struct page_hinting_advice *advice)
{
	unsigned long low_pages = min3(sample->low_pages, sample->free_pages,
				       policy->free_pages);
	unsigned long went_pages = policy->free_pages - low_pages;

	advice->early_pages = pop(policy, went_pages, sample->went_ms);
	/* What is hinted is taken last, and was free for longest. */
	advice->refaulted_pages = min(advice->early_pages, sample->taken_pages -
				      min(sample->taken_pages,
					  went_pages - advice->early_pages));
	push(policy, sample, sample->free_pages - low_pages);
	if (policy->free_pages >= policy->peak_pages ||
	    sample->now_ms - policy->peak_ms >= PEAK_MS) {
		policy->peak_pages = policy->free_pages;
		policy->peak_ms = sample->now_ms;
	}
}

/*
 * When to empty the per-CPU lists; 0 is now. CPUs that use them fill them again,
 * so this must not happen too often.
 */
static unsigned int drain_in_ms(struct page_hinting_policy *policy, u64 now_ms)
{
	if (now_ms < policy->drain_ms)
		return policy->drain_ms - now_ms;
	policy->drain_ms = now_ms + 4 * shortest_ms(policy);
	return 0;
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
	struct page_hinting_advice advice = {
		.small_order = policy->usual_order,
		.wake_pages = ULONG_MAX,
	};
	struct idle idle = { };
	unsigned long kept_pages;

	if (!policy->nr_layers) {
		policy->start_ms = sample->now_ms;
		policy->layers[policy->nr_layers++].since_ms = sample->now_ms;
	}
	fade(policy, sample->now_ms);
	follow(policy, sample, &advice);
	weigh(policy, sample->now_ms, &idle);
	/*
	 * What is in the per-CPU lists is used first, so that is kept there. Not
	 * all of it: some is in blocks of another order, or of another CPU.
	 */
	kept_pages = idle.kept_pages[0] + PAGE_HINTING_SIGNIFICANT_PAGES;
	kept_pages -= min(kept_pages, max(sample->list_pages,
					  PAGE_HINTING_SIGNIFICANT_PAGES));
	kept_pages = min(kept_pages, sample->unhinted_pages);
	advice.hint_pages = sample->unhinted_pages - kept_pages;
	advise_small(policy, sample, &idle, &advice);
	if (sample->list_pages >= idle.kept_pages[0] +
				  PAGE_HINTING_SIGNIFICANT_PAGES) {
		unsigned int in_ms = drain_in_ms(policy, sample->now_ms);

		advice.drain_lists = !in_ms;
		advice.look_in_ms = min_not_zero(advice.look_in_ms, in_ms ?: 1);
	} else if (idle.kept_pages[0] >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		/* Often enough to see what is freed beside it. */
		advice.look_in_ms = min_not_zero(advice.look_in_ms,
						 min(idle.next_ms,
						     shortest_ms(policy)));
		advice.stay_pages = ULONG_MAX;
	} else if (kept_pages ||
		   (idle.kept_pages[0] &&
		    sample->list_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)) {
		/* A free of some size is told, so less often will do. */
		advice.look_in_ms = min_not_zero(advice.look_in_ms,
						 min(idle.next_ms,
						     4 * shortest_ms(policy)));
		advice.stay_pages = kept_pages + PAGE_HINTING_SIGNIFICANT_PAGES;
	}
	return advice;
}

/* The longest waiting time of all levels that were used lately. */
unsigned int
page_hinting_policy_settle_ms(const struct page_hinting_policy *policy)
{
	unsigned int nr, most_ms = shortest_ms(policy);

	for (nr = 0; nr < PAGE_HINTING_LEVELS; nr++)
		if (level_start(policy, nr) < level_start(policy, nr + 1))
			most_ms = max(most_ms, policy->levels[nr].settle_ms);
	return most_ms;
}
