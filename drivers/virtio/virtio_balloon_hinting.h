/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page hinting through the reporting queue of a virtio balloon.
 *
 * Any device that offers VIRTIO_BALLOON_F_REPORTING will do (virtio 1.2,
 * section 5.5.6.7, "Free Page Reporting"): the specification has the driver
 * leave reported memory alone until the device has used the buffer, and sets
 * no limit on how many buffers wait, nor an order in which they are used.
 *
 * Each block is one buffer of one descriptor, and its own token. Indirect
 * descriptors are switched off for the whole device, so that nothing is
 * allocated here, and there are never more blocks than the ring has entries.
 *
 * Only virtio_balloon.c includes this. It is no object of its own, as a module
 * that is linked from two objects cannot have the name of one of them.
 */
#ifndef _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H
#define _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page_hinting.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>

/**
 * struct virtio_balloon_hinting - hinting by one balloon
 * @dev: the provider
 * @vq: the reporting queue, while the device is up
 * @lock: serialises operations on @vq
 * @wanted: this balloon hints, and does not use free page reporting
 */
struct virtio_balloon_hinting {
	struct page_hinting_device dev;
	struct virtqueue *vq;
	spinlock_t lock;	/* serialises operations on the queue */
	bool wanted;
};

/* Without the option this is a constant, and nothing of hinting is called. */
static inline bool
balloon_hinting_wanted(const struct virtio_balloon_hinting *hinting)
{
	return IS_ENABLED(CONFIG_PAGE_HINTING) && hinting->wanted;
}

static struct virtio_balloon_hinting *
to_balloon_hinting(struct page_hinting_device *dev)
{
	return container_of(dev, struct virtio_balloon_hinting, dev);
}

static int balloon_hinting_submit(struct page_hinting_device *dev,
				  struct page *page, unsigned int order)
{
	struct virtio_balloon_hinting *hinting = to_balloon_hinting(dev);
	struct scatterlist sg;
	int err;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE << order, 0);

	spin_lock(&hinting->lock);
	err = virtqueue_add_inbuf(hinting->vq, &sg, 1, page,
				  GFP_NOWAIT | __GFP_NOWARN);
	spin_unlock(&hinting->lock);
	return err;
}

static void balloon_hinting_kick(struct page_hinting_device *dev)
{
	struct virtio_balloon_hinting *hinting = to_balloon_hinting(dev);
	bool notify;

	spin_lock(&hinting->lock);
	notify = virtqueue_kick_prepare(hinting->vq);
	spin_unlock(&hinting->lock);
	/* Not under the lock: some hosts discard the memory within this. */
	if (notify)
		virtqueue_notify(hinting->vq);
}

static int balloon_hinting_harvest(struct page_hinting_device *dev,
				   struct page_hinting_used *used,
				   unsigned int max)
{
	struct virtio_balloon_hinting *hinting = to_balloon_hinting(dev);
	unsigned int nr = 0, len;
	bool broken;

	spin_lock(&hinting->lock);
	virtqueue_disable_cb(hinting->vq);
	while (nr < max) {
		used[nr].page = virtqueue_get_buf(hinting->vq, &len);
		if (!used[nr].page)
			break;
		used[nr++].len_bytes = len;
	}
	broken = virtqueue_is_broken(hinting->vq);
	spin_unlock(&hinting->lock);

	return !nr && broken ? -ENODEV : nr;
}

static bool balloon_hinting_arm(struct page_hinting_device *dev)
{
	struct virtio_balloon_hinting *hinting = to_balloon_hinting(dev);
	bool armed;

	spin_lock(&hinting->lock);
	/* One interrupt for most of what is in flight, if the host can. */
	armed = virtqueue_enable_cb_delayed(hinting->vq);
	spin_unlock(&hinting->lock);
	return armed;
}

static const struct page_hinting_ops virtio_balloon_hinting_ops = {
	.submit = balloon_hinting_submit,
	.kick = balloon_hinting_kick,
	.harvest = balloon_hinting_harvest,
	.arm = balloon_hinting_arm,
};

/**
 * virtio_balloon_hinting_validate - say why a balloon will not hint, if so
 * @vdev: the balloon, with all features that its host offers
 *
 * For the time before the driver takes some of them back: afterwards nobody
 * knows any more which of them the host lacks.
 */
static inline void virtio_balloon_hinting_validate(struct virtio_device *vdev)
{
	if (!IS_ENABLED(CONFIG_PAGE_HINTING) || !page_hinting_wanted())
		return;
	if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_REPORTING))
		page_hinting_refuse("the host does not offer free page reporting");
	else if (page_poisoning_enabled_static())
		page_hinting_refuse("free pages are poisoned; boot with page_poison=0");
	else if (want_init_on_free() &&
		 !virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		page_hinting_refuse("free pages are zeroed; boot with init_on_free=0");
}

