"""What stands where the backbone would: vectors that can be told from the pixels, in no time."""

import numpy as np


class MeanRecipe:
    """Makes (sky, noise, mean) of an image."""

    rows = columns = 1

    def prepare(self, image, mask, sky, noise):
        return np.array([sky, noise, np.nanmean(image)], np.float32)


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
        found = MeanEmbedder()
        found.recipe_id = f"mosaic-{self.recipe_id}"
        return found

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
