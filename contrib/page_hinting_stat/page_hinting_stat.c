// SPDX-License-Identifier: GPL-2.0
/*
 * page_hinting_stat - what free page hinting does, as vmstat(8) shows it
 *
 * A line per interval: amounts at its end, rates over it. The first line has
 * no rates, as nobody knows when counting began.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HINTING_DIR	"/sys/kernel/mm/page_hinting"
#define MAX_ZONES	256
#define NAME_BYTES	256
#define LINES_PER_HEAD	20

/*
 * What a zone shows in bytes, each under its name and "_bytes": the first three
 * in files of their own, the others in its file "stat".
 */
enum counter { HINTED, UNHINTED, IN_FLIGHT, ACKNOWLEDGED, REFAULTED, NR_COUNTERS };

static const char *const counters[NR_COUNTERS] = {
	"hinted", "unhinted", "in_flight", "acknowledged", "refaulted",
};

/* In "stat" as "not_hinted_" and this: looks that left memory, by reason. */
enum { NR_REASONS = 7 };

static const char *const reasons[NR_REASONS] = {
	"kept", "watermark", "back_off", "isolated", "ring_full",
	"window_full", "disabled",
};

static const char *const counter_help[NR_COUNTERS] = {
	"Free memory that the host has acknowledged.",
	"Free memory in blocks of at least min_order that it has not.",
	"Memory in the hands of the host, which is not free.",
	"What the host has acknowledged, in all.",
	"Hinted memory that was needed again so soon that it should not have been hinted.",
};

struct zone {
	char name[NAME_BYTES];
	unsigned long long free_bytes;
	unsigned long long bytes[NR_COUNTERS];
	unsigned long long settle_ms;
	unsigned long long skips[NR_REASONS];
};

struct sample {
	double at_s;
	int nr_zones;
	struct zone zones[MAX_ZONES];
};

struct options {
	const char *prometheus;
	bool json;
	bool zones;
	double interval_s;
	unsigned long count;
};

static void show_help(FILE *out)
{
	fprintf(out,
		"usage: page_hinting_stat [-h] [--json] [--zones] [--prometheus FILE]\n"
		"                         [INTERVAL [COUNT]]\n\n"
		"Shows what free page hinting does: a line now, and then one each INTERVAL\n"
		"seconds, COUNT of them in all, or for ever.\n\n"
		"  --json   a JSON object per line, in bytes and bytes per second\n"
		"  --zones  a line for each zone instead of their sum\n"
		"  --prometheus FILE\n"
		"           print nothing, but write FILE anew each time, of all zones, for the\n"
		"           textfile collector of Prometheus' node_exporter; its name has to end\n"
		"           in .prom\n"
		"  -h       show this\n\n"
		"Columns, in MiB, of the zones that are hinted: free is free memory; hinted the\n"
		"part of it that the host has acknowledged; unhint what it has not, in blocks of\n"
		"at least min_order; flight is in the host's hands, and not free. In MiB/s: ack\n"
		"is what the host has acknowledged, rflt what the guest used so soon that it\n"
		"should not have been hinted. settle is the time in ms that memory has to stay\n"
		"unused before it is hinted, the longest of all zones. why is the reason for\n"
		"which memory was left unhinted most often in the interval: kept (for the\n"
		"workload), watermark, back_off (memory is short), isolated, ring_full,\n"
		"window_full, disabled.\n");
}

/* A zone's file; NULL if that is no zone, or not any more. */
static FILE *open_file(const char *zone, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), HINTING_DIR "/%s/%s", zone, file);
	return fopen(path, "r");
}

static bool read_number(const char *zone, const char *file,
			unsigned long long *value)
{
	FILE *in = open_file(zone, file);
	bool ok = in && fscanf(in, "%llu", value) == 1;

	if (in)
		fclose(in);
	return ok;
}

/* A line of "stat"; those of other names are for others. */
static void take_line(struct zone *zone, const char *line)
{
	char name[NAME_BYTES], want[NAME_BYTES];
	unsigned long long value;
	int i;

	if (sscanf(line, "%255s %llu", name, &value) != 2)
		return;
	if (!strcmp(name, "settle_ms"))
		zone->settle_ms = value;
	for (i = ACKNOWLEDGED; i < NR_COUNTERS; i++) {
		snprintf(want, sizeof(want), "%s_bytes", counters[i]);
		if (!strcmp(name, want))
			zone->bytes[i] = value;
	}
	for (i = 0; i < NR_REASONS; i++) {
		snprintf(want, sizeof(want), "not_hinted_%s", reasons[i]);
		if (!strcmp(name, want))
			zone->skips[i] = value;
	}
}

