// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of free page hinting: what counts as idle.
 */
#include <kunit/test.h>
#include <linux/math64.h>

#include "policy_model.h"

#define PRICE_MS	6700U
/* What nobody has used yet waits for so long. */
#define WAIT_MS		(PRICE_MS / 64)
/* The longest time between two looks while something is kept. */
#define LOOK_MS		(PRICE_MS / 64)
#define MIB		MODEL_MIB
#define GIB		(1024 * MIB)

/* Each zone has one, also in guests with little memory. */
static_assert(sizeof(struct page_hinting_policy) <= 1024);

/* A zone with so much free memory, all of it hinted long ago. */
static void start_idle(struct kunit *test, struct model *model,
		       unsigned int price_ms, unsigned long pages)
{
	model_start(model, price_ms, 0);
	model_free(model, pages);
	model_pass(model, 10ULL * price_ms);
	KUNIT_ASSERT_EQ(test, model->unhinted_pages, 0UL);
	KUNIT_ASSERT_TRUE(test, model_asleep(model));
}

static u32 next_random(u32 *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Memory freed once is hinted one shortest wait later, and that is all. */
static void one_off_free(struct kunit *test)
{
	struct model model;

	model_start(&model, PRICE_MS, 12345);
	model_pass(&model, 5 * PRICE_MS);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	model.nr_looks = 0;
	model_free(&model, 8 * GIB);
	model_pass(&model, WAIT_MS - 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	model_pass(&model, 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 8 * GIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	KUNIT_EXPECT_LE(test, model.nr_looks, 3UL);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 8 * GIB);
}

/* A second free before the first is hinted does not go with it. */
static void later_free_waits_for_itself(struct kunit *test)
{
	unsigned int gap_ms;

	for (gap_ms = 1; gap_ms < WAIT_MS; gap_ms++) {
		struct model model;

		start_idle(test, &model, PRICE_MS, GIB);
		model.hinted_pages = 0;
		model_free(&model, 100 * MIB);
		model_pass(&model, gap_ms);
		model_free(&model, GIB);
		model_pass(&model, WAIT_MS - 1);
		KUNIT_EXPECT_LE_MSG(test, model.hinted_pages, 100 * MIB,
				    "%u ms later", gap_ms);
		model_pass(&model, WAIT_MS + 1);
		KUNIT_EXPECT_EQ_MSG(test, model.unhinted_pages, 0UL,
				    "%u ms later", gap_ms);
	}
}

/**
 * struct ms_case - what a refault may be worth, or how long a loop may pause
 * @name: of the case
 * @ms: so long
 */
struct ms_case {
	const char *name;
	unsigned int ms;
};

static const struct ms_case price_cases[] = {
	{ "1 ms", 1 },
	{ "50 ms", 50 },
	{ "1600 ms", 1600 },
	{ "6700 ms", 6700 },
	{ "60 s", 60000 },
};

KUNIT_ARRAY_PARAM_DESC(price, price_cases, name);

static const struct ms_case pause_cases[] = {
	{ "100 ms", 100 },
	{ "450 ms", 450 },
	{ "1500 ms", 1500 },
	{ "5000 ms", 5000 },
};

KUNIT_ARRAY_PARAM_DESC(pause, pause_cases, name);

/* For @ms, allocate and free at random, down to @floor_pages. */
static void use_at_random(struct model *model, u32 *seed, u64 ms,
			  unsigned long floor_pages, unsigned int step_ms)
{
	u64 end_ms = model->now_ms + ms;

	while (model->now_ms < end_ms) {
		unsigned long spare = model->free_pages - floor_pages;
		unsigned long pages = next_random(seed) % 256 * MIB;

		if (next_random(seed) & 1)
			model_alloc(model, min(pages, spare));
		else if (model->free_pages < 8 * GIB)
			model_free(model, pages);
		model_pass(model, min_t(u64, end_ms - model->now_ms,
					1 + next_random(seed) % step_ms));
	}
}

/* Whatever the habits are: what is free for the price is hinted by then. */
static void kept_no_longer_than_the_price(struct kunit *test)
{
	const struct ms_case *price = test->param_value;
	unsigned int i, most_ms = price->ms + max(price->ms / 64, 1U);
	struct model model;
	u32 seed = 1;

	model_start(&model, price->ms, 0);
	model_free(&model, 4 * GIB);
	for (i = 0; i < 200; i++) {
		/* Now and then the fast habits of a loop, or hardly any use. */
		unsigned int step_ms = max(price->ms / (i % 3 ? 8 : 1), 1U);
		unsigned long floor_pages;

		use_at_random(&model, &seed, next_random(&seed) % most_ms, 0,
			      step_ms);
		floor_pages = model.free_pages;
		use_at_random(&model, &seed, most_ms, floor_pages, step_ms);
		KUNIT_EXPECT_LE_MSG(test, model.unhinted_pages,
				    model.free_pages - floor_pages,
				    "round %u", i);
	}
}

/**
 * struct adversary_case - one who knows the policy and wants it to cost most
 * @name: of the case
 * @each: in each of so many rounds,
 * @rest: once hinted, the memory is left alone for so many prices
 * @pauses: or it is taken after these times in turn, in percent of the price
 * @most: what this may cost, in percent of what it costs who knows the future
 */
struct adversary_case {
	const char *name;
	unsigned int each;
	unsigned int rest;
	unsigned int pauses[2];
	unsigned int most;
};

static const struct adversary_case adversary_cases[] = {
	{ "takes it once hinted", 1, 0, { }, 200 },
	{ "takes it 3 prices later", 1, 3, { }, 105 },
	{ "takes each second 3 prices later", 2, 3, { }, 210 },
	{ "takes each tenth 3 prices later", 10, 3, { }, 300 },
	{ "takes it after two pauses in turn", 1, 0, { 63, 197 }, 195 },
};

KUNIT_ARRAY_PARAM_DESC(adversary, adversary_cases, name);

/* Let time pass. Return: what keeping memory cost, in MiB times ms. */
static u64 pass_and_pay(struct model *model, u64 ms)
{
	u64 end_ms = model->now_ms + ms, kept = 0;

	while (model->now_ms < end_ms) {
		u64 part_ms = end_ms - model->now_ms;

		if (model->look_in_ms)
			part_ms = min_t(u64, part_ms, model->look_in_ms);
		kept += part_ms * (model->unhinted_pages / MIB);
		model_pass(model, part_ms);
	}
	return kept;
}

/* Return: what 200 rounds cost, in percent of the least. */
static unsigned int cost_of(const struct adversary_case *adversary,
			    unsigned int price_ms)
{
	const unsigned int mib = 64;
	u64 paid = 0, least = 0;
	struct model model;
	int i;

	model_start(&model, price_ms, 0);
	model_pass(&model, 10);
	for (i = 0; i < 200; i++) {
		unsigned int pause = adversary->pauses[i % 2];
		u64 since_ms = model.now_ms;

		model_free(&model, mib * MIB);
		paid += pass_and_pay(&model, pause * price_ms / 100);
		while (!pause && model.unhinted_pages &&
		       model.now_ms < since_ms + 2 * price_ms)
			paid += pass_and_pay(&model, 1);
		if (!pause && i % adversary->each == 0)
			paid += pass_and_pay(&model, adversary->rest * price_ms);
		least += mib * min_t(u64, model.now_ms - since_ms, price_ms);
		model_alloc(&model, mib * MIB);
		model_pass(&model, 50);
	}
	paid += (u64)price_ms * (model.faulted_pages / MIB);
	return div64_u64(paid * 100, least);
}

/* Rent or buy: whoever takes the memory when it hurts most gains little. */
static void adversary_gains_little(struct kunit *test)
{
	const struct adversary_case *adversary = test->param_value;

	KUNIT_EXPECT_LE(test, cost_of(adversary, 1600), adversary->most);
	KUNIT_EXPECT_LE(test, cost_of(adversary, PRICE_MS), adversary->most);
}

/**
 * struct loop_case - a program that uses the same memory again and again
 * @name: of the case
 * @busy_ms: how long it has the memory
 * @pause_ms: how long it has not
 * @nr_wrong: how often it may find its memory gone
 */
struct loop_case {
	const char *name;
	unsigned int busy_ms;
	unsigned int pause_ms;
	unsigned int nr_wrong;
};

static const struct loop_case loop_cases[] = {
	{ "10 ms", 5, 5, 0 },
	{ "50 ms", 20, 30, 0 },
	{ "90 ms pauses", 200, 90, 0 },
	{ "110 ms pauses", 20, 110, 1 },
	{ "300 ms pauses", 200, 300, 1 },
	{ "300 ms pauses, 1 s busy", 1000, 300, 1 },
	{ "700 ms pauses", 100, 700, 1 },
	{ "1500 ms pauses", 200, 1500, 1 },
	{ "1500 ms pauses, 5 s busy", 5000, 1500, 2 },
	{ "3000 ms pauses", 50, 3000, 1 },
	{ "5000 ms pauses", 200, 5000, 2 },
};

KUNIT_ARRAY_PARAM_DESC(loop, loop_cases, name);

static void run_loop(struct model *model, const struct loop_case *loop,
		     unsigned int rounds, unsigned long pages)
{
	while (rounds--) {
		model_alloc(model, pages);
		model_pass(model, loop->busy_ms);
		model_free(model, pages);
		model_pass(model, loop->pause_ms);
	}
}

/* After this time nothing is left of a loop that is over. */
static unsigned int end_ms(unsigned int pause_ms)
{
	return min(2 * pause_ms + 300, PRICE_MS + LOOK_MS);
}

/* What a loop reuses stays, after a wrong guess or two; at its end all goes. */
static void loop_keeps_its_memory(struct kunit *test)
{
	/* Of the second one, the end is but a small part of a level. */
	static const unsigned long sizes[] = { 64 * MIB, 300 * MIB, 512 * MIB };
	const struct loop_case *loop = test->param_value;
	struct model model;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long pages = sizes[i];

		start_idle(test, &model, PRICE_MS, GIB);
		/* The first use is not one of the loop's. */
		run_loop(&model, loop, 1, pages);
		model.faulted_pages = 0;
		run_loop(&model, loop, 2, pages);
		KUNIT_EXPECT_LE(test, model.faulted_pages,
				loop->nr_wrong * pages);
		model.faulted_pages = 0;
		run_loop(&model, loop, 100, pages);
		KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, pages);

		/* A pause seems to be as long as it is between two looks. */
		model_pass(&model, end_ms(max(loop->pause_ms, 150U)) -
			   loop->pause_ms);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
		model_pass(&model, WAIT_MS);
		KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	}
}

