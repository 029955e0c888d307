// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * Memory that stayed free and unhinted for a whole settle time was needed by
 * nobody in that time. How much that is follows from the lowest point of the
 * amount of unhinted memory, whichever blocks were allocated and freed in
 * between: a program that allocates and frees the same 512 MB in a loop makes
 * the amount dip by 512 MB again and again, and those stay unhinted, while a
 * one-off free is idle one settle time later.
 *
 *	unhinted
 *	   ^      ______
 *	   |     |      |  __     ____________ <- freed for good
 *	   |_____|      |_|  |___|
 *	   |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ <- idle: the lowest point
 *	   +---------------------------------> time
 *	     |<---- settle time ---->|
 *
 * The settle time is short to begin with, so that a guest that goes idle gives
 * its memory back at once. A program that pauses for longer than that finds
 * its memory gone, once or twice: then the settle time becomes half as long
 * again as the pause was, and what the program uses stays unhinted from there
 * on. A pause that is much longer than the settle time has to be seen twice,
 * for most memory that is needed again is not needed again and again. When no
 * memory is used any more that had been unused for at least a third of the settle
 * time, that is halved, and soon is short again.
 *
 * What was hinted when is kept in a ledger. Demand for hinted memory is held
 * against its newest entries, whichever blocks it took: had that much less
 * been hinted, the demand would have been met without the host.
 *
 * Free memory in smaller blocks than the usual ones follows after longer
 * idleness, by a ladder of sweeps: when the zone was calm for some settle times,
 * meaning that next to nothing came or went, blocks of 128 KB and more are
 * hinted, after three times as long those of 16 KB, and after twice as long
 * again single pages. A sweep takes all such blocks, as next to none of them
 * came within that time, slice by slice, with a look before each. Larger blocks
 * go on by the settle time meanwhile. Demand breaks a sweep off and begins the
 * waiting anew; when it is for what was swept too early, by the measure of the
 * settle time, the waiting is twice as long from then on, and half of that after
 * each sweep that was not too early.
 *
 * What was freed into the per-CPU lists is free memory that nobody sees, and
 * may be a hundred megabytes. They are emptied when nothing was taken for longer
 * than a pause that was learnt lasts, whatever else is unhinted: so what comes
 * out goes within twice the settle time after the last use; within three times,
 * where that is so short that emptying them in each pause would cost more than
 * it is worth.
 */
#include <linux/array_size.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "policy.h"

/*
 * A gap that is so many times the settle time after which its memory was
 * hinted has to be seen twice.
 */
#define FAR			16
/* A settle time that was not needed for so many times its length is halved. */
#define PATIENCE		4
/*
 * It was needed if memory is used that was unused for such a part of it. Looks
 * tell pauses up to one look too short, and the settle time is half as long
 * again as the pause: a pause is never seen as less than 0.41 of it.
 */
#define PROOF			3
#define CAUTION_MAX		6
/*
 * After such a part of the settle time the per-CPU lists are emptied: more than
 * a learnt pause is of it, and with one look before and one settle time after
 * it less than two settle times.
 */
#define LISTS_TENTHS		7
/* But not before this, or, if that is less, so many settle times. */
#define LISTS_MIN_MS		250U
#define LISTS_MIN_SETTLES	2U

/**
 * struct rung - a step of the ladder
 * @bytes: what it hints is at least so large, or of the lowest order
 * @settles: for how many settle times the zone has to be calm
 */
struct rung {
	unsigned int bytes;
	unsigned int settles;
};

static const struct rung rungs[] = {
	{ SZ_128K, 4 }, { SZ_16K, 12 }, { 0, 24 },
};

/* The settle time that a pause of @gap_ms asks for. */
static unsigned int settle_for(unsigned int gap_ms)
{
	return gap_ms + gap_ms / 2;
}

/* Would waiting for memory that comes back after @gap_ms be worth it? */
static bool is_early(const struct page_hinting_policy *policy, u64 gap_ms)
{
	return gap_ms < policy->max_settle_ms &&
	       settle_for(gap_ms) <= policy->max_settle_ms;
}

/* Was a gap of about this length seen before, not too long ago? */
static bool was_seen(const struct page_hinting_policy *policy,
		     unsigned int gap_ms, u64 end_ms)
{
	return policy->far_gap_ms && gap_ms / 2 <= policy->far_gap_ms &&
	       policy->far_gap_ms / 2 <= gap_ms &&
	       end_ms - policy->far_gap_seen_ms <=
	       4 * (u64)policy->max_settle_ms;
}