/* Returns false if that is no zone, or not any more. */
static bool read_zone(const char *name, struct zone *zone)
{
	char file[NAME_BYTES], line[256];
	FILE *in;
	int i;

	memset(zone, 0, sizeof(*zone));
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	for (i = HINTED; i <= IN_FLIGHT; i++) {
		snprintf(file, sizeof(file), "%s_bytes", counters[i]);
		if (!read_number(name, file, &zone->bytes[i]))
			return false;
	}
	in = open_file(name, "stat");
	if (!in)
		return false;
	while (fgets(line, sizeof(line), in))
		take_line(zone, line);
	fclose(in);
	return true;
}

/* The kernel's own figure: free memory of all zones, hinted or not. */
static void read_free(struct sample *sample)
{
	FILE *in = fopen("/proc/zoneinfo", "r");
	char line[256], zone[NAME_BYTES], name[NAME_BYTES + 32];
	unsigned long long pages;
	int node, i;

	*name = '\0';
	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "Node %d, zone %255s", &node, zone) == 2)
			snprintf(name, sizeof(name), "node%d-%s", node, zone);
		if (sscanf(line, " pages free %llu", &pages) != 1)
			continue;
		for (i = 0; i < sample->nr_zones; i++)
			if (!strcmp(sample->zones[i].name, name))
				sample->zones[i].free_bytes =
					pages * sysconf(_SC_PAGESIZE);
	}
	if (in)
		fclose(in);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct zone *)a)->name,
		      ((const struct zone *)b)->name);
}

