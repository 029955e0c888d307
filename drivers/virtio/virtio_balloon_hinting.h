/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page hinting through the reporting queue of a virtio balloon.
 */
#ifndef _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H
#define _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H

#include <linux/page_hinting.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct virtio_device;
struct virtqueue;

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

#if IS_ENABLED(CONFIG_VIRTIO_BALLOON_HINTING)
void virtio_balloon_hinting_validate(struct virtio_device *vdev);
bool virtio_balloon_hinting_init(struct virtio_balloon_hinting *hinting,
				 struct virtio_device *vdev);
void virtio_balloon_hinting_start(struct virtio_balloon_hinting *hinting,
				  struct virtqueue *vq);
void virtio_balloon_hinting_stop(struct virtio_balloon_hinting *hinting);
void virtio_balloon_hinting_suspend(struct virtio_balloon_hinting *hinting);
void virtio_balloon_hinting_resume(struct virtio_balloon_hinting *hinting,
				   struct virtqueue *vq);
void virtio_balloon_hinting_reset_done(struct virtio_balloon_hinting *hinting);
void virtio_balloon_hinting_ack(struct virtio_balloon_hinting *hinting);
#else
static inline void
virtio_balloon_hinting_validate(struct virtio_device *vdev)
{
}

static inline bool
virtio_balloon_hinting_init(struct virtio_balloon_hinting *hinting,
			    struct virtio_device *vdev)
{
	return false;
}

static inline void
virtio_balloon_hinting_start(struct virtio_balloon_hinting *hinting,
			     struct virtqueue *vq)
{
}

static inline void
virtio_balloon_hinting_stop(struct virtio_balloon_hinting *hinting)
{
}

static inline void
virtio_balloon_hinting_suspend(struct virtio_balloon_hinting *hinting)
{
}

static inline void
virtio_balloon_hinting_resume(struct virtio_balloon_hinting *hinting,
			      struct virtqueue *vq)
{
}

static inline void
virtio_balloon_hinting_reset_done(struct virtio_balloon_hinting *hinting)
{
}

static inline void
virtio_balloon_hinting_ack(struct virtio_balloon_hinting *hinting)
{
}
#endif

#endif /* _DRIVERS_VIRTIO_VIRTIO_BALLOON_HINTING_H */
