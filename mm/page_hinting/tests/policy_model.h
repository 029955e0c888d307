/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A zone under the policy, in simulated time: what the KUnit tests and the
 * simulator (scripts/simulate) have in common.
 *
 * What is told to it is the amount of free memory. Allocations take unhinted
 * memory first; a host answers at once; the zone's thread looks when the
 * policy has asked for it and, with nothing left to hint, when something is
 * freed, or was hinted not long ago and is taken. Beside that, some free memory
 * may be in small blocks of one order, and some in the per-CPU lists.
 */
#ifndef _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H
#define _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H

#include "../policy.h"

#define MODEL_SETTLE_MS		125U
#define MODEL_MAX_SETTLE_MS	10000U
#define MODEL_ORDER		9U
#define MODEL_LOWEST_ORDER	0U
#define MODEL_MIB		(1UL << (20 - PAGE_SHIFT))	/* in pages */

/**
 * struct model - a zone under the policy
 * @policy: the policy
 * @now_ms: the time
 * @free_pages: free memory, hinted or not
 * @unhinted_pages: that part of it
 * @low_pages: its least since the last look
 * @taken_pages: hinted memory allocated since the last look
 * @taken_ms: when that came to something
 * @freed: a free made the thread look
 * @list_pages: free memory in the per-CPU lists
 * @nr_drains: how often these were emptied
 * @look_in_ms: the thread looks after this time
 * @free_low_pages: the least of all that is free since the last look
 * @order: of the sweep that goes on
 * @small_order: the order of all small blocks
 * @small_pages: free memory in small blocks, hinted or not
 * @small_unhinted_pages: that part of it
 * @small_taken_pages: hinted memory in small blocks allocated since then
 * @small_hinted_pages: hinted ever
 * @wake_pages: unhinted memory in small blocks that wakes the thread
 * @armed: it looks at the next free, and when hinted memory is taken
 * @asleep: it only does that, and has no timer
 * @nr_looks: how often it has looked
 * @hinted_pages: hinted ever
 * @refaulted_pages: of those, what the policy says was too early
 * @allocated_pages: allocated ever
 * @faulted_pages: of those, hinted ones
 * @peak_settle_ms: the longest settle time
 */
struct model {
	struct page_hinting_policy policy;
	u64 now_ms;
	unsigned long free_pages;
	unsigned long unhinted_pages;
	unsigned long low_pages;
	unsigned long taken_pages;
	u64 taken_ms;
	bool freed;
	unsigned long list_pages;
	unsigned long nr_drains;
	unsigned long free_low_pages;
	unsigned int order;
	unsigned int small_order;
	unsigned long small_pages;
	unsigned long small_unhinted_pages;
	unsigned long small_taken_pages;
	unsigned long small_hinted_pages;
	unsigned long wake_pages;
	unsigned int look_in_ms;
	bool armed;
	bool asleep;
	unsigned long nr_looks;
	unsigned long hinted_pages;
	unsigned long refaulted_pages;
	unsigned long allocated_pages;
	unsigned long faulted_pages;
	unsigned int peak_settle_ms;
};

static inline void model_start(struct model *model, u64 now_ms)
{
	memset(model, 0, sizeof(*model));
	model->now_ms = now_ms;
	model->look_in_ms = 1;
	page_hinting_policy_init(&model->policy, MODEL_SETTLE_MS,
				 MODEL_MAX_SETTLE_MS, now_ms);
	page_hinting_policy_set_orders(&model->policy, MODEL_ORDER,
				       MODEL_LOWEST_ORDER);
	model->order = MODEL_ORDER;
	model->wake_pages = ULONG_MAX;
}

/* Small blocks that the sweep which goes on can hint. */
static inline unsigned long model_sweep_pages(const struct model *model)
{
	return model->order < model->policy.ladder.usual_order &&
	       model->order <= model->small_order ?
	       model->small_unhinted_pages : 0;
}

static inline void model_note_low(struct model *model)
{
	model->free_low_pages = min(model->free_low_pages,
				    model->free_pages + model->small_pages);
}

static inline void model_hint(struct model *model, unsigned long pages,
			      unsigned long small_pages)
{
	page_hinting_policy_pulled(&model->policy, pages);
	model->unhinted_pages -= pages;
	model->hinted_pages += pages;
	model->small_unhinted_pages -= small_pages;
	model->small_hinted_pages += small_pages;
}