/* Of two pauses the short one is bridged, the one above the price is not. */
static void short_pause_is_bridged(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 200 };
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	for (i = 0; i < 8; i++) {
		run_loop(&model, &loop, 20, 512 * MIB);
		/* Of what is used at once, once it is learnt, nothing. */
		model.faulted_pages = 0;
		run_loop(&model, &loop, 10, 512 * MIB);
		KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
		model_pass(&model, 200 + 300);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
		model_pass(&model, 2 * PRICE_MS);
	}
}

/* After a busy time: what the loop never used goes at once, then the rest. */
static void unused_goes_first(struct kunit *test)
{
	const struct ms_case *pause = test->param_value;
	struct loop_case loop = { .busy_ms = 50, .pause_ms = pause->ms };
	struct model model;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	model_alloc(&model, GIB);
	run_loop(&model, &loop, 20000 / (50 + pause->ms) + 1, 384 * MIB);
	model_alloc(&model, 384 * MIB);
	model_pass(&model, loop.busy_ms);
	KUNIT_ASSERT_EQ(test, model.unhinted_pages, 0UL);

	model_free(&model, 384 * MIB);
	model_free(&model, GIB);
	model_pass(&model, 300);
	KUNIT_EXPECT_LE(test, model.unhinted_pages, 384 * MIB + GIB / 20);
	model_pass(&model, end_ms(pause->ms) - 300);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* Some half-lives after its end, nothing is known of a loop. */
static void loop_is_forgotten(struct kunit *test)
{
	const struct ms_case *pause = test->param_value;
	struct loop_case loop = { .busy_ms = 100, .pause_ms = pause->ms };
	struct model model;

	start_idle(test, &model, PRICE_MS, 512 * MIB);
	run_loop(&model, &loop, 40, 512 * MIB);
	model_alloc(&model, 512 * MIB);
	/* So far it is known. */
	model_pass(&model, PRICE_MS);
	model_free(&model, 512 * MIB);
	model_pass(&model, pause->ms);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 512 * MIB);

	model_alloc(&model, 512 * MIB);
	model_pass(&model, 6 * PRICE_MS);
	model_free(&model, 512 * MIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* A loop whose pauses become shorter: the long ones are not known for ever. */
static void habits_change(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 3000 };
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	run_loop(&model, &loop, 10, 512 * MIB);
	loop.pause_ms = 300;
	run_loop(&model, &loop, 300, 512 * MIB);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 512 * MIB);
	model_pass(&model, end_ms(loop.pause_ms) - loop.pause_ms);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* The few pages that a loop needs of a level are learnt, too. */
static void little_of_a_level(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 1500 };
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	/* Level 4 begins 60 MiB below the peak. */
	run_loop(&model, &loop, 3, 60 * MIB + 8);
	model.faulted_pages = 0;
	run_loop(&model, &loop, 5, 60 * MIB + 8);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
}

/* However often a level is needed, its counts stop at the most, not at 0. */
static void counts_do_not_overflow(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 10, .pause_ms = 120 };
	unsigned int i, nr, sum, last_sum = 0;
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	for (i = 0; i < 300; i++) {
		run_loop(&model, &loop, 1, 512 * MIB);
		for (nr = 0, sum = 0; nr < PAGE_HINTING_LENGTHS; nr++)
			sum += model.policy.levels[4].lengths[nr];
		/* They are halved now and then. */
		KUNIT_EXPECT_GE(test, sum + PAGE_HINTING_LENGTHS, last_sum / 2);
		last_sum = sum;
	}
	KUNIT_EXPECT_GT(test, last_sum, U16_MAX / 2U);
}

