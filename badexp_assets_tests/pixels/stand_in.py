"""What stands where the backbone would: vectors that can be told from the pixels, in no time."""

import numpy as np


class MeanRecipe:
    """Makes (sky, noise, mean) of an image."""

    rows = columns = 1

    def prepare(self, image, mask, sky, noise):
        return np.array([sky, noise, np.nanmean(image)], np.float32)


class MosaicRecipe:
    """Leaves the image as it is, in units of its scatter."""

    rows, columns = 88, 96

    def prepare(self, image, mask, sky, noise):
        return ((np.nan_to_num(image, nan=sky) - sky) / noise).astype(np.float32)


class MosaicEmbedder:
    """The vector of a mosaic is its mean, its scatter and its highest value."""

    backbone_id, recipe_id, recipe = "mean", "mosaic-none-1", MosaicRecipe()

    def embed(self, keys, images):
        return [
            (key, np.array([i.mean(), i.std(dtype=np.float64), i.max()])) for key, i in zip(keys, images, strict=True)
        ]


class MeanTokens:
    """The token of a CCD is the mean of its place, twice."""

    backbone_id, recipe_id = "mean", "tokens-1"

    def __init__(self, boxes) -> None:
        self.boxes = np.asarray(boxes).round().astype(int)
        self.renderer = np.asarray

    def embed_rendered(self, images):
        def mean(image, box):
            pixels = image[box[1] : box[3], box[0] : box[2]]
            finite = pixels[np.isfinite(pixels)]
            return finite.mean() if finite.size else np.nan

        means = [[mean(image, box) for box in self.boxes] for image in images]
        return np.repeat(np.array(means, np.float32)[:, :, None], 2, axis=2)


class MeanEmbedder:
    """The vector is what the recipe makes; three images at a time, the first `loses` of them lost."""

    backbone_id, recipe_id, dim, batch_size, threads = "mean", "none-1", 3, 3, 1

    def __init__(self, loses: int = 0, recipe=None) -> None:
        self.waiting, self.keys, self.loses = [], [], loses
        self.recipe = recipe or MeanRecipe()

    @property
    def seen(self) -> int:
        return len(self.keys)

    def for_mosaics(self, aspect):
        return MosaicEmbedder()

    def for_focal_planes(self, boxes, shape, size):
        return MeanTokens(boxes)

    def embed(self, keys, images):
        try:
            done = [pair for key, image in zip(keys, images, strict=True) for pair in self.add_prepared(key, image)]
            return done + self.flush()
        finally:
            self.waiting = []

    def add_prepared(self, key, prepared):
        self.keys.append(key)
        self.waiting.append((key, prepared))
        return self.flush() if len(self.waiting) == self.batch_size else []

    def flush(self):
        done, self.waiting = self.waiting[self.loses :], []
        return done