/* Is this gap, a long one that ends at @end_ms, the second one of its kind? */
static bool is_habit(struct page_hinting_policy *policy, unsigned int gap_ms,
		     u64 end_ms)
{
	/* If it began before the first one ended, it is the same, going on. */
	if (policy->far_gap_ms && end_ms - policy->far_gap_seen_ms < gap_ms)
		return false;
	if (was_seen(policy, gap_ms, end_ms))
		return true;
	policy->far_gap_ms = gap_ms;
	policy->far_gap_seen_ms = end_ms;
	return false;
}

/* @hinted_settle_ms: the settle time after which that memory was hinted */
static void learn(struct page_hinting_policy *policy,
		  unsigned int hinted_settle_ms, unsigned int gap_ms,
		  u64 end_ms)
{
	unsigned int settle_ms = settle_for(gap_ms);

	policy->early_pages = 0;
	policy->proved_ms = policy->now_ms;
	if (settle_ms <= policy->settle_ms)
		return;
	/* Against that one, or the early end of a use would vouch for its rest. */
	if (gap_ms > FAR * hinted_settle_ms && !is_habit(policy, gap_ms, end_ms))
		return;
	policy->far_gap_ms = 0;
	policy->settle_ms = settle_ms;
}

/* A little that was early is forgotten when for long nothing more was. */
static void note_early(struct page_hinting_policy *policy, unsigned long pages,
		       u64 end_ms)
{
	if (end_ms > policy->early_ms + PATIENCE * (u64)policy->settle_ms)
		policy->early_pages = 0;
	policy->early_pages += pages;
	policy->early_ms = end_ms;
}

/*
 * Hold what was taken against the ledger. Returns what came back early. What
 * little reaches into an older entry says nothing of that one's gap.
 */