/*
 * How much of the per-CPU lists is used is known at a look only. So a loop seems
 * to need a huge page more each second time, which then is no longer pause.
 */
static void rest_is_no_longer_pause(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	for (i = 0; i < 40; i++) {
		unsigned long pages = (384 - 2 * (i & 1)) * MIB;

		model_alloc(&model, pages);
		model_pass(&model, 10);
		model_free(&model, pages);
		model_pass(&model, 300);
	}
	KUNIT_EXPECT_LT(test, page_hinting_policy_settle_ms(&model.policy),
			2 * 310U);
}

/* Nor is a slow demand as young as the little that was freed just before. */
static void noise_is_not_the_demand(struct kunit *test)
{
	struct model model;
	int i, step;

	start_idle(test, &model, PRICE_MS, GIB);
	for (i = 0; i < 30; i++) {
		for (step = 0; step < 20; step++) {
			model_free(&model, MIB / 4);
			model_pass(&model, LOOK_MS + 1);
			model_alloc(&model, MIB / 4 + 3 * MIB);
		}
		model_free(&model, 60 * MIB);
		model_pass(&model, 1000);
	}
	KUNIT_EXPECT_GT(test, page_hinting_policy_settle_ms(&model.policy),
			1000U);
	/* And what was free for hours was not needed early. */
	model_pass(&model, 3600 * MSEC_PER_SEC);
	model.early_pages = 0;
	for (step = 0; step < 100; step++) {
		model_free(&model, MIB / 4);
		model_pass(&model, LOOK_MS + 1);
		model_alloc(&model, MIB / 4 + 3 * MIB);
	}
	KUNIT_EXPECT_LE(test, model.early_pages, 100 * MIB / 4);
}

/* For @rounds, use 32 MiB each 100 ms and 512 MiB each 2 s. */
static void run_two_loops(struct model *model, unsigned int rounds, bool large)
{
	struct loop_case small = { .busy_ms = 50, .pause_ms = 50 };

	while (rounds--) {
		if (large)
			model_alloc(model, 512 * MIB);
		run_loop(model, &small, 5, 32 * MIB);
		if (large)
			model_free(model, 512 * MIB);
		run_loop(model, &small, 15, 32 * MIB);
	}
}

/* A slow loop beside a fast one: each level of the stack has its own wait. */
static void levels_learn_for_themselves(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	run_two_loops(&model, 4, true);
	model.faulted_pages = 0;
	run_two_loops(&model, 40, true);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
	KUNIT_EXPECT_GE(test, model.unhinted_pages, 512 * MIB);

	/* The slow one ends, and its level does not wait for the fast one. */
	run_two_loops(&model, 2, false);
	KUNIT_EXPECT_LE(test, model.unhinted_pages, 32 * MIB);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);

	/* What the fast one never used does not wait for the slow one. */
	start_idle(test, &model, PRICE_MS, GIB);
	run_two_loops(&model, 20, true);
	model_alloc(&model, 512 * MIB);
	run_two_loops(&model, 1, false);
	model_free(&model, 512 * MIB + 2 * GIB);
	model_pass(&model, LOOK_MS + WAIT_MS);
	KUNIT_EXPECT_LE(test, model.unhinted_pages, 544 * MIB);
	KUNIT_EXPECT_GE(test, model.unhinted_pages, 512 * MIB);
}

/* Whether memory of this level was needed again. */
static bool is_used(const struct model *model, unsigned int nr)
{
	unsigned int i, sum = 0;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
		sum += model->policy.levels[nr].lengths[i];
	return sum;
}

/* The peak is what depth is counted from for a moment, not for ever. */
static void depth_is_from_the_recent_peak(struct kunit *test)
{
	static const unsigned int rests_ms[] = { 300, 5000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rests_ms); i++) {
		struct model model;

		start_idle(test, &model, PRICE_MS, 2 * GIB);
		/* For a look, which begins a new peak, and another one. */
		model_free(&model, 10 * MIB);
		model_alloc(&model, GIB);
		model_pass(&model, rests_ms[i]);
		model_free(&model, 50 * MIB);
		model_pass(&model, 90);
		model_alloc(&model, 60 * MIB);
		model_pass(&model, 90);
		/* From 964 to 1014 MiB below the peak, or from 0 to 60. */
		KUNIT_EXPECT_EQ(test, is_used(&model, 7), !i);
		KUNIT_EXPECT_EQ(test, is_used(&model, 3), !!i);
	}
}

/* Free memory that comes and goes in a loop, with dips between the looks. */
static struct page_hinting_sample wave(unsigned int i)
{
	unsigned long pages = GIB + (i / 8 % 2) * 512 * MIB + i % 8 * MIB;

	return (struct page_hinting_sample){
		.now_ms = 1000 + 50 * i,
		.free_pages = pages,
		.low_pages = pages - i % 4 * 10 * MIB,
		.low_ms = 1000 + 50 * i - 20,
		.went_ms = 1000 + 50 * i - 20,
	};
}

/* Amounts of free memory are learnt from: not which blocks, nor hinting. */
static void only_amounts_count(struct kunit *test)
{
	struct page_hinting_policy *one, *other;
	unsigned int i;

	one = kunit_kzalloc(test, sizeof(*one), GFP_KERNEL);
	other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, other);
	page_hinting_policy_init(one, PRICE_MS, MODEL_ORDER, 0);
	page_hinting_policy_init(other, PRICE_MS, MODEL_ORDER, 0);
	for (i = 0; i < 400; i++) {
		struct page_hinting_sample sample = wave(i);
		struct page_hinting_advice advice, other_advice;

		sample.unhinted_pages = MIB;
		advice = page_hinting_policy_step(one, &sample);
		sample.unhinted_pages += i % 3 * 100 * MIB;
		sample.small_pages[i % MODEL_ORDER] = i % 5 * 50 * MIB;
		other_advice = page_hinting_policy_step(other, &sample);
		KUNIT_EXPECT_EQ(test, advice.early_pages,
				other_advice.early_pages);
	}
	KUNIT_EXPECT_MEMEQ(test, one->levels, other->levels,
			   sizeof(one->levels));
	KUNIT_EXPECT_EQ(test, one->nr_layers, other->nr_layers);
	KUNIT_EXPECT_MEMEQ(test, one->layers, other->layers,
			   sizeof(one->layers));
	/* And something was learnt. */
	KUNIT_EXPECT_GE(test, one->levels[6].settle_ms, 400U);
}

