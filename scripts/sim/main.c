// SPDX-License-Identifier: GPL-2.0
/*
 * Replay series of free memory through the policy. See scripts/simulate -h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../mm/page_hinting/tests/policy_model.h"
#include "judge.h"

/* What a refault is worth: prices that the policy is judged at. */
static const double prices_ms[] = { 1600, 6700 };

/* PAGE_HINTING_REFAULT_COST_MS in mm/page_hinting/thread.h. */
#define DEFAULT_PRICE_MS	6700

static void fail(const char *path, unsigned int line, const char *why)
{
	fprintf(stderr, "error: reading %s, line %u: %s; see scripts/simulate -h\n",
		path, line, why);
	exit(1);
}

static void *more_memory(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (!memory) {
		perror("error: reading a series");
		exit(1);
	}
	return memory;
}

static bool read_point(FILE *file, const char *path, unsigned int *line,
		       struct point *point)
{
	unsigned long long ms, last_ms = point->ms;
	char text[256], more;

	while (fgets(text, sizeof(text), file)) {
		++*line;
		if (*text == '#' || *text == '\n')
			continue;
		if (sscanf(text, "%llu %lu %c", &ms, &point->free_mib, &more) != 2)
			fail(path, *line, "not two numbers, milliseconds and MiB free");
		if (ms < last_ms)
			fail(path, *line, "the time goes back");
		point->ms = ms;
		return true;
	}
	return false;
}

static void read_series(struct series *series, const char *path)
{
	const char *name = strrchr(path, '/');
	FILE *file = fopen(path, "r");
	struct point point = { };
	unsigned int line = 0;

	*series = (struct series){ .name = name ? name + 1 : path };
	if (!file)
		fail(path, line, "cannot be read");
	while (read_point(file, path, &line, &point)) {
		series->points = more_memory(series->points,
					     (series->nr + 1) * sizeof(point));
		series->points[series->nr++] = point;
	}
	fclose(file);
	if (!series->nr)
		fail(path, line, "is empty");
}

static void change(struct model *model, unsigned long free_mib)
{
	unsigned long pages = free_mib * MODEL_MIB;

	if (pages < model->free_pages)
		model_alloc(model, model->free_pages - pages);
	else if (pages > model->free_pages)
		model_free(model, pages - model->free_pages);
}

/* Up to then, a line for each time that something was hinted. */
static u64 pass(struct model *model, u64 until_ms, bool verbose)
{
	u64 kept_mib_ms = 0;

	while (model->now_ms < until_ms) {
		u64 left_ms = until_ms - model->now_ms;
		unsigned long hinted_pages = model->hinted_pages;

		if (model->look_in_ms && model->look_in_ms < left_ms)
			left_ms = model->look_in_ms;
		kept_mib_ms += left_ms * (model->unhinted_pages / MODEL_MIB);
		model_pass(model, left_ms);
		if (verbose && hinted_pages != model->hinted_pages)
			printf("%8llu ms: hinted %lu MiB, unhinted %lu\n",
			       (unsigned long long)model->now_ms,
			       (model->hinted_pages - hinted_pages) / MODEL_MIB,
			       model->unhinted_pages / MODEL_MIB);
	}
	return kept_mib_ms;
}

/* Returns the cost, and leaves the model at the end of the series. */
static struct cost replay(const struct series *series, struct model *model,
			  unsigned int price_ms, bool verbose)
{
	u64 kept_mib_ms = 0;
	size_t i;

	model_start(model, price_ms, series->points->ms);
	change(model, series->points->free_mib);
	for (i = 1; i < series->nr; i++) {
		kept_mib_ms += pass(model, series->points[i].ms, verbose);
		change(model, series->points[i].free_mib);
	}
	return (struct cost){ kept_mib_ms, model->faulted_pages / MODEL_MIB };
}