static unsigned long refault(struct page_hinting_policy *policy,
			     const struct page_hinting_sample *sample)
{
	unsigned long left_pages = sample->taken_pages;

	while (left_pages && policy->ledger_len) {
		struct page_hinting_entry *entry;
		unsigned long pages;
		u64 gap_ms;

		entry = &policy->ledger[policy->ledger_len - 1];
		gap_ms = sample->taken_ms - entry->unused_ms;
		if (!is_early(policy, gap_ms)) {
			policy->ledger_len = 0;
			policy->early_pages = 0;
			break;
		}
		pages = min(left_pages, entry->pages);
		left_pages -= pages;
		entry->pages -= pages;
		if (!entry->pages)
			policy->ledger_len--;
		note_early(policy, pages, sample->taken_ms);
		if (policy->early_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
			learn(policy, entry->settle_ms, gap_ms,
			      sample->taken_ms);
	}
	return sample->taken_pages - left_pages;
}

static void decay(struct page_hinting_policy *policy)
{
	while (policy->settle_ms > policy->min_settle_ms) {
		u64 patience_ms = PATIENCE * (u64)policy->settle_ms;

		if (policy->now_ms - policy->proved_ms < patience_ms)
			return;
		policy->proved_ms += patience_ms;
		policy->settle_ms = max(policy->settle_ms / 2,
					policy->min_settle_ms);
	}
	policy->proved_ms = policy->now_ms;
}

/* The lowest point, with this one in it. Pages beyond 32 bits can wait. */
static unsigned long update_low(struct minmax *low, unsigned int ms, u64 now_ms,
				unsigned long pages)
{
	return minmax_running_min(low, ms, now_ms,
				  min_t(unsigned long, pages, U32_MAX));
}

/* Was memory used that had been unused for a good part of the settle time? */
static void prove(struct page_hinting_policy *policy,
		  const struct page_hinting_sample *sample)
{
	unsigned int proof_ms = policy->settle_ms / PROOF;
	unsigned long unused_pages;

	unused_pages = update_low(&policy->recent_low, proof_ms,
				  sample->now_ms, policy->level_pages);
	if (unused_pages >= sample->low_pages + PAGE_HINTING_SIGNIFICANT_PAGES)
		policy->proved_ms = policy->now_ms;
	update_low(&policy->recent_low, proof_ms, sample->now_ms,
		   sample->low_pages);
	policy->level_pages = sample->unhinted_pages;
}

/* Look often enough, and when the oldest low is forgotten. */
static unsigned int next_look(const struct page_hinting_policy *policy)
{
	unsigned int age_ms = (u32)policy->now_ms - policy->low.s[0].t;
	unsigned int look_in_ms = policy->settle_ms / PAGE_HINTING_LOOKS;

	if (age_ms <= policy->settle_ms)
		look_in_ms = min(look_in_ms, policy->settle_ms - age_ms + 1);
	return max(look_in_ms, 1U);
}

/* After what time decay() has something to do, if nothing happens until then. */
static u64 next_decay_ms(const struct page_hinting_policy *policy)
{
	if (policy->settle_ms <= policy->min_settle_ms)
		return U64_MAX;
	return policy->proved_ms + PATIENCE * (u64)policy->settle_ms -
	       policy->now_ms;
}

static unsigned int rung_order(const struct page_hinting_ladder *ladder,
			       unsigned int rung)
{
	unsigned int order = ladder->usual_order;

	if (!rung)
		return order;
	while (order > ladder->lowest_order &&
	       PAGE_SIZE << order > rungs[rung - 1].bytes)
		order--;
	return order;
}

/* How long the zone has to be calm for the next rung, which there has to be. */
static u64 rung_wait_ms(const struct page_hinting_policy *policy)
{
	const struct page_hinting_ladder *ladder = &policy->ladder;

	return (u64)policy->settle_ms * rungs[ladder->rung].settles <<
	       ladder->caution;
}

/* Was the last sweep too early? That is told once, and by its own blocks. */
static void judge(struct page_hinting_policy *policy,
		  const struct page_hinting_sample *sample)
{
	struct page_hinting_ladder *ladder = &policy->ladder;

	ladder->taken_pages += sample->taken_small_pages;
	if (!ladder->on_trial)
		return;
	if (!is_early(policy, policy->now_ms - ladder->swept_ms)) {
		ladder->on_trial = false;
		ladder->caution -= min(ladder->caution, 1U);
	} else if (ladder->taken_pages >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		ladder->on_trial = false;
		ladder->caution = min(ladder->caution + 1, CAUTION_MAX);
	}
}

/* The zone is not calm: begin anew. */
static void climb_up(struct page_hinting_policy *policy)
{
	struct page_hinting_ladder *ladder = &policy->ladder;

	ladder->order = ladder->usual_order;
	ladder->rung = 0;
	ladder->calm_ms = policy->now_ms;
	ladder->activity_pages = 0;
}

/* How much of a zone's free memory went and came between two looks. */
struct changes {
	unsigned long went_pages;
	unsigned long came_pages;
};

/* A dip in between counts if it is of some size. */
static struct changes see_changes(struct page_hinting_policy *policy,
				  const struct page_hinting_sample *sample)
{
	struct page_hinting_ladder *ladder = &policy->ladder;
	unsigned long low_pages = min(ladder->level_pages, sample->free_pages);
	struct changes changes;

	if (low_pages >= sample->free_low_pages + PAGE_HINTING_SIGNIFICANT_PAGES)
		low_pages = sample->free_low_pages;
	changes.went_pages = ladder->level_pages - low_pages;
	changes.came_pages = sample->free_pages - low_pages;
	ladder->level_pages = sample->free_pages;
	return changes;
}

static void watch(struct page_hinting_policy *policy,
		  const struct changes *changes)
{
	struct page_hinting_ladder *ladder = &policy->ladder;

	ladder->activity_pages += changes->went_pages + changes->came_pages;
	if (ladder->activity_pages >= PAGE_HINTING_CALM_PAGES)
		climb_up(policy);
}

/* Is there less left than is worth it, or may it not be hinted? */
static bool sweep_is_over(const struct page_hinting_policy *policy,
			  const struct page_hinting_sample *sample)
{
	const struct page_hinting_ladder *ladder = &policy->ladder;

	return sample->sweep_pages < PAGE_HINTING_REST_PAGES ||
	       policy->now_ms - ladder->swept_ms >
	       rung_wait_ms(policy) + policy->max_settle_ms;
}

/* Go on with a sweep. Returns false if there is none, or no more of it. */
static bool sweep(struct page_hinting_policy *policy,
		  const struct page_hinting_sample *sample,
		  struct page_hinting_advice *advice)
{
	struct page_hinting_ladder *ladder = &policy->ladder;

	if (ladder->order == ladder->usual_order)
		return false;
	if (!sweep_is_over(policy, sample)) {
		advice->sweep_pages = min(sample->sweep_pages,
					  PAGE_HINTING_SLICE_PAGES);
		advice->idle_look_in_ms = next_look(policy);
		return true;
	}
	ladder->order = ladder->usual_order;
	ladder->rung++;
	ladder->activity_pages = 0;
	return false;
}

/* Is there a further rung? Those that would not go lower are left out. */
static bool find_rung(struct page_hinting_ladder *ladder)
{
	while (ladder->rung < ARRAY_SIZE(rungs) &&
	       rung_order(ladder, ladder->rung + 1) ==
	       rung_order(ladder, ladder->rung))
		ladder->rung++;
	return ladder->rung < ARRAY_SIZE(rungs);
}

/* The next sweep: when, or how much of it now. */
static void climb_down(struct page_hinting_policy *policy,
		       const struct page_hinting_sample *sample,
		       struct page_hinting_advice *advice)
{
	struct page_hinting_ladder *ladder = &policy->ladder;
	u64 wait_ms, calm_ms;

	advice->wake_pages = ULONG_MAX;
	if (ladder->usual_order == ladder->lowest_order ||
	    sweep(policy, sample, advice))
		return;
	if (ladder->rung || sample->small_pages < PAGE_HINTING_SIGNIFICANT_PAGES)
		advice->wake_pages = sample->small_pages +
				     PAGE_HINTING_SIGNIFICANT_PAGES;
	if (sample->small_pages < PAGE_HINTING_SIGNIFICANT_PAGES ||
	    !find_rung(ladder))
		return;
	wait_ms = rung_wait_ms(policy);
	calm_ms = policy->now_ms - ladder->calm_ms;
	if (calm_ms < wait_ms) {
		wait_ms = min(wait_ms - calm_ms, next_decay_ms(policy));
		advice->idle_look_in_ms = min_t(u64, wait_ms, INT_MAX);
		return;
	}
	ladder->order = rung_order(ladder, ladder->rung + 1);
	ladder->swept_ms = policy->now_ms;
	ladder->taken_pages = 0;
	ladder->on_trial = true;
	advice->idle_look_in_ms = 1;
}

/* From when nothing is taken any more until the per-CPU lists are emptied. */
static unsigned int lists_wait_ms(const struct page_hinting_policy *policy)
{
	unsigned int settle_ms = policy->settle_ms;

	return max(settle_ms / 10 * LISTS_TENTHS,
		   min(LISTS_MIN_MS, LISTS_MIN_SETTLES * settle_ms));
}

static void wait_for_lists(struct page_hinting_policy *policy)
{
	policy->lists.due = true;
	policy->lists.quiet_ms = policy->now_ms;
	policy->lists.went_pages = 0;
}

/*
 * Note what happened since the last look. The waiting begins anew when memory is
 * taken, and when some of that comes back; but not at what comes later, as that
 * may be out of the lists: the kernel empties them, too, a bit every second.
 */
static void watch_lists(struct page_hinting_policy *policy, bool freed,
			const struct changes *changes)
{
	struct page_hinting_lists *lists = &policy->lists;
	bool came = changes->came_pages >= PAGE_HINTING_SIGNIFICANT_PAGES;

	/* What this look sees is what came out of them. */
	if (lists->emptied) {
		lists->emptied = false;
		return;
	}
	lists->went_pages += changes->went_pages;
	lists->moved_pages += changes->went_pages + changes->came_pages;
	if (lists->went_pages >= PAGE_HINTING_SIGNIFICANT_PAGES) {
		wait_for_lists(policy);
		lists->came = came;
	} else if (!lists->due) {
		if (freed || lists->moved_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
			wait_for_lists(policy);
	} else if (came && !lists->came) {
		wait_for_lists(policy);
		lists->came = true;
	}
}

/* Empty the per-CPU lists, once for all that happened since that was last done. */
static void drain_lists(struct page_hinting_policy *policy,
			struct page_hinting_advice *advice)
{
	struct page_hinting_lists *lists = &policy->lists;
	u64 quiet_ms = policy->now_ms - lists->quiet_ms;
	u64 wait_ms = lists_wait_ms(policy);

	if (!lists->due)
		return;
	if (quiet_ms < wait_ms) {
		advice->idle_look_in_ms = min_not_zero(advice->idle_look_in_ms,
						       (unsigned int)(wait_ms - quiet_ms));
		return;
	}
	lists->due = false;
	lists->came = false;
	lists->emptied = true;
	lists->moved_pages = 0;
	lists->went_pages = 0;
	advice->drain_lists = true;
}

/**
 * page_hinting_policy_init - forget all that was seen
 * @policy: the policy
 * @min_settle_ms: how long memory has to stay free at least until it counts
 *	as idle
 * @max_settle_ms: the most that this is lengthened to, by what is learnt; not
 *	if it is less than @min_settle_ms
 * @now_ms: the time
 *
 * No memory counts as idle until a settle time from now.
 */
void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int min_settle_ms,
			      unsigned int max_settle_ms, u64 now_ms)
{
	memset(policy, 0, sizeof(*policy));
	policy->min_settle_ms = min_settle_ms;
	policy->max_settle_ms = max_settle_ms;
	policy->settle_ms = min_settle_ms;
	policy->now_ms = now_ms;
	policy->proved_ms = now_ms;
	wait_for_lists(policy);
	policy->fresh = true;
	minmax_reset(&policy->low, now_ms, 0);
	minmax_reset(&policy->recent_low, now_ms, 0);
	policy->ladder.calm_ms = now_ms;
}

/**
 * page_hinting_policy_set_orders - set how far the ladder reaches
 * @policy: the policy, just initialized
 * @usual_order: hint blocks of this order and above always
 * @lowest_order: and down to this one, not above @usual_order, while nothing
 *	happens
 */
void page_hinting_policy_set_orders(struct page_hinting_policy *policy,
				    unsigned int usual_order,
				    unsigned int lowest_order)
{
	policy->ladder.usual_order = usual_order;
	policy->ladder.lowest_order = lowest_order;
	policy->ladder.order = usual_order;
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
	struct page_hinting_advice advice = { };
	struct changes changes;

	policy->now_ms = sample->now_ms;
	advice.refaulted_pages = refault(policy, sample);
	policy->fresh &= sample->unhinted_pages >= PAGE_HINTING_SIGNIFICANT_PAGES;
	prove(policy, sample);
	advice.hint_pages = min(update_low(&policy->low, policy->settle_ms,
					   sample->now_ms, sample->low_pages),
				sample->unhinted_pages);
	decay(policy);
	judge(policy, sample);
	changes = see_changes(policy, sample);
	watch(policy, &changes);
	climb_down(policy, sample, &advice);
	watch_lists(policy, sample->freed, &changes);
	drain_lists(policy, &advice);
	/* What the lists held is seen at once, to count from here on. */
	advice.look_in_ms = advice.drain_lists ? 1 : next_look(policy);
	advice.sweep_order = policy->ladder.order;
	return advice;
}

static void forget_pages(struct minmax *lows, unsigned long pages)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lows->s); i++)
		lows->s[i].v -= min_t(unsigned long, lows->s[i].v, pages);
}