/* A program that is the first to use the guest's memory is no loop. */
static void first_use_is_no_reuse(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, 8 * GIB);
	for (i = 0; i < 80; i++) {
		model_alloc(&model, 100 * MIB);
		model_pass(&model, 100);
		/* This is used again each time, but nothing below it. */
		model_free(&model, 10 * MIB);
	}
	KUNIT_EXPECT_LE(test, model.early_pages, 79 * 10 * MIB);
	model_free(&model, 7 * GIB);
	model_pass(&model, 2 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* What is freed bit by bit goes bit by bit, none of it later than a lump. */
static void ramp_down(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, PRICE_MS, 0);
	for (i = 0; i < 400; i++) {
		model_free(&model, 10 * MIB);
		model_pass(&model, 10);
		/* What was freed just after a look is seen by the next one. */
		KUNIT_EXPECT_LE(test, model.unhinted_pages,
				2 * WAIT_MS * MIB + 20 * MIB);
	}
	model_pass(&model, 2 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* Freed bit by bit, allocated at once. */
static void saw_tooth(struct kunit *test)
{
	struct model model;
	int i, step;

	start_idle(test, &model, PRICE_MS, 512 * MIB);
	for (i = 0; i < 40; i++) {
		model_alloc(&model, 512 * MIB);
		for (step = 0; step < 32; step++) {
			model_pass(&model, 15);
			model_free(&model, 16 * MIB);
		}
		if (i == 7)
			model.faulted_pages = 0;
	}
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
}

/* Small demand at random: little of it is for what was just hinted. */
static void noise(struct kunit *test)
{
	unsigned long used_pages = 256 * MIB;
	struct model model;
	u32 seed = 1;
	int i;

	start_idle(test, &model, PRICE_MS, 768 * MIB);
	for (i = 0; i < 6000; i++) {
		unsigned long pages = next_random(&seed) % 16 * MIB;

		if (next_random(&seed) & 1 && used_pages < 512 * MIB) {
			model_alloc(&model, pages);
			used_pages += pages;
		} else if (used_pages > pages) {
			model_free(&model, pages);
			used_pages -= pages;
		}
		model_pass(&model, 10);
	}
	KUNIT_EXPECT_GT(test, model.allocated_pages, 10 * GIB);
	KUNIT_EXPECT_LE(test, model.faulted_pages, model.allocated_pages / 20);
}

/* Memory that goes before it was idle is not hinted, nor waited for. */
static void zone_going_away(struct kunit *test)
{
	struct model model;

	model_start(&model, PRICE_MS, 0);
	model_pass(&model, 10);
	model_free(&model, GIB);
	model_pass(&model, WAIT_MS / 2);
	model_alloc(&model, GIB);
	model_pass(&model, PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
}

/* Little that is kept is no reason to look often, nor to miss a large free. */
static void little_is_looked_at_rarely(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 3000 };
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	run_loop(&model, &loop, 8, 4 * MIB);
	run_loop(&model, &loop, 1, 4 * MIB);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 4 * MIB);
	model.nr_looks = 0;
	model_free(&model, 4 * MIB);
	model_pass(&model, 2000);
	KUNIT_EXPECT_LE(test, model.nr_looks, 6UL);
	model.hinted_pages = 0;
	model_free(&model, 100 * MIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_GE(test, model.hinted_pages, 96 * MIB);
}

/* The per-CPU lists are emptied once there is enough in them; then no timer. */
static void lists_are_emptied_once(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model.nr_drains = 0;
	model.hinted_pages = 0;
	model.list_pages = 7 * MIB;
	model_free(&model, 20 * MIB);
	model_pass(&model, 2 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 0UL);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 20 * MIB);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	model.list_pages += 13 * MIB;
	model_free(&model, 3 * MIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 1UL);
	/* What they held was as idle as the rest. */
	model_pass(&model, 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 43 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 1UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
}

/* What a loop frees into them stays there in its pauses, not at its end. */
static void lists_are_emptied_at_the_end(struct kunit *test)
{
	const struct ms_case *pause = test->param_value;
	struct loop_case loop = { .busy_ms = 50, .pause_ms = pause->ms };
	unsigned long listed;
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	run_loop(&model, &loop, 8, 512 * MIB);
	for (i = 0; i < 20; i++) {
		listed = model.list_pages;
		model.list_pages = 0;
		model_alloc(&model, 512 * MIB - listed);
		model_pass(&model, loop.busy_ms);
		model.list_pages = 112 * MIB;
		model_free(&model, 400 * MIB);
		model.nr_drains = 0;
		model_pass(&model, loop.pause_ms);
		KUNIT_EXPECT_EQ(test, model.nr_drains, 0UL);
	}

	model.list_pages = 0;
	model_alloc(&model, 400 * MIB);
	model_pass(&model, loop.busy_ms);
	model.nr_drains = 0;
	model_free(&model, 400 * MIB);
	model.list_pages = 112 * MIB;
	model_pass(&model, 2 * end_ms(pause->ms));
	KUNIT_EXPECT_EQ(test, model.nr_drains, 1UL);
	KUNIT_EXPECT_EQ(test, model.list_pages, 0UL);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
}

/* What has to be kept is kept in the lists, and nearly all else is hinted. */
static void lists_are_used_first(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 1500 };
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	run_loop(&model, &loop, 8, 64 * MIB);
	model_alloc(&model, 64 * MIB);
	model_pass(&model, loop.busy_ms);
	model.nr_drains = 0;
	model.list_pages = 64 * MIB;
	model.small_order = 3;
	model_free_small(&model, 16 * MIB);
	model_free(&model, 32 * MIB);
	model_pass(&model, 9 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 0UL);
	/* Some of what is in the lists may be of no use to the loop. */
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 8 * MIB);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
}

/* While it looks often, a free is no reason to look once more. */
static void frees_do_not_wake_meanwhile(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	model_free(&model, 100 * MIB);
	model.nr_looks = 0;
	for (i = 0; i < 100; i++) {
		model_free(&model, MIB);
		model_pass(&model, 1);
	}
	KUNIT_EXPECT_LE(test, model.nr_looks, 1UL);
}

