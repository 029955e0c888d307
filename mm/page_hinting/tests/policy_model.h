/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A zone under the policy, in simulated time: for tests, and for a
 * replay of recorded series outside the kernel.
 *
 * What is told to it is the amount of free memory. Allocations take unhinted
 * memory first; a host answers at once; the zone's thread looks when the
 * policy has asked for it and, with nothing left to hint, when something is
 * freed. Beside that, some free memory may be in small blocks of one order, and
 * some in the per-CPU lists.
 */
#ifndef _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H
#define _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H

#include <linux/math64.h>

#include "../policy.h"

#define MODEL_ORDER		9U
#define MODEL_LOWEST_ORDER	0U
#define MODEL_MIB		(1UL << (20 - PAGE_SHIFT))	/* in pages */

/**
 * struct model - a zone under the policy
 * @policy: the policy
 * @now_ms: the time
 * @free_pages: free memory in large blocks, hinted or not
 * @unhinted_pages: that part of it
 * @small_order: the order of all small blocks
 * @small_pages: free memory in small blocks, hinted or not
 * @small_unhinted_pages: that part of it
 * @list_pages: free memory in the per-CPU lists
 * @away_pages: in a balloon
 * @low_pages: the least of all of that since the last look
 * @low_ms: when that was, the last time
 * @sampled_pages: all free memory at the last look
 * @sampled_ms: when that was
 * @went_page_ms: pages that went since then, each times the time after that
 * @stay_pages: it looks when a free leaves more than this unhinted
 * @wake_pages: unhinted memory in small blocks that wakes the thread
 * @look_in_ms: the thread looks after this time; 0 if it has no timer
 * @armed: it looks at the next free
 * @nr_looks: how often it has looked
 * @nr_drains: how often the per-CPU lists were emptied
 * @hinted_pages: hinted ever, in large blocks
 * @small_hinted_pages: and in small ones
 * @allocated_pages: allocated ever
 * @faulted_pages: of those, hinted ones
 * @sampled_faulted_pages: the same at the last look
 * @early_pages: what the policy says was needed early, hinted or not
 * @refaulted_pages: and what of that was hinted
 */
struct model {
	struct page_hinting_policy policy;
	u64 now_ms;
	unsigned long free_pages;
	unsigned long unhinted_pages;
	unsigned int small_order;
	unsigned long small_pages;
	unsigned long small_unhinted_pages;
	unsigned long list_pages;
	unsigned long away_pages;
	unsigned long low_pages;
	u64 low_ms;
	unsigned long sampled_pages;
	u64 sampled_ms;
	u64 went_page_ms;
	unsigned long stay_pages;
	unsigned long wake_pages;
	unsigned int look_in_ms;
	bool armed;
	unsigned long nr_looks;
	unsigned long nr_drains;
	unsigned long hinted_pages;
	unsigned long small_hinted_pages;
	unsigned long allocated_pages;
	unsigned long faulted_pages;
	unsigned long sampled_faulted_pages;
	unsigned long early_pages;
	unsigned long refaulted_pages;
};

static inline void model_start(struct model *model,
			       unsigned int refault_cost_ms, u64 now_ms)
{
	memset(model, 0, sizeof(*model));
	model->now_ms = now_ms;
	model->look_in_ms = 1;
	page_hinting_policy_init(&model->policy, refault_cost_ms, MODEL_ORDER,
				 MODEL_LOWEST_ORDER);
}

/* Nothing is going to happen unless something is freed. */
static inline bool model_asleep(const struct model *model)
{
	return model->armed && !model->look_in_ms;
}

static inline unsigned long model_all_pages(const struct model *model)
{
	return model->free_pages + model->small_pages + model->list_pages +
	       model->away_pages;
}

static inline void model_note_low(struct model *model)
{
	unsigned long pages = model_all_pages(model);

	if (pages > model->low_pages)
		return;
	model->went_page_ms += (u64)(model->low_pages - pages) *
			       (model->now_ms - model->sampled_ms);
	model->low_pages = pages;
	model->low_ms = model->now_ms;
}

static inline u64 model_went_ms(const struct model *model)
{
	unsigned long pages = model->sampled_pages - model->low_pages;

	return pages ? model->sampled_ms + div64_u64(model->went_page_ms, pages) :
		       model->low_ms;
}