/* Hinting itself took unhinted memory, in blocks of the usual order and above. */
static void forget_unhinted(struct page_hinting_policy *policy,
			    unsigned long pages)
{
	forget_pages(&policy->low, pages);
	forget_pages(&policy->recent_low, pages);
	policy->level_pages -= min(policy->level_pages, pages);
}

/**
 * page_hinting_policy_flushed - memory was hinted that may have been needed
 * @policy: the policy
 * @pages: how much, in blocks of the usual order and above
 *
 * Nothing is to be learnt from it when that comes back soon, nor from what
 * was hinted before, which could not be told from it.
 */
void page_hinting_policy_flushed(struct page_hinting_policy *policy,
				 unsigned long pages)
{
	forget_unhinted(policy, pages);
	policy->ledger_len = 0;
	policy->early_pages = 0;
	policy->fresh = false;
	policy->ladder.on_trial = false;
}

/**
 * page_hinting_policy_pulled - unhinted memory went, and nobody needed it
 * @policy: the policy
 * @pages: how much hinting itself took since the last call, in blocks of the
 *	usual order and above
 */
void page_hinting_policy_pulled(struct page_hinting_policy *policy,
				unsigned long pages)
{
	u64 unused_ms = policy->now_ms - policy->settle_ms;
	struct page_hinting_entry *ledger = policy->ledger;
	struct page_hinting_entry *newest;

	if (!pages)
		return;
	forget_unhinted(policy, pages);
	if (policy->fresh) {
		policy->fresh = policy->level_pages >=
				PAGE_HINTING_SIGNIFICANT_PAGES;
		return;
	}

	newest = policy->ledger_len ? &ledger[policy->ledger_len - 1] : NULL;
	if (!newest || unused_ms - newest->unused_ms >= policy->settle_ms) {
		if (policy->ledger_len == PAGE_HINTING_LEDGER_LEN)
			memmove(ledger, ledger + 1,
				--policy->ledger_len * sizeof(*ledger));
		newest = &ledger[policy->ledger_len++];
		newest->unused_ms = unused_ms;
		newest->settle_ms = policy->settle_ms;
		newest->pages = 0;
	}
	newest->pages += pages;
}