/* What is young in the lists is seen to be idle, though nothing is freed then. */
static void young_lists_are_emptied(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model.list_pages += 6 * MIB;
	model_look(&model, true);
	model_pass(&model, 10 * WAIT_MS);
	model.list_pages += 3 * MIB;
	model_look(&model, true);
	model_pass(&model, 10 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.list_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
}

/* Many CPUs that use their lists fill them again at once, for ever. */
static void lists_that_are_used(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	model_alloc(&model, 512 * MIB);
	model_pass(&model, 2 * PRICE_MS);
	model_free(&model, 512 * MIB);
	model.nr_drains = 0;
	model.nr_looks = 0;
	for (i = 0; i < 5000; i++) {
		if (model.list_pages < 20 * MIB) {
			model.free_pages -= 20 * MIB;
			model.unhinted_pages -= min(20 * MIB,
						    model.unhinted_pages);
			model.list_pages += 20 * MIB;
		}
		model_pass(&model, 1);
	}
	KUNIT_EXPECT_LE(test, model.nr_drains, 5000UL / (4 * WAIT_MS) + 1);
	KUNIT_EXPECT_LE(test, model.nr_looks, 5000UL / WAIT_MS + 1);
}

/**
 * struct small_case - small blocks that are freed and not used
 * @name: of the case
 * @order: of the blocks
 * @waits: how many times the shortest wait they are kept
 */
struct small_case {
	const char *name;
	unsigned int order;
	unsigned int waits;
};

static const struct small_case small_cases[] = {
	{ "order 8", 8, 2 },
	{ "order 7", 7, 2 },
	{ "order 6", 6, 4 },
	{ "order 5", 5, 4 },
	{ "order 4", 4, 8 },
	{ "order 3", 3, 8 },
	{ "order 2", 2, 16 },
	{ "order 1", 1, 16 },
	{ "order 0", 0, 32 },
};

KUNIT_ARRAY_PARAM_DESC(small, small_cases, name);

/* The smaller the blocks, the longer they wait; then slice by slice. */
static void smaller_blocks_later(struct kunit *test)
{
	const struct small_case *small = test->param_value;
	unsigned int i, wait_ms = small->waits * WAIT_MS;
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = small->order;
	model.nr_looks = 0;
	model.hinted_pages = 0;
	/* Small blocks first: what is freed last is what is kept longest. */
	model_free_small(&model, 480 * MIB);
	model_free(&model, GIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, GIB);
	model_pass(&model, wait_ms - WAIT_MS - 1);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
	for (i = 1; i <= 30; i++) {
		model_pass(&model, 1);
		KUNIT_EXPECT_EQ(test, model.small_hinted_pages,
				i * PAGE_HINTING_SLICE_PAGES);
	}
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
	model_pass(&model, 2);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	KUNIT_EXPECT_LE(test, model.nr_looks, 50UL);
}

/* All orders that are idle are hinted together, the others left. */
static void orders_of_a_mix(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 1000 };
	struct page_hinting_policy policy;
	struct page_hinting_advice advice;

	page_hinting_policy_init(&policy, PRICE_MS, MODEL_ORDER, 0);
	sample.free_pages = GIB;
	sample.low_pages = GIB;
	sample.small_pages[8] = 4 * MIB;
	sample.small_pages[2] = 5 * MIB;
	sample.small_pages[1] = 3 * MIB;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.small_pages, 0UL);
	KUNIT_EXPECT_EQ(test, advice.wake_pages,
			12 * MIB + PAGE_HINTING_SIGNIFICANT_PAGES);

	sample.now_ms = 1000 + 2 * WAIT_MS;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.small_pages, 4 * MIB);
	KUNIT_EXPECT_EQ(test, advice.small_order, 8U);
	sample.now_ms = 1000 + 16 * WAIT_MS;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.small_pages, 12 * MIB);
	KUNIT_EXPECT_EQ(test, advice.small_order, 1U);
	KUNIT_EXPECT_EQ(test, advice.look_in_ms, 1U);
}

/* A policy for these orders that has 128 MiB of one of them to hint. */
static void check_orders(struct kunit *test, unsigned int usual,
			 unsigned int lowest, unsigned int order)
{
	struct model model;

	model_start(&model, PRICE_MS, 0);
	page_hinting_policy_init(&model.policy, PRICE_MS, usual, lowest);
	model.small_order = order;
	model_free_small(&model, 128 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.look_in_ms, 0U);
	KUNIT_EXPECT_LT(test, model.nr_looks, 30UL);
	KUNIT_EXPECT_EQ_MSG(test, model.small_hinted_pages,
			    order < lowest ? 0UL : 128 * MIB,
			    "order %u, %u to %u", order, usual, lowest);
}

/* Whatever the orders are: all down to the lowest one, then it is asleep. */
static void any_orders(struct kunit *test)
{
	unsigned int usual, lowest, order;

	for (usual = 0; usual <= MAX_PAGE_ORDER; usual++)
		for (lowest = 0; lowest <= usual; lowest++)
			for (order = 0; order < usual; order++)
				check_orders(test, usual, lowest, order);
}

/* With a lowest order that is the usual one, small blocks are nobody's. */
static void no_smaller_blocks(struct kunit *test)
{
	struct model model;

	model_start(&model, PRICE_MS, 0);
	page_hinting_policy_init(&model.policy, PRICE_MS, MODEL_ORDER,
				 MODEL_ORDER);
	model.small_order = MODEL_ORDER - 1;
	model_pass(&model, 10);
	model.nr_looks = 0;
	model_free_small(&model, GIB);
	model_pass(&model, 10 * PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.nr_looks, 0UL);
	KUNIT_EXPECT_EQ(test, model.wake_pages, ULONG_MAX);
	/* What is looked at for another reason, neither. */
	model_free(&model, GIB);
	model_pass(&model, 10 * PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, GIB);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
}

/* A little free memory in small blocks is not worth a timer. */
static void crumbs_set_no_timer(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 3;
	model_free_small(&model, 7 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	model_free(&model, GIB);
	model_pass(&model, WAIT_MS + 2);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));

	/* Of that, they go: but not the last crumbs. */
	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 3;
	model_free_small(&model, PAGE_HINTING_REST_PAGES - 1);
	model_pass(&model, 10 * PRICE_MS);
	model_free(&model, 20 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	model_free(&model, 20 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	model_free_small(&model, 1);
	model_free(&model, 20 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	model_free(&model, 20 * MIB);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages,
			PAGE_HINTING_REST_PAGES);
}

/* Small blocks that come bit by bit wake nobody until they are worth it. */
static void small_blocks_add_up(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 3;
	model.nr_looks = 0;
	for (i = 0; i < 15; i++) {
		model_free_small(&model, MIB / 2);
		model_pass(&model, PRICE_MS);
	}
	KUNIT_EXPECT_EQ(test, model.nr_looks, 0UL);
	for (i = 0; i < 185; i++) {
		model_free_small(&model, MIB / 2);
		model_pass(&model, PRICE_MS);
		KUNIT_EXPECT_LE(test, model.small_unhinted_pages, 16 * MIB);
	}
	KUNIT_EXPECT_GE(test, model.small_hinted_pages, 84 * MIB);
	KUNIT_EXPECT_LE(test, model.nr_looks, 100UL);
}

/* However long little is freed again and again, what is below it goes. */
static void trickle_puts_nothing_off(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 0;
	model_free_small(&model, 512 * MIB);
	for (i = 0; i < 50; i++) {
		model_pass(&model, WAIT_MS);
		model_free(&model, MIB);
	}
	KUNIT_EXPECT_LE(test, model.small_unhinted_pages, 32 * MIB);
	KUNIT_EXPECT_LE(test, model.unhinted_pages, 2 * MIB);
}

/* Demand while small blocks wait: what was used waits anew. */
static void demand_begins_anew(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 4;
	model_free_small(&model, 500 * MIB);
	model_pass(&model, 8 * WAIT_MS - 50);
	model_alloc_small(&model, 400 * MIB);
	model_pass(&model, 10);
	model_free_small(&model, 400 * MIB);
	model_pass(&model, 100);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 100 * MIB);
	model_pass(&model, 8 * WAIT_MS - 101);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 100 * MIB);
	/* What was learnt is not multiplied by the price. */
	model_pass(&model, PRICE_MS - 8 * WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
}