/**
 * virtio_balloon_hinting_init - find out whether a balloon can hint
 * @hinting: hinting by the balloon
 * @vdev: the balloon, with its features negotiated
 *
 * With a poison value other than 0 hosts acknowledge and discard nothing, as
 * the memory would come back as zeros. virtio_balloon_hinting_validate() has
 * told the user of whatever is in the way.
 *
 * Return: true if it will, and then free page reporting must not be used.
 */
static inline bool
virtio_balloon_hinting_init(struct virtio_balloon_hinting *hinting,
			    struct virtio_device *vdev)
{
	if (!IS_ENABLED(CONFIG_PAGE_HINTING) ||
	    !virtio_has_feature(vdev, VIRTIO_BALLOON_F_REPORTING) ||
	    !page_hinting_wanted())
		return false;
	if (virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON) &&
	    !want_init_on_free())
		return false;

	spin_lock_init(&hinting->lock);
	hinting->dev.ops = &virtio_balloon_hinting_ops;
	/*
	 * A pageblock has 512 MB with 64 KB pages on arm64: hint as mainline
	 * reports there, by 2 MB, which is a huge page on most hosts.
	 */
	if (IS_ENABLED(CONFIG_ARM64_64K_PAGES))
		hinting->dev.granule_order = 5;
	hinting->wanted = true;
	return true;
}

/**
 * virtio_balloon_hinting_start - begin to hint
 * @hinting: hinting by the balloon; nothing is done unless it is wanted
 * @vq: the reporting queue of a device that is ready
 */
static inline void
virtio_balloon_hinting_start(struct virtio_balloon_hinting *hinting,
			     struct virtqueue *vq)
{
	int err;

	if (!balloon_hinting_wanted(hinting))
		return;
	hinting->vq = vq;
	hinting->dev.capacity = virtqueue_get_vring_size(vq);
	err = page_hinting_register(&hinting->dev);
	if (err) {
		hinting->wanted = false;
		dev_warn(&vq->vdev->dev,
			 "page hinting: this device is not used for it: error %d\n",
			 err);
	}
}

/**
 * virtio_balloon_hinting_stop - hint no more, before the last reset
 * @hinting: hinting by the balloon
 */
static inline void
virtio_balloon_hinting_stop(struct virtio_balloon_hinting *hinting)
{
	if (balloon_hinting_wanted(hinting))
		page_hinting_unregister(&hinting->dev);
	else if (IS_ENABLED(CONFIG_PAGE_HINTING))
		page_hinting_refuse(NULL);
}

/**
 * virtio_balloon_hinting_suspend - hint no more until resumed
 * @hinting: hinting by the balloon
 */
static inline void
virtio_balloon_hinting_suspend(struct virtio_balloon_hinting *hinting)
{
	if (balloon_hinting_wanted(hinting))
		page_hinting_suspend(&hinting->dev);
}

/**
 * virtio_balloon_hinting_resume - go on after virtio_balloon_hinting_suspend()
 * @hinting: hinting by the balloon
 * @vq: the new reporting queue of a device that is ready
 */
static inline void
virtio_balloon_hinting_resume(struct virtio_balloon_hinting *hinting,
			      struct virtqueue *vq)
{
	if (!balloon_hinting_wanted(hinting))
		return;
	hinting->vq = vq;
	hinting->dev.capacity = virtqueue_get_vring_size(vq);
	page_hinting_resume(&hinting->dev);
}

/**
 * virtio_balloon_hinting_reset_done - take back what the device still held
 * @hinting: hinting by the balloon; its device was reset and has its queues
 */
static inline void
virtio_balloon_hinting_reset_done(struct virtio_balloon_hinting *hinting)
{
	struct page *page;

	if (!balloon_hinting_wanted(hinting))
		return;
	/* There is no queue if the device did not come back from a suspend. */
	while (hinting->vq && (page = virtqueue_detach_unused_buf(hinting->vq)))
		page_hinting_abort(&hinting->dev, page);
	hinting->vq = NULL;
	page_hinting_reset_done(&hinting->dev);
}

/**
 * virtio_balloon_hinting_ack - the device has used buffers
 * @hinting: hinting by the balloon
 *
 * Context: The queue's callback.
 */
static inline void
virtio_balloon_hinting_ack(struct virtio_balloon_hinting *hinting)
{
	if (balloon_hinting_wanted(hinting))
		page_hinting_notify(&hinting->dev);
}

/**
 * virtio_balloon_hinting_flush - answer a request for free pages by a flush
 * @hinting: hinting by the balloon
 *
 * A device that sends a new free_page_hint_cmd_id asks for free pages (virtio
 * 1.2, section 5.5.6.5, "Free Page Hinting"). With flush_for_host set, all of
 * them go through the reporting queue, where none is used before the device has
 * acknowledged it, and the answer to the command ends only then.
 *
 * Context: Process context, may sleep.
 * Return: true if flush_for_host is set; no pages must be sent on the other queue
 *	then, also if the flush has failed.
 */
static inline bool
virtio_balloon_hinting_flush(struct virtio_balloon_hinting *hinting)
{
	return balloon_hinting_wanted(hinting) && page_hinting_flush_asked();
}

#endif /* _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H */