static inline void model_drain_lists(struct model *model)
{
	model->nr_drains++;
	model->free_pages += model->list_pages;
	model->unhinted_pages += model->list_pages;
	model->list_pages = 0;
}

/* Returns after what time to look whatever is unhinted, or 0. */
static inline unsigned int model_step(struct model *model)
{
	struct page_hinting_sample sample = {
		.now_ms = model->now_ms,
		.low_pages = model->low_pages,
		.unhinted_pages = model->unhinted_pages,
		.small_pages = model->small_unhinted_pages,
		.sweep_pages = model_sweep_pages(model),
		.free_pages = model->free_pages + model->small_pages,
		.free_low_pages = model->free_low_pages,
		.taken_pages = model->taken_pages,
		.taken_small_pages = model->small_taken_pages,
		.taken_ms = model->taken_pages ? model->taken_ms : model->now_ms,
		.freed = model->freed,
	};
	struct page_hinting_advice advice;

	advice = page_hinting_policy_step(&model->policy, &sample);
	model_hint(model, advice.hint_pages, advice.sweep_pages);
	model->nr_looks++;
	model->refaulted_pages += advice.refaulted_pages;
	model->order = advice.sweep_order;
	model->low_pages = model->unhinted_pages;
	model->free_low_pages = sample.free_pages;
	model->taken_pages = 0;
	model->small_taken_pages = 0;
	model->look_in_ms = advice.look_in_ms;
	model->wake_pages = advice.wake_pages;
	model->freed = false;
	/* The thread looks at what comes out of them at once. */
	if (advice.drain_lists) {
		model_drain_lists(model);
		return model_step(model);
	}
	return advice.sweep_pages ? 1 : advice.idle_look_in_ms;
}

static inline void model_look(struct model *model)
{
	unsigned int idle_look_in_ms = model_step(model);

	model->armed = !model->unhinted_pages &&
		       model->small_unhinted_pages < model->wake_pages;
	model->asleep = model->armed && !idle_look_in_ms;
	if (model->armed)
		model->look_in_ms = idle_look_in_ms;
	else if (idle_look_in_ms)
		model->look_in_ms = min(model->look_in_ms, idle_look_in_ms);
	model->peak_settle_ms = max(model->peak_settle_ms,
				    model->policy.settle_ms);
}

static inline void model_alloc(struct model *model, unsigned long pages)
{
	unsigned long unhinted_pages = min(pages, model->unhinted_pages);

	model->free_pages -= pages;
	model->allocated_pages += pages;
	model->unhinted_pages -= unhinted_pages;
	model->low_pages = min(model->low_pages, model->unhinted_pages);
	model_note_low(model);
	if (!model->taken_pages)
		model->taken_ms = model->now_ms;
	model->taken_pages += pages - unhinted_pages;
	model->faulted_pages += pages - unhinted_pages;
	if (model->armed && model->policy.ledger_len &&
	    model->taken_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
		model_look(model);
}

static inline void model_free(struct model *model, unsigned long pages)
{
	model->free_pages += pages;
	model->unhinted_pages += pages;
	if (model->armed) {
		model->freed = true;
		model_look(model);
	}
}

static inline void model_alloc_small(struct model *model, unsigned long pages)
{
	unsigned long unhinted_pages = min(pages, model->small_unhinted_pages);

	model->small_pages -= pages;
	model->small_unhinted_pages -= unhinted_pages;
	model_note_low(model);
	model->small_taken_pages += pages - unhinted_pages;
	model->faulted_pages += pages - unhinted_pages;
	if (model->armed && model->policy.ladder.on_trial &&
	    model->small_taken_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
		model_look(model);
}

static inline void model_free_small(struct model *model, unsigned long pages)
{
	model->small_pages += pages;
	model->small_unhinted_pages += pages;
	if (model->armed && model->small_unhinted_pages >= model->wake_pages) {
		model->freed = true;
		model_look(model);
	}
}

/* Let time pass, and look whenever the policy has asked for it. */
static inline void model_pass(struct model *model, u64 ms)
{
	while (!model->asleep && model->look_in_ms <= ms) {
		ms -= model->look_in_ms;
		model->now_ms += model->look_in_ms;
		model_look(model);
	}
	model->now_ms += ms;
	if (!model->asleep)
		model->look_in_ms -= ms;
}

#endif /* _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H */