/* A program that uses small blocks now and then keeps them. */
static void small_loop_keeps_its_memory(struct kunit *test)
{
	const struct ms_case *pause = test->param_value;
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	model.small_order = 6;
	model_free_small(&model, GIB);
	model_pass(&model, 10 * PRICE_MS);
	for (i = 0; i < 40; i++) {
		if (i == 4)
			model.faulted_pages = 0;
		model_alloc_small(&model, 512 * MIB);
		model_pass(&model, 100);
		model_free_small(&model, 512 * MIB);
		model_pass(&model, pause->ms);
	}
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
	/* 4 waits at least, and what was learnt is not multiplied. */
	model_pass(&model, max(end_ms(pause->ms), 6 * WAIT_MS) - pause->ms);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
}

static unsigned long random_pages(u32 *seed)
{
	unsigned long pages = next_random(seed);

	switch (next_random(seed) % 8) {
	case 0:
		return 0;
	case 1:
		return ULONG_MAX / 2 - pages;
	case 2:
		return pages % MAX_ORDER_NR_PAGES;
	default:
		return pages % (4 * GIB);
	}
}

static u64 random_ms(u32 *seed)
{
	switch (next_random(seed) % 16) {
	case 0:
		return 0;
	case 1:
		return (u64)next_random(seed) << 16;
	default:
		return next_random(seed) % 500;
	}
}

/* The layers are all of the free memory, the oldest first. */
static void check_layers(struct kunit *test,
			 const struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample)
{
	unsigned long pages = 0;
	unsigned int i;

	KUNIT_EXPECT_LE(test, policy->nr_layers, PAGE_HINTING_LAYERS);
	for (i = 0; i < policy->nr_layers; i++) {
		pages += policy->layers[i].pages;
		if (i)
			KUNIT_EXPECT_GE(test, policy->layers[i].since_ms,
					policy->layers[i - 1].since_ms);
	}
	KUNIT_EXPECT_EQ(test, pages, policy->free_pages);
	KUNIT_EXPECT_EQ(test, pages, sample->free_pages);
}

static void check_advice(struct kunit *test,
			 const struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample,
			 const struct page_hinting_advice *advice)
{
	unsigned long small_pages = 0;
	unsigned int order;

	for (order = advice->small_order; order < policy->usual_order; order++)
		small_pages += sample->small_pages[order];
	KUNIT_EXPECT_LE(test, advice->hint_pages, sample->unhinted_pages);
	KUNIT_EXPECT_LE(test, advice->small_pages, small_pages);
	KUNIT_EXPECT_LE(test, advice->small_pages, PAGE_HINTING_SLICE_PAGES);
	KUNIT_EXPECT_GE(test, advice->small_order, policy->lowest_order);
	KUNIT_EXPECT_LE(test, advice->small_order, policy->usual_order);
	/* Whoever keeps something looks again, or is told of a free. */
	if (advice->hint_pages < sample->unhinted_pages) {
		unsigned int most_ms = max(policy->refault_cost_ms / 64, 1U);

		if (advice->stay_pages < ULONG_MAX) {
			KUNIT_EXPECT_LE(test, advice->stay_pages,
					2 * PAGE_HINTING_SIGNIFICANT_PAGES);
			most_ms *= 4;
		}
		KUNIT_EXPECT_GT(test, advice->look_in_ms, 0U);
		KUNIT_EXPECT_LE(test, advice->look_in_ms, most_ms);
	}
	if (sample->list_pages >= 2 * PAGE_HINTING_SIGNIFICANT_PAGES)
		KUNIT_EXPECT_GT(test, advice->look_in_ms, 0U);
	if (advice->drain_lists || advice->small_pages)
		KUNIT_EXPECT_EQ(test, advice->look_in_ms, 1U);
}

/* Never more than there is, whatever the caller says of the past. */
static void hint_is_bounded(struct kunit *test)
{
	static const unsigned int prices_ms[] = { 1, 50, PRICE_MS, 3600000 };
	unsigned int i, round;
	u32 seed = 1;

	for (i = 0; i < ARRAY_SIZE(prices_ms); i++) {
		struct page_hinting_sample sample = { };
		struct page_hinting_policy policy;
		struct page_hinting_advice advice;

		page_hinting_policy_init(&policy, prices_ms[i], MODEL_ORDER,
					 next_random(&seed) % MODEL_ORDER);
		for (round = 0; round < 5000; round++) {
			u64 last_ms = sample.now_ms;
			unsigned long last_pages = policy.free_pages;

			sample.now_ms += random_ms(&seed);
			sample.low_ms = last_ms + random_ms(&seed);
			sample.went_ms = sample.low_ms;
			sample.low_ms = min(sample.low_ms, sample.now_ms);
			sample.went_ms = sample.low_ms;
			sample.free_pages = random_pages(&seed);
			sample.low_pages = random_pages(&seed);
			sample.list_pages = random_pages(&seed) % (sample.free_pages + 1);
			sample.unhinted_pages = random_pages(&seed);
			sample.small_pages[next_random(&seed) % NR_PAGE_ORDERS] =
				random_pages(&seed) % (16 * GIB);
			advice = page_hinting_policy_step(&policy, &sample);
			check_layers(test, &policy, &sample);
			check_advice(test, &policy, &sample, &advice);
			KUNIT_EXPECT_LE(test, advice.early_pages, last_pages);
		}
	}
}

/* More layers than there is room for: none of the memory is lost. */
static void full_stack(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 1000 };
	struct page_hinting_policy policy;
	struct page_hinting_advice advice;
	int i;

	page_hinting_policy_init(&policy, PRICE_MS, MODEL_ORDER, 0);
	for (i = 0; i < 4 * PAGE_HINTING_LAYERS; i++) {
		sample.low_pages = sample.free_pages;
		sample.low_ms = sample.now_ms;
		sample.went_ms = sample.low_ms;
		sample.now_ms += 1;
		sample.free_pages += 10 * MIB;
		sample.unhinted_pages = sample.free_pages;
		advice = page_hinting_policy_step(&policy, &sample);
		check_layers(test, &policy, &sample);
		KUNIT_EXPECT_EQ(test, advice.hint_pages, 0UL);
	}
	KUNIT_EXPECT_EQ(test, policy.nr_layers, PAGE_HINTING_LAYERS);
	sample.low_pages = sample.free_pages;
	sample.now_ms += WAIT_MS;
	sample.list_pages = PAGE_HINTING_SIGNIFICANT_PAGES;
	sample.unhinted_pages = sample.free_pages - sample.list_pages;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, sample.unhinted_pages);
	KUNIT_EXPECT_TRUE(test, advice.drain_lists);

	/* All of it goes at once. */
	sample.free_pages = 0;
	sample.low_pages = 0;
	sample.low_ms = sample.now_ms;
	sample.went_ms = sample.low_ms;
	sample.list_pages = 0;
	sample.unhinted_pages = 0;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, policy.nr_layers, 1U);
	KUNIT_EXPECT_EQ(test, advice.look_in_ms, 0U);
}

