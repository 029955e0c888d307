/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM page_hinting

#if !defined(_TRACE_PAGE_HINTING_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PAGE_HINTING_H

#include <linux/tracepoint.h>
#include <linux/types.h>

struct page;
struct page_hinting_advice;
struct page_hinting_sample;
struct zone;

/* Bits of enum page_hinting_event, which is in mm/page_hinting/zone.h. */
#define show_page_hinting_events(events)	\
	__print_flags(events, "|",		\
		{ 1UL << 0, "freed" },		\
		{ 1UL << 1, "harvest" },	\
		{ 1UL << 2, "changed" },	\
		{ 1UL << 3, "flush" },		\
		{ 1UL << 4, "lists" })

/* A zone's thread begins to work; without an event, its time was over, if it slept. */
TRACE_EVENT(page_hinting_wake,

	TP_PROTO(struct zone *zone, unsigned long events),

	TP_ARGS(zone, events),

	TP_STRUCT__entry(
		__field(int, nid)
		__string(zone, zone->name)
		__field(unsigned long, events)
	),

	TP_fast_assign(
		__entry->nid = zone_to_nid(zone);
		__assign_str(zone);
		__entry->events = events;
	),

	TP_printk("nid=%d zone=%s events=%s", __entry->nid, __get_str(zone),
		  show_page_hinting_events(__entry->events))
);

/* What the policy was shown of a zone, and what it said; all in pages. */
TRACE_EVENT(page_hinting_decide,

	TP_PROTO(struct zone *zone,
		 const struct page_hinting_sample *sample,
		 const struct page_hinting_advice *advice,
		 unsigned int settle_ms),

	TP_ARGS(zone, sample, advice, settle_ms),

	TP_STRUCT__entry(
		__field(int, nid)
		__string(zone, zone->name)
		__field(u64, low_ms)
		__field(u64, now_ms)
		__field(unsigned long, free)
		__field(unsigned long, low)
		__field(unsigned long, lists)
		__field(unsigned long, unhinted)
		__field(unsigned long, early)
		__field(unsigned int, settle_ms)
		__field(unsigned long, hint)
		__field(unsigned long, small_hint)
		__field(unsigned int, small_order)
		__field(unsigned int, look_in_ms)
		__field(bool, drain)
	),

	TP_fast_assign(
		__entry->nid = zone_to_nid(zone);
		__assign_str(zone);
		__entry->low_ms = sample->low_ms;
		__entry->now_ms = sample->now_ms;
		__entry->free = sample->free_pages;
		__entry->low = sample->low_pages;
		__entry->lists = sample->list_pages;
		__entry->unhinted = sample->unhinted_pages;
		__entry->early = advice->early_pages;
		__entry->settle_ms = settle_ms;
		__entry->hint = advice->hint_pages;
		__entry->small_hint = advice->small_pages;
		__entry->small_order = advice->small_order;
		__entry->look_in_ms = advice->look_in_ms;
		__entry->drain = advice->drain_lists;
	),

	TP_printk("nid=%d zone=%s now_ms=%llu free=%lu low=%lu low_ms=%llu lists=%lu unhinted=%lu early=%lu settle_ms=%u hint=%lu small_hint=%lu small_order=%u look_in_ms=%u drain=%d",
		  __entry->nid, __get_str(zone), __entry->now_ms, __entry->free,
		  __entry->low, __entry->low_ms, __entry->lists,
		  __entry->unhinted, __entry->early, __entry->settle_ms,
		  __entry->hint,
		  __entry->small_hint, __entry->small_order,
		  __entry->look_in_ms, __entry->drain)
);

/* Hinted memory was allocated again, and waiting for that would have paid. */
TRACE_EVENT(page_hinting_refault,

	TP_PROTO(struct zone *zone, unsigned long pages,
		 unsigned int settle_ms),

	TP_ARGS(zone, pages, settle_ms),

	TP_STRUCT__entry(
		__field(int, nid)
		__string(zone, zone->name)
		__field(unsigned long, pages)
		__field(unsigned int, settle_ms)
	),

	TP_fast_assign(
		__entry->nid = zone_to_nid(zone);
		__assign_str(zone);
		__entry->pages = pages;
		__entry->settle_ms = settle_ms;
	),

	TP_printk("nid=%d zone=%s pages=%lu settle_ms=%u", __entry->nid,
		  __get_str(zone), __entry->pages, __entry->settle_ms)
);

/* A flush is over: so much was acknowledged, in pages, and an errno. */
TRACE_EVENT(page_hinting_flush,

	TP_PROTO(unsigned long pages, int err),

	TP_ARGS(pages, err),

	TP_STRUCT__entry(
		__field(unsigned long, pages)
		__field(int, err)
	),

	TP_fast_assign(
		__entry->pages = pages;
		__entry->err = err;
	),

	TP_printk("pages=%lu err=%d", __entry->pages, __entry->err)
);

/* The guest was restored from a snapshot, for the @nr th time. */
TRACE_EVENT(page_hinting_restore,

	TP_PROTO(unsigned int nr),

	TP_ARGS(nr),

	TP_STRUCT__entry(
		__field(unsigned int, nr)
	),

	TP_fast_assign(
		__entry->nr = nr;
	),

	TP_printk("nr=%u", __entry->nr)
);

DECLARE_EVENT_CLASS(page_hinting_block,

	TP_PROTO(const struct page *page, unsigned int order),

	TP_ARGS(page, order),

	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned int, order)
	),

	TP_fast_assign(
		__entry->pfn = page_to_pfn(page);
		__entry->order = order;
	),

	TP_printk("pfn=0x%lx order=%u", __entry->pfn, __entry->order)
);

/* Buddy -> Offline */
DEFINE_EVENT(page_hinting_block, page_hinting_pull,
	TP_PROTO(const struct page *page, unsigned int order),
	TP_ARGS(page, order)
);

/* It is about to be handed to the provider, which may refuse it. */
DEFINE_EVENT(page_hinting_block, page_hinting_submit,
	TP_PROTO(const struct page *page, unsigned int order),
	TP_ARGS(page, order)
);

/* The host has acknowledged it. */
DEFINE_EVENT(page_hinting_block, page_hinting_acknowledge,
	TP_PROTO(const struct page *page, unsigned int order),
	TP_ARGS(page, order)
);

/* It is free again, or will be, and the host has not acknowledged it. */
DEFINE_EVENT(page_hinting_block, page_hinting_return,
	TP_PROTO(const struct page *page, unsigned int order),
	TP_ARGS(page, order)
);

#endif /* _TRACE_PAGE_HINTING_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
