// Ranking the candidates again while answers come in, in the orders that are learned from answers.

import {el, toast} from "./core.js";
import {CandidateList} from "./list.js";
import {expnumsOf, isUndoing, isWaiting, onRefused, onStored} from "./outbox.js";

const PREPARING = 1500; // ms before asking again whether the server is ready to learn
const BUSY = 200; // ms before trying again to show another ranking
const WINDOW = 50; // next candidates, at most, among which those that moved up are counted
let noteTimer;

/** Asks for a new ranking after as many answers as the server wants, on request, and once it is ready to learn. */
export class Reranker {
  /**
   * current(): the CandidateList that is shown; replace(list): show another one so that nobody's place is lost, and
   * return the exposures that come next, before and after, as {before, after}. free(): it may be replaced right now.
   */
  constructor(current, replace, free = () => true) {
    Object.assign(this, {current, replace, free, answers: 0, busy: false});
    onStored(item => {
      if (!["answers", "retract"].includes(item.kind)) return;
      this.answers += expnumsOf(item).length;
      if (this.learns() && this.answers >= this.current().learning.refit_after) this.rank(false);
    });
    onRefused(() => this.reload());
  }

  learns() {
    return Boolean(this.current()?.learning);
  }

  /** Follow a list that was loaded: if the server still prepares what it learns with, ask again later. */
  follow(list) {
    this.answers = 0;
    if (list.learning?.state === "preparing") setTimeout(() => this.current() === list && this.rank(false), PREPARING);
    else if (list.learning && list.learning.state !== "ready") toast(el("b", {class: "error"}, "By rank: "), list.learning.state);
  }

  /** Rank again. `now`: by all answers, also if few are new. */
  async rank(now) {
    if (!this.learns()) return now ? toast("Choose a learned order in the list of candidates: this one does not depend on answers.") : undefined;
    if (this.busy) return;
    await this.#renew(now, (found, {before, after}) => found.learning?.state === "ready" && tell(found.learning.n_answers, before, after));
  }

  /** Load the list again: the server has refused something that this one shows. */
  async reload() {
    while (this.busy) await pause();
    if (this.current()) await this.#renew(false, () => {});
  }

  async #renew(now, replaced) {
    this.busy = true;
    const list = this.current();
    list.expectAnswers(expnum => isWaiting(expnum) || isUndoing(expnum));
    const failed = error => toast(el("b", {class: "error"}, "Not ranked again: "), error.message);
    try {
      const found = now ? await CandidateList.rerank(list.order, list.queue) : await CandidateList.load(list.order, list.queue, failed);
      while (!now && !this.free()) await pause();
      if (this.current() !== list) return; // another order was chosen meanwhile
      found.noteFrom(list);
      replaced(found, this.replace(found));
      this.follow(found);
    } catch (error) {
      failed(error);
    } finally {
      this.busy = false;
    }
  }
}

const pause = () => new Promise(done => setTimeout(done, BUSY));

/** Return the rows in a new order that keeps the way so far: those up to the place `at`, then the others as ranked. */
export function keepPlace(rows, at, ranked, byExpnum) {
  const way = rows.slice(0, at + 1).map(row => byExpnum.get(row.expnum)).filter(Boolean);
  const seen = new Set(way);
  return [...way, ...ranked.filter(row => !seen.has(row))];
}

function tell(answers, before, after) {
  const n = Math.min(WINDOW, Math.ceil(after.length / 4));
  const near = new Set(before.slice(0, n));
  const moved = after.slice(0, n).filter(expnum => !near.has(expnum)).length;
  document.querySelector(".reranked")?.remove();
  clearTimeout(noteTimer);
  const node = el("div", {class: "reranked", role: "status"}, el("b", {}, `${moved} moved up`), ` into the next ${n} · learned from ${answers} answered`);
  document.body.append(node);
  noteTimer = setTimeout(() => node.remove(), 6000);
}