/* Where layers are merged it is the old ones: what is young stays young. */
static void young_layers_stay_apart(struct kunit *test)
{
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, GIB);
	for (i = 0; i < 5 * PAGE_HINTING_LAYERS; i++) {
		model_free(&model, 10 * MIB);
		model_look(&model, true);
		model_pass(&model, 5);
		KUNIT_EXPECT_GE(test, model.unhinted_pages,
				min(i + 1U, WAIT_MS / 2 / 5) * 10 * MIB);
		KUNIT_EXPECT_LE(test, model.unhinted_pages,
				(WAIT_MS / 5 + 2) * 10 * MIB);
	}
	KUNIT_EXPECT_EQ(test, model.policy.nr_layers, PAGE_HINTING_LAYERS);
}

/* Memory that is needed before the price is told of, hinted or not. */
static void early_use_is_told(struct kunit *test)
{
	struct model model;

	/* Since when the first memory seen was free, nobody knows. */
	model_start(&model, PRICE_MS, 0);
	model_free(&model, GIB);
	model_pass(&model, PRICE_MS / 2);
	model_alloc(&model, 300 * MIB);
	model_free(&model, 10 * MIB);
	KUNIT_EXPECT_EQ(test, model.early_pages, 0UL);

	start_idle(test, &model, PRICE_MS, GIB);
	model_alloc(&model, 300 * MIB);
	model_pass(&model, PRICE_MS);
	model_free(&model, 200 * MIB);
	model_pass(&model, PRICE_MS - 1);
	KUNIT_EXPECT_EQ(test, model.early_pages, 0UL);
	model_alloc(&model, 50 * MIB);
	/* The memory is looked at when something is freed. */
	model_free(&model, 10 * MIB);
	KUNIT_EXPECT_EQ(test, model.early_pages, 50 * MIB);
	model_pass(&model, 1);
	/* 10 MiB of this are too early, 150 come just late enough. */
	model_alloc(&model, 160 * MIB);
	model_pass(&model, PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.early_pages, 60 * MIB);
	/* What was free for 50 days is not. */
	model_free(&model, 10 * MIB);
	model_pass(&model, PRICE_MS);
	KUNIT_ASSERT_TRUE(test, model_asleep(&model));
	model.now_ms += (1ULL << 32) - PRICE_MS;
	model_alloc(&model, 10 * MIB);
	model_free(&model, 10 * MIB);
	KUNIT_EXPECT_EQ(test, model.early_pages, 60 * MIB);
}

/* After hours without a look, the first one is as of a new zone. */
static void long_sleep(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 3000 };
	struct page_hinting_sample sample = { };
	struct page_hinting_advice advice;
	struct model model;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	run_loop(&model, &loop, 20, GIB);
	/* All is hinted: the loop is over, and allocations wake nobody. */
	model_pass(&model, PRICE_MS + LOOK_MS);
	KUNIT_ASSERT_TRUE(test, model_asleep(&model));
	model_alloc(&model, 1500 * MIB);
	model_pass(&model, 3 * 3600 * 1000);
	model.early_pages = 0;
	model_free(&model, 3 * GIB);
	KUNIT_EXPECT_EQ(test, model.early_pages, 0UL);
	model_pass(&model, WAIT_MS - 1);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 3 * GIB);
	model_pass(&model, 1);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	model_pass(&model, 1);

	/* What it did not touch was idle; what came at the end of it not. */
	sample.free_pages = model.free_pages;
	sample.low_pages = 10 * MIB;
	sample.now_ms = model.now_ms + 5 * 3600 * 1000;
	sample.low_ms = sample.now_ms - 50;
	sample.went_ms = sample.low_ms;
	sample.freed = true;
	sample.unhinted_pages = sample.free_pages;
	advice = page_hinting_policy_step(&model.policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 10 * MIB);
	KUNIT_EXPECT_EQ(test, advice.look_in_ms, WAIT_MS);
}

/* All the same where the clock has no more than 32 bits, and beyond. */
static void clock_at_32_bits(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 3000 };
	u64 start_ms = (1ULL << 32) - 12345;
	struct model model;

	model_start(&model, PRICE_MS, start_ms);
	model_pass(&model, 10);
	model_free(&model, GIB);
	run_loop(&model, &loop, 3, 512 * MIB);
	KUNIT_ASSERT_EQ(test, upper_32_bits(model.now_ms), 0U);
	model.faulted_pages = 0;
	run_loop(&model, &loop, 10, 512 * MIB);
	KUNIT_ASSERT_EQ(test, upper_32_bits(model.now_ms), 1U);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 512 * MIB);
	model_pass(&model, PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* What a balloon takes and gives back is neither demand nor newly free. */
static void balloon_teaches_nothing(struct kunit *test)
{
	struct model model;
	int i, pulse;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	for (pulse = 0; pulse < 3; pulse++) {
		for (i = 0; i < 1024; i++) {
			model_inflate(&model, MIB);
			model_pass(&model, 2);
		}
		model_pass(&model, 2000);
		for (i = 0; i < 1024; i++) {
			/* What is in the lists comes later. */
			model_deflate(&model, MIB, i % 8 == 0);
			model_pass(&model, 2);
		}
		KUNIT_EXPECT_LE(test, model.unhinted_pages, MIB);
		model_pass(&model, 2000);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	}
	KUNIT_EXPECT_EQ(test, model.early_pages, 0UL);
	KUNIT_EXPECT_EQ(test, page_hinting_policy_settle_ms(&model.policy),
			WAIT_MS);
	model_alloc(&model, 300 * MIB);
	model_pass(&model, 3000);
	model_free(&model, 300 * MIB);
	model_pass(&model, WAIT_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* A balloon takes all there is, and then there is memory again. */
static void balloon_takes_all(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, GIB);
	model_alloc(&model, 500 * MIB);
	model_free(&model, 500 * MIB);
	model_inflate(&model, GIB);
	model_look(&model, false);
	model_pass(&model, 1000);
	model_deflate(&model, GIB, false);
	model_look(&model, false);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	/* The program's pause was a second, whatever the balloon did. */
	model_alloc(&model, 500 * MIB);
	model_look(&model, false);
	KUNIT_EXPECT_EQ(test, model.early_pages, 500 * MIB);
	model_free(&model, 500 * MIB);
	model_pass(&model, PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* While a loop runs, a balloon changes nothing of what it has learnt. */
static void balloon_beside_a_loop(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 1500 };
	unsigned int settle_ms;
	struct model model;
	int i;

	start_idle(test, &model, PRICE_MS, 3 * GIB);
	model_alloc(&model, GIB);
	run_loop(&model, &loop, 3, 256 * MIB);
	settle_ms = page_hinting_policy_settle_ms(&model.policy);
	model.early_pages = 0;
	for (i = 0; i < 10; i++) {
		model_inflate(&model, 128 * MIB);
		model_pass(&model, 200);
		run_loop(&model, &loop, 1, 256 * MIB);
		model_deflate(&model, 128 * MIB, false);
		model_pass(&model, 200);
		run_loop(&model, &loop, 1, 256 * MIB);
	}
	/* What the loop uses, and nothing else. */
	KUNIT_EXPECT_EQ(test, model.early_pages, 20 * 256 * MIB);
	KUNIT_EXPECT_EQ(test, page_hinting_policy_settle_ms(&model.policy),
			settle_ms);
	/* Nor has anything else of a level to wait. */
	model_free(&model, GIB);
	model_pass(&model, WAIT_MS + 2);
	KUNIT_EXPECT_LE(test, model.unhinted_pages, 256 * MIB);
	model_pass(&model, PRICE_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* What a balloon gave back, and was used unseen, is not expected for ever. */
static void balloon_is_forgotten(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	model_inflate(&model, GIB);
	model_look(&model, false);
	model_deflate(&model, GIB, false);
	model_alloc(&model, GIB);
	model_look(&model, false);
	model_pass(&model, 2 * PRICE_MS);
	model_look(&model, false);
	model_free(&model, 500 * MIB);
	model_pass(&model, WAIT_MS - 1);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 500 * MIB);
	model_pass(&model, 2);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* A balloon that takes hinted memory is no refault of what was kept in time. */
static void balloon_is_no_refault(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 1500 };
	struct model model;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	run_loop(&model, &loop, 3, 256 * MIB);
	model_look(&model, false);
	model.early_pages = 0;
	model.refaulted_pages = 0;
	model_alloc(&model, 256 * MIB);
	model_inflate(&model, 256 * MIB);
	model_look(&model, false);
	KUNIT_EXPECT_EQ(test, model.early_pages, 256 * MIB);
	KUNIT_EXPECT_EQ(test, model.refaulted_pages, 0UL);
}

/* Also where more is used than there are levels for. */
static void large_zone(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 1500 };
	struct model model;

	start_idle(test, &model, PRICE_MS, 128 * GIB);
	run_loop(&model, &loop, 3, 64 * GIB);
	model.faulted_pages = 0;
	run_loop(&model, &loop, 5, 64 * GIB);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
}

/* A little that is needed soon says nothing about what is needed much later. */
static void late_use_is_late(struct kunit *test)
{
	struct model model;

	start_idle(test, &model, PRICE_MS, 2 * GIB);
	model_alloc(&model, GIB);
	model_pass(&model, 2 * PRICE_MS);
	model_free(&model, GIB);
	model_pass(&model, WAIT_MS + 1);
	KUNIT_ASSERT_TRUE(test, model_asleep(&model));
	model.early_pages = 0;
	model_alloc(&model, 10 * MIB);
	model_pass(&model, 10 * PRICE_MS);
	model_alloc(&model, 500 * MIB);
	model_free(&model, 500 * MIB);
	KUNIT_EXPECT_EQ(test, model.early_pages, 0UL);
}

/* Who does not mind refaults has all hinted a millisecond later. */
static void least_price(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 3, .pause_ms = 2 };
	struct model model;

	start_idle(test, &model, 1, GIB);
	model.hinted_pages = 0;
	model.nr_looks = 0;
	model.small_order = 0;
	model_free(&model, 4 * GIB);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	model_pass(&model, 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 4 * GIB);
	model_free_small(&model, 160 * MIB);
	model_pass(&model, 32);
	KUNIT_EXPECT_GT(test, model.small_hinted_pages, 0UL);
	model_pass(&model, 20);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model_asleep(&model));
	KUNIT_EXPECT_LE(test, model.nr_looks, 60UL);
	run_loop(&model, &loop, 100, GIB);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 104 * GIB);
}