static void tell(const struct series *series, unsigned int price_ms,
		 bool verbose)
{
	u64 start_ms = series->points->ms, end_ms;
	struct model model;
	struct cost cost = replay(series, &model, price_ms, verbose);

	/* How long until nothing happens any more. */
	end_ms = model.now_ms;
	while (!model_asleep(&model) && model.now_ms - end_ms < 120000)
		pass(&model, model.now_ms + 1, verbose);

	printf("%s: %.1f s, allocated %lu MiB, of which hinted %lu; hinted %lu MiB; kept unhinted %.0f MiB on average; %lu looks; idle after %llu ms\n",
	       series->name, (end_ms - start_ms) / 1000.0,
	       model.allocated_pages / MODEL_MIB, model.faulted_pages / MODEL_MIB,
	       model.hinted_pages / MODEL_MIB,
	       cost.kept_mib_ms / (end_ms - start_ms ?: 1),
	       model.nr_looks,
	       (unsigned long long)(model.now_ms - end_ms));
}

/* What the policy is compared with; @ms of 0 is as long as the price. */
static const struct rival {
	const char *name;
	bool mainline;
	double ms;
} rivals[] = {
	{ "0.125 s", false, 125 }, { "0.5 s", false, 500 },
	{ "1 s", false, 1000 }, { "2 s", false, 2000 }, { "price", false, 0 },
	{ "ml 1 ms", true, 1 }, { "ml 250", true, 250 }, { "ml 2 s", true, 2000 },
};

#define NR_COLUMNS	(1 + ARRAY_SIZE(rivals))

static struct cost cost_of(const struct series *series,
			   const struct rival *rival, double price_ms)
{
	return rival->mainline ? judge_mainline(series, rival->ms) :
		judge_fixed(series, rival->ms ?: price_ms);
}

static void print_row(const char *name, const double *ratios)
{
	size_t i;

	printf("%-28s", name);
	for (i = 0; i < NR_COLUMNS; i++)
		printf(" %8.2f", ratios[i]);
	printf("\n");
}

/* Each cost as a multiple of the optimum. Returns whether there is one. */
static bool compare(const struct series *series, double price_ms, double *ratios)
{
	double best = judge_optimum(series, price_ms);
	struct model model;
	struct cost cost;
	size_t i;

	if (!best)
		return false;
	cost = replay(series, &model, price_ms, false);
	ratios[0] = cost_sum(&cost, price_ms) / best;
	for (i = 0; i < ARRAY_SIZE(rivals); i++) {
		cost = cost_of(series, &rivals[i], price_ms);
		ratios[i + 1] = cost_sum(&cost, price_ms) / best;
	}
	print_row(series->name, ratios);
	return true;
}

static void print_optimum(const struct series *series, unsigned int nr_series,
			  double price_ms)
{
	double ratios[NR_COLUMNS], means[NR_COLUMNS] = { };
	double worst[NR_COLUMNS] = { };
	unsigned int i, nr = 0;
	size_t k;

	printf("a refault is worth %g s  ", price_ms / 1000);
	printf(" %8s", "policy");
	for (k = 0; k < ARRAY_SIZE(rivals); k++)
		printf(" %8s", rivals[k].name);
	printf("\n");
	for (i = 0; i < nr_series; i++) {
		if (!compare(&series[i], price_ms, ratios))
			continue;
		nr++;
		for (k = 0; k < NR_COLUMNS; k++) {
			means[k] += log(ratios[k]);
			worst[k] = max(worst[k], ratios[k]);
		}
	}
	for (k = 0; k < NR_COLUMNS; k++)
		means[k] = exp(means[k] / (nr ?: 1));
	print_row("geometric mean", means);
	print_row("worst", worst);
	printf("\n");
}

static unsigned int get_price_ms(void)
{
	const char *text = getenv("REFAULT_COST_MS");
	int ms = text ? atoi(text) : DEFAULT_PRICE_MS;

	if (ms > 0)
		return ms;
	fprintf(stderr, "error: REFAULT_COST_MS has to be a number of milliseconds, not \"%s\"\n",
		text);
	exit(1);
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	bool optimum = argc > 1 && !strcmp(argv[1], "--optimum");
	int i, first = 1 + (verbose || optimum), nr = argc - first;
	struct series *series = more_memory(NULL, (nr + 1) * sizeof(*series));
	unsigned int price_ms = get_price_ms();
	size_t k;

	for (i = 0; i < nr; i++)
		read_series(&series[i], argv[first + i]);
	for (i = 0; i < nr && !optimum; i++)
		tell(&series[i], price_ms, verbose);
	for (k = 0; k < ARRAY_SIZE(prices_ms) && optimum; k++)
		print_optimum(series, nr, prices_ms[k]);
	return nr <= 0;
}
