// Exposures that are fetched ahead and kept: what is shown of them, and their decoded pictures.

import {api} from "./core.js";
import {scoresQuery} from "./list.js";

const KEPT = 24; // exposures kept in memory

export class LoadedExposures {
  /** `takenBack`: answers that the server has taken back, which whoever hears of it counts. */
  constructor() { Object.assign(this, {pages: new Map(), takenBack: 0}); }

  /** Return the promise of {found, image} of an exposure; image: null without a picture. */
  load(expnum) {
    if (!this.pages.has(expnum)) {
      const page = Promise.all([this.stored(expnum), picture(expnum)]).then(([found, image]) => {
        if (found.has_mosaic && !image) this.forget(expnum); // request the picture again next time
        return {found, image};
      });
      page.catch(() => this.forget(expnum));
      this.pages.set(expnum, page);
      if (this.pages.size > KEPT) this.forget(this.pages.keys().next().value);
    }
    return this.pages.get(expnum);
  }

  /** Return whether this promise of an exposure is still the one that counts. */
  has(expnum, page) { return this.pages.get(expnum) === page; }

  forget(expnum) { this.pages.delete(expnum); }

  /** Return the facts of an exposure as they are after answers have been taken back: before, those of others are in them. */
  async stored(expnum) {
    const before = this.takenBack;
    const found = await api(`/exposure/${expnum}${scoresQuery()}`);
    return before === this.takenBack ? found : this.stored(expnum);
  }
}

async function picture(expnum) {
  const image = new Image();
  image.alt = `focal plane of ${expnum}`;
  image.src = `/picture/${expnum}/mosaic`;
  return image.decode().then(() => image, () => null);
}