/* Who minds them much has loops of minutes kept, and few looks. */
static void high_price(struct kunit *test)
{
	const unsigned int hour_ms = 3600 * 1000, wait_ms = hour_ms / 64;
	struct loop_case loop = { .busy_ms = 1000, .pause_ms = hour_ms / 4 };
	struct model model;

	start_idle(test, &model, hour_ms, 2 * GIB);
	model.nr_looks = 0;
	model.hinted_pages = 0;
	model_free(&model, GIB);
	model_pass(&model, wait_ms - 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	model_pass(&model, 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, GIB);
	KUNIT_EXPECT_LE(test, model.nr_looks, 3UL);

	run_loop(&model, &loop, 3, GIB);
	model.faulted_pages = 0;
	run_loop(&model, &loop, 10, GIB);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
	model_pass(&model, hour_ms);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(one_off_free),
	KUNIT_CASE(later_free_waits_for_itself),
	KUNIT_CASE_PARAM(kept_no_longer_than_the_price, price_gen_params),
	KUNIT_CASE_PARAM(adversary_gains_little, adversary_gen_params),
	KUNIT_CASE_PARAM(loop_keeps_its_memory, loop_gen_params),
	KUNIT_CASE(short_pause_is_bridged),
	KUNIT_CASE_PARAM(unused_goes_first, pause_gen_params),
	KUNIT_CASE_PARAM(loop_is_forgotten, pause_gen_params),
	KUNIT_CASE(habits_change),
	KUNIT_CASE(little_of_a_level),
	KUNIT_CASE(counts_do_not_overflow),
	KUNIT_CASE(rest_is_no_longer_pause),
	KUNIT_CASE(noise_is_not_the_demand),
	KUNIT_CASE(levels_learn_for_themselves),
	KUNIT_CASE(depth_is_from_the_recent_peak),
	KUNIT_CASE(only_amounts_count),
	KUNIT_CASE(first_use_is_no_reuse),
	KUNIT_CASE(ramp_down),
	KUNIT_CASE(saw_tooth),
	KUNIT_CASE(noise),
	KUNIT_CASE(zone_going_away),
	KUNIT_CASE(little_is_looked_at_rarely),
	KUNIT_CASE(lists_are_emptied_once),
	KUNIT_CASE(lists_are_used_first),
	KUNIT_CASE(frees_do_not_wake_meanwhile),
	KUNIT_CASE(young_lists_are_emptied),
	KUNIT_CASE(lists_that_are_used),
	KUNIT_CASE_PARAM(lists_are_emptied_at_the_end, pause_gen_params),
	KUNIT_CASE_PARAM(smaller_blocks_later, small_gen_params),
	KUNIT_CASE(orders_of_a_mix),
	KUNIT_CASE(any_orders),
	KUNIT_CASE(no_smaller_blocks),
	KUNIT_CASE(crumbs_set_no_timer),
	KUNIT_CASE(small_blocks_add_up),
	KUNIT_CASE(trickle_puts_nothing_off),
	KUNIT_CASE(demand_begins_anew),
	KUNIT_CASE_PARAM(small_loop_keeps_its_memory, pause_gen_params),
	KUNIT_CASE(hint_is_bounded),
	KUNIT_CASE(full_stack),
	KUNIT_CASE(young_layers_stay_apart),
	KUNIT_CASE(early_use_is_told),
	KUNIT_CASE(long_sleep),
	KUNIT_CASE(clock_at_32_bits),
	KUNIT_CASE(balloon_teaches_nothing),
	KUNIT_CASE(balloon_takes_all),
	KUNIT_CASE(balloon_beside_a_loop),
	KUNIT_CASE(balloon_is_forgotten),
	KUNIT_CASE(balloon_is_no_refault),
	KUNIT_CASE(large_zone),
	KUNIT_CASE(late_use_is_late),
	KUNIT_CASE(least_price),
	KUNIT_CASE(high_price),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "page_hinting_policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
