// What surrounds an exposure: a strip of its night, trends through the night, and a good exposure to compare with.

import {api, el, number} from "./core.js";
import {fetchPictures, showPercentiles} from "./facts.js";
import {scoresQuery} from "./list.js";
import {trend} from "./trend.js";

const WAIT = 120; // ms that an exposure stays before its surroundings are asked for
const AGAIN = 4000; // ms, after which percentiles that were being collected are asked for again
const HIDDEN = "badexp.night.hidden";
const TRENDS = [["sky_rate", "sky", "ADU/s", 2], ["seeing", "seeing", "″", 2], ["zero_point", "zero point", "mag", 2], ["p_bad", "P(bad)", "", 2]];

export class Surroundings {
  /** holder: element for strip and trends; panel: that of the facts; open(expnum): shows another exposure. */
  constructor(holder, panel, open) {
    Object.assign(this, {holder, panel, open, found: null, turn: 0, picture: null});
    this.hide(localStorage.getItem(HIDDEN) === "1");
  }

  /** Show or hide strip and trends. */
  toggle() { this.hide(!this.hidden); }

  hide(hidden) {
    this.hidden = hidden;
    localStorage.setItem(HIDDEN, hidden ? "1" : "0");
    document.body.classList.toggle("no-night", hidden);
    if (!hidden && this.found) this.draw();
  }

  /** Forget the exposure shown before, stop fetching its pictures, and show what surrounds this one, and the pictures of the panel, in a moment. */
  async show(facts) {
    const mine = ++this.turn;
    this.facts = facts;
    this.found = this.picture = null;
    for (const image of this.holder.querySelectorAll("img")) image.removeAttribute("src");
    this.holder.replaceChildren();
    await new Promise(done => setTimeout(done, WAIT));
    if (mine !== this.turn) return;
    fetchPictures(this.panel, true);
    const found = await api(`/exposure/${facts.expnum}/surroundings${scoresQuery()}`).catch(() => null);
    if (!found || mine !== this.turn) return;
    this.found = found;
    this.draw();
    showPercentiles(this.panel, found.percentiles, facts.filter);
    while (this.found.percentiles === null) {
      await new Promise(done => setTimeout(done, AGAIN));
      if (mine !== this.turn) return;
      const again = await api(`/exposure/${facts.expnum}/surroundings${scoresQuery()}`).catch(() => null);
      if (mine !== this.turn) return;
      if (again?.percentiles) {
        this.found = again;
        this.draw();
        showPercentiles(this.panel, again.percentiles, facts.filter);
      }
    }
  }

  /** The exposure to compare with: expnum, night and words; null: none, or not known yet. */
  get comparison() { return this.found?.comparison ?? null; }

  /** Return the decoded picture of the exposure to compare with; null if there is none. */
  comparisonPicture() {
    if (!this.comparison) return Promise.resolve(null);
    this.picture ??= (async () => {
      const image = new Image();
      image.alt = `for comparison ${this.comparison.expnum}`;
      image.src = `/picture/${this.comparison.expnum}/mosaic`;
      return image.decode().then(() => image, () => null);
    })();
    return this.picture;
  }

  draw() {
    if (this.hidden) return;
    const {neighbours, night, expnum} = this.found;
    const rows = new Map(night.map(row => [row.expnum, row]));
    const cells = neighbours.map(n => {
      const row = rows.get(n);
      const here = n === expnum;
      const words = row.p_bad === null ? "not scored" : `P(bad) ${number(row.p_bad)}`;
      const image = el("img", {alt: "", loading: "lazy", fetchpriority: "low", src: `/picture/${n}/small`});
      image.addEventListener("error", () => image.remove());
      return el("a", {href: `/exposure/${n}`, class: here ? "here" : "", "aria-current": here ? "true" : null,
        "aria-label": `${n}, ${row.filter}, ${clock(row.mjd_obs)}, ${words}`,
        onclick: event => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); if (!here) this.open(n); }},
      el("span", {class: "picture"}, image), el("span", {class: "line"}, el("b", {}, row.filter), ` ${clock(row.mjd_obs)}`,
        el("span", {class: row.p_bad >= 0.5 ? "p high" : "p"}, number(row.p_bad))));
    });
    const trends = TRENDS.map(([name, words, unit, digits]) => trend(night, expnum, name, words, unit, digits, this.open)).filter(Boolean);
    this.holder.replaceChildren(el("div", {class: "strip", role: "group", "aria-label": "neighbours in time"}, cells), el("div", {class: "trends"}, trends));
    this.holder.querySelector(".here")?.scrollIntoView({block: "nearest", inline: "center"});
  }
}

/** Time of day (UT) of an MJD, hh:mm. */
export function clock(mjd) {
  if (mjd === null || mjd === undefined) return "";
  const minutes = Math.floor((mjd % 1) * 1440 + 1e-6);
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