static inline void model_look(struct model *model, bool freed)
{
	struct page_hinting_sample sample = {
		.now_ms = model->now_ms,
		.free_pages = model_all_pages(model),
		.low_pages = model->low_pages,
		.low_ms = model->low_ms,
		.went_ms = model_went_ms(model),
		.freed = freed,
		.taken_pages = model->faulted_pages -
			       model->sampled_faulted_pages,
		.list_pages = model->list_pages,
		.unhinted_pages = model->unhinted_pages,
	};
	struct page_hinting_advice advice;

	sample.small_pages[model->small_order] = model->small_unhinted_pages;
	advice = page_hinting_policy_step(&model->policy, &sample);
	model->nr_looks++;
	model->unhinted_pages -= advice.hint_pages;
	model->hinted_pages += advice.hint_pages;
	model->small_unhinted_pages -= advice.small_pages;
	model->small_hinted_pages += advice.small_pages;
	model->early_pages += advice.early_pages;
	model->refaulted_pages += advice.refaulted_pages;
	model->sampled_faulted_pages = model->faulted_pages;
	model->low_pages = model_all_pages(model);
	model->low_ms = model->now_ms;
	model->sampled_pages = model->low_pages;
	model->sampled_ms = model->now_ms;
	model->went_page_ms = 0;
	model->look_in_ms = advice.look_in_ms;
	model->stay_pages = advice.stay_pages;
	model->wake_pages = advice.wake_pages;
	model->armed = model->unhinted_pages <= model->stay_pages &&
		       model->small_unhinted_pages < model->wake_pages;
	if (advice.drain_lists) {
		model->nr_drains++;
		model->free_pages += model->list_pages;
		model->unhinted_pages += model->list_pages;
		model->list_pages = 0;
	}
}

static inline void model_alloc(struct model *model, unsigned long pages)
{
	unsigned long unhinted_pages = min(pages, model->unhinted_pages);

	model->free_pages -= pages;
	model->unhinted_pages -= unhinted_pages;
	model->allocated_pages += pages;
	model->faulted_pages += pages - unhinted_pages;
	model_note_low(model);
}

static inline void model_free(struct model *model, unsigned long pages)
{
	model_note_low(model);
	model->free_pages += pages;
	model->unhinted_pages += pages;
	if (model->armed && model->unhinted_pages > model->stay_pages)
		model_look(model, true);
}

/* A balloon takes so much. */
static inline void model_inflate(struct model *model, unsigned long pages)
{
	unsigned long unhinted_pages = min(pages, model->unhinted_pages);

	model->unhinted_pages -= unhinted_pages;
	model->free_pages -= pages;
	model->away_pages += pages;
}

/* And gives it back, by way of the per-CPU lists. */
static inline void model_deflate(struct model *model, unsigned long pages,
				 bool in_lists)
{
	model->away_pages -= pages;
	if (in_lists) {
		model->list_pages += pages;
		return;
	}
	model->free_pages += pages;
	model->unhinted_pages += pages;
	if (model->armed && model->unhinted_pages > model->stay_pages)
		model_look(model, true);
}

static inline void model_alloc_small(struct model *model, unsigned long pages)
{
	unsigned long unhinted_pages = min(pages, model->small_unhinted_pages);

	model->small_pages -= pages;
	model->small_unhinted_pages -= unhinted_pages;
	model->faulted_pages += pages - unhinted_pages;
	model_note_low(model);
}

static inline void model_free_small(struct model *model, unsigned long pages)
{
	model_note_low(model);
	model->small_pages += pages;
	model->small_unhinted_pages += pages;
	if (model->armed && model->small_unhinted_pages >= model->wake_pages)
		model_look(model, true);
}

/* Let time pass, and look whenever the policy has asked for it. */
static inline void model_pass(struct model *model, u64 ms)
{
	while (model->look_in_ms && model->look_in_ms <= ms) {
		ms -= model->look_in_ms;
		model->now_ms += model->look_in_ms;
		model_look(model, false);
	}
	model->now_ms += ms;
	if (model->look_in_ms)
		model->look_in_ms -= ms;
}

#endif /* _MM_PAGE_HINTING_TESTS_POLICY_MODEL_H */