static void take_sample(struct sample *sample)
{
	DIR *dir = opendir(HINTING_DIR);
	struct timespec now;
	struct dirent *de;

	if (!dir) {
		fprintf(stderr,
			"page_hinting_stat: cannot read " HINTING_DIR ": %s\n"
			"This kernel has no free page hinting; it takes CONFIG_PAGE_HINTING=y.\n",
			strerror(errno));
		exit(1);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample->at_s = now.tv_sec + now.tv_nsec / 1e9;
	sample->nr_zones = 0;
	while (sample->nr_zones < MAX_ZONES && (de = readdir(dir)))
		if (!strncmp(de->d_name, "node", 4) &&
		    read_zone(de->d_name, &sample->zones[sample->nr_zones]))
			sample->nr_zones++;
	closedir(dir);
	read_free(sample);
	qsort(sample->zones, sample->nr_zones, sizeof(*sample->zones), by_name);
}

static struct zone sum_up(const struct sample *sample)
{
	struct zone sum = { .name = "all" };
	int i, counter;

	for (i = 0; i < sample->nr_zones; i++) {
		const struct zone *zone = &sample->zones[i];

		sum.free_bytes += zone->free_bytes;
		for (counter = 0; counter < NR_COUNTERS; counter++)
			sum.bytes[counter] += zone->bytes[counter];
		for (counter = 0; counter < NR_REASONS; counter++)
			sum.skips[counter] += zone->skips[counter];
		if (zone->settle_ms > sum.settle_ms)
			sum.settle_ms = zone->settle_ms;
	}
	return sum;
}

static const struct zone *find_zone(const struct sample *sample,
				    const char *name)
{
	int i;

	for (i = 0; i < sample->nr_zones; i++)
		if (!strcmp(sample->zones[i].name, name))
			return &sample->zones[i];
	return NULL;
}

/* In bytes per second; less than 0 if it is not known. */
static double rate(const struct zone *zone, const struct zone *before,
		   enum counter counter, double seconds)
{
	/* A zone that went away and came back begins anew. */
	if (!before || seconds <= 0 ||
	    zone->bytes[counter] < before->bytes[counter])
		return -1;
	return (zone->bytes[counter] - before->bytes[counter]) / seconds;
}

/* The reason met most often since then; "-" if none was. */
static const char *main_reason(const struct zone *zone,
			       const struct zone *before)
{
	unsigned long long grown, most = 0;
	const char *reason = "-";
	int i;

	for (i = 0; before && i < NR_REASONS; i++) {
		grown = zone->skips[i] - before->skips[i];
		if (zone->skips[i] > before->skips[i] && grown > most) {
			most = grown;
			reason = reasons[i];
		}
	}
	return reason;
}

static void print_json(const struct zone *zone, const struct zone *before,
		       double seconds, double at_s)
{
	int counter;

	printf("{\"time_s\": %.3f, \"zone\": \"%s\", \"free_bytes\": %llu", at_s,
	       zone->name, zone->free_bytes);
	for (counter = 0; counter < NR_COUNTERS; counter++)
		printf(", \"%s_bytes\": %llu", counters[counter],
		       zone->bytes[counter]);
	for (counter = ACKNOWLEDGED; counter < NR_COUNTERS; counter++) {
		double per_s = rate(zone, before, counter, seconds);

		printf(", \"%s_bytes_per_s\": ", counters[counter]);
		if (per_s < 0)
			printf("null");
		else
			printf("%.0f", per_s);
	}
	printf(", \"settle_ms\": %llu, \"not_hinted\": {", zone->settle_ms);
	for (counter = 0; counter < NR_REASONS; counter++)
		printf("%s\"%s\": %llu", counter ? ", " : "",
		       reasons[counter], zone->skips[counter]);
	printf("}}\n");
}

static void print_rate(double per_s)
{
	if (per_s < 0)
		printf(" %7s", "-");
	else
		printf(" %7.1f", per_s / (1 << 20));
}

static void print_row(const struct zone *zone, const struct zone *before,
		      double seconds)
{
	int counter;

	printf("%-13s %7llu", zone->name, zone->free_bytes >> 20);
	for (counter = HINTED; counter <= IN_FLIGHT; counter++)
		printf(" %7llu", zone->bytes[counter] >> 20);
	print_rate(rate(zone, before, ACKNOWLEDGED, seconds));
	print_rate(rate(zone, before, REFAULTED, seconds));
	printf(" %6llu %s\n", zone->settle_ms, main_reason(zone, before));
}

static void print_head(void)
{
	printf("%-13s %7s %7s %7s %7s %7s %7s %6s %s\n", "zone", "free",
	       "hinted", "unhint", "flight", "ack/s", "rflt/s", "settle", "why");
}

static void print_one(const struct options *options, const struct zone *zone,
		      const struct zone *before, double seconds, double at_s)
{
	if (options->json)
		print_json(zone, before, seconds, at_s);
	else
		print_row(zone, before, seconds);
}

static void print_sample(const struct options *options,
			 const struct sample *sample,
			 const struct sample *before)
{
	double seconds = before ? sample->at_s - before->at_s : 0;
	struct zone sum = sum_up(sample), sum_before = { };
	int i;

	if (!options->zones) {
		if (before)
			sum_before = sum_up(before);
		print_one(options, &sum, before ? &sum_before : NULL, seconds,
			  sample->at_s);
	}
	for (i = 0; options->zones && i < sample->nr_zones; i++) {
		const struct zone *zone = &sample->zones[i];

		print_one(options, zone,
			  before ? find_zone(before, zone->name) : NULL,
			  seconds, sample->at_s);
	}
	fflush(stdout);
}

/* What a number is for Prometheus, whose counters end in "_total". */
static void print_family(FILE *out, const char *name, const char *type,
			 const char *help)
{
	fprintf(out, "# HELP page_hinting_%s %s\n# TYPE page_hinting_%s %s\n",
		name, help, name, type);
}

static void print_bytes(FILE *out, const struct sample *sample,
			enum counter counter)
{
	bool grows = counter >= ACKNOWLEDGED;
	char name[NAME_BYTES];
	int i;

	snprintf(name, sizeof(name), "%s_bytes%s", counters[counter],
		 grows ? "_total" : "");
	print_family(out, name, grows ? "counter" : "gauge", counter_help[counter]);
	for (i = 0; i < sample->nr_zones; i++)
		fprintf(out, "page_hinting_%s{zone=\"%s\"} %llu\n", name,
			sample->zones[i].name, sample->zones[i].bytes[counter]);
}

static void print_metrics(FILE *out, const struct sample *sample)
{
	const struct zone *zones = sample->zones;
	int i, counter, reason;

	print_family(out, "zones", "gauge",
		     "Zones of memory that are hinted; 0 where hinting does nothing.");
	fprintf(out, "page_hinting_zones %d\n", sample->nr_zones);
	for (counter = 0; counter < NR_COUNTERS; counter++)
		print_bytes(out, sample, counter);
	print_family(out, "settle_seconds", "gauge",
		     "The longest time for which free memory has to stay unused until it is hinted.");
	for (i = 0; i < sample->nr_zones; i++)
		fprintf(out, "page_hinting_settle_seconds{zone=\"%s\"} %.3f\n",
			zones[i].name, zones[i].settle_ms / 1e3);
	print_family(out, "not_hinted_total", "counter",
		     "Looks that left free memory unhinted, by reason.");
	for (i = 0; i < sample->nr_zones; i++)
		for (reason = 0; reason < NR_REASONS; reason++)
			fprintf(out,
				"page_hinting_not_hinted_total{zone=\"%s\",reason=\"%s\"} %llu\n",
				zones[i].name, reasons[reason],
				zones[i].skips[reason]);
}

/* Whoever reads the file sees all of it: the old one, or the new one. */
static bool write_metrics(const char *path, const struct sample *sample)
{
	char tmp[PATH_MAX];
	bool ok = false;
	FILE *out;

	/* The collector reads "*.prom" only. */
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	out = fopen(tmp, "w");
	if (out) {
		print_metrics(out, sample);
		ok = !ferror(out);
		ok &= !fclose(out);
		ok = ok && !rename(tmp, path);
	}
	if (!ok)
		fprintf(stderr, "page_hinting_stat: cannot write %s: %s\n", path,
			strerror(errno));
	return ok;
}

static void wait_until(double at_s)
{
	struct timespec until = {
		.tv_sec = at_s,
		.tv_nsec = (at_s - (time_t)at_s) * 1e9,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

/* Why are there no zones? */
static void explain(void)
{
	FILE *in = fopen(HINTING_DIR "/state", "r");
	char state[256];

	if (!in || !fgets(state, sizeof(state), in))
		snprintf(state, sizeof(state), "nobody knows why\n");
	if (in)
		fclose(in);
	fprintf(stderr, "page_hinting_stat: no zone is hinted: %s", state);
	fprintf(stderr,
		"It takes a balloon device with free page reporting (QEMU: -device\n"
		"virtio-balloon-pci,free-page-reporting=on); see \"When it does nothing\" in\n"
		"Documentation/admin-guide/mm/page_hinting.rst\n");
}

static int watch(const struct options *options)
{
	static struct sample samples[2];
	unsigned long nr, since_head = LINES_PER_HEAD;
	double next_s = 0;

	for (nr = 0; !options->count || nr < options->count; nr++) {
		struct sample *sample = &samples[nr % 2];

		if (nr)
			wait_until(next_s += options->interval_s);
		take_sample(sample);
		if (!nr)
			next_s = sample->at_s;
		/* With --prometheus, wait until hinting begins. */
		if (options->prometheus) {
			if (!write_metrics(options->prometheus, sample))
				return 1;
			continue;
		}
		if (!sample->nr_zones) {
			explain();
			return 1;
		}
		if (!options->json && since_head >= LINES_PER_HEAD) {
			print_head();
			since_head = 0;
		}
		print_sample(options, sample, nr ? &samples[(nr + 1) % 2] : NULL);
		since_head += options->zones ? sample->nr_zones : 1;
		if (ferror(stdout))
			return 1;
	}
	return 0;
}

static bool parse(const char *text, double least, double most, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return !errno && end != text && !*end && *value >= least &&
	       *value <= most;
}

/* The collector would not look at any other file. */
static bool is_metrics_file(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && !strcmp(path + len - 5, ".prom") &&
	       len + sizeof(".new") <= PATH_MAX;
}

static bool parse_operands(int nr, char **operands, struct options *options)
{
	double count = 1;

	if (nr > 2)
		return false;
	options->interval_s = 1;
	if (nr > 0 && !parse(operands[0], 0.01, 1e6, &options->interval_s))
		return false;
	if (nr > 1 && (!parse(operands[1], 1, 1e9, &count) ||
		       count != (unsigned long)count))
		return false;
	options->count = nr == 1 ? 0 : count;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "zones", no_argument, NULL, 'z' },
		{ "prometheus", required_argument, NULL, 'p' },
		{ }
	};
	struct options options = { };
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			show_help(stdout);
			return 0;
		case 'j':
			options.json = true;
			break;
		case 'z':
			options.zones = true;
			break;
		case 'p':
			options.prometheus = optarg;
			break;
		default:
			show_help(stderr);
			return 2;
		}
	}
	if (options.prometheus && !is_metrics_file(options.prometheus)) {
		fprintf(stderr,
			"page_hinting_stat: the name of the file for --prometheus has to end in .prom\n");
		return 2;
	}
	if (!parse_operands(argc - optind, argv + optind, &options)) {
		fprintf(stderr,
			"page_hinting_stat: INTERVAL is a number of seconds from 0.01 on, COUNT a whole\n"
			"number from 1 on\n");
		show_help(stderr);
		return 2;
	}
	return watch(&options);
}
