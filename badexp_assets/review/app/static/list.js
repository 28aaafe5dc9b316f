// The candidates in the reviewer's order, which both pages share.

import {api, showProgress} from "./core.js";
import {onStored, waiting, waitingAnswers} from "./outbox.js";
import {noteTags, visibleTags, withWaitingTags} from "./tags.js";

const SCORES = "badexp.scores";
const RETRY = 1500; // ms before a failed request is repeated
const SETTLED = 400; // ms after the last stored answer before the progress is asked for
/** Query of requests of a reviewer who wants to see scores only after answering. */
export const scoresQuery = () => (sessionStorage.getItem(SCORES) === "hidden" ? "?scores=hidden" : "");
export const hideScores = hide => sessionStorage.setItem(SCORES, hide ? "hidden" : "shown");

function query({order, queue}) {
  const values = new URLSearchParams(scoresQuery());
  if (order) values.set("order", order);
  if (queue) values.set("expnums", queue.expnums.join());
  return values.size ? `?${values}` : "";
}

/** All candidates, and those of the queue that are none (`beside`): `rows` in order, and `progress` for the bar. */
export class CandidateList {
  /** Load the candidates. Asks again while the server cannot answer, after `failed(error)`; throws what it refuses. */
  static async load(order, queue, failed) {
    for (;;) {
      try {
        return new CandidateList(await api(`/candidates${query({order, queue})}`), order, queue);
      } catch (error) {
        if (error.status >= 400 && error.status < 500) throw error;
        failed(error);
        await new Promise(done => setTimeout(done, RETRY));
      }
    }
  }

  /** Load the candidates ranked by all answers. Throws the error of a request that fails. */
  static async rerank(order, queue) {
    return new CandidateList(await api(`/rerank${query({queue})}`, {order}), order, queue);
  }

  /** `asked`: the order that was asked for, empty for that of the home. `learning`: how far the server has learned from answers; null in an order that does not depend on them. */
  constructor({candidates, progress, order, learning, tags, collecting}, asked, queue) {
    Object.assign(this, {rows: withWaitingTags(candidates), progress, order, learning, asked, queue, tags, collecting, noted: new Map(), retagged: [], notes: 0});
    this.byExpnum = new Map(this.rows.map(row => [row.expnum, row]));
    showProgress(progress);
  }

  /** From now on, keep what is noted for `noteFrom`, and what was noted of exposures that are `waiting`. */
  expectAnswers(waiting) {
    this.noted = new Map(this.rows.filter(row => waiting(row.expnum)).map(row => [row.expnum, row.mine]));
    this.retagged = [];
  }

  /** Note what the server may not have known of the `earlier` list when it was asked for this one. */
  noteFrom(earlier) {
    for (const [expnum, verdict] of earlier.noted) this.note(expnum, verdict);
    this.noteTags(earlier.retagged);
  }

  /** Note what is my answer after others were taken back ({expnum: verdict}), unless a newer one is waiting. */
  noteStanding(mine) {
    const waiting = waitingAnswers();
    for (const [expnum, verdict] of Object.entries(mine)) if (!waiting.has(Number(expnum))) this.note(Number(expnum), verdict);
  }

  /** Note changes of tags before the server has confirmed them. */
  noteTags(changes) {
    this.retagged.push(...changes);
    for (const expnum of new Set(changes.map(change => change.expnum))) if (this.byExpnum.has(expnum)) noteTags(this.byExpnum.get(expnum), changes);
    this.tags = [...new Set([...this.tags, ...changes.map(change => change.tag)])];
  }

  /** Note an answer (null: undone) before the server has confirmed it. */
  note(expnum, verdict) {
    this.noted.set(expnum, verdict);
    this.notes += 1;
    const row = this.byExpnum.get(expnum);
    if (row) this.#showTagsOfOthers(row, verdict !== null); // which are for reviewers who have answered
    if (!row || row.mine === verdict) return;
    if (row.beside) return void Object.assign(row, {mine: verdict, open: verdict === null});
    const step = Number(verdict !== null) - Number(row.mine !== null);
    this.progress.mine += step;
    this.progress.answered = Math.max(this.progress.answered, this.progress.mine); // exact when the page is loaded
    if (verdict !== null && row.open) this.progress.open -= 1;
    if (row.mine === null && verdict !== null) row.wasOpen = row.open;
    row.open = verdict === null ? row.wasOpen ?? true : false;
    row.mine = verdict;
    showProgress(this.progress);
  }

  /** Hide tags of others on an exposure, also as suggestions unless another exposure shows them; or show what was hidden. */
  #showTagsOfOthers(row, show) {
    if (!show === Boolean(row.hiddenTags)) return;
    if (show) {
      Object.assign(row, {tags_of_others: row.hiddenTags, hiddenTags: null});
      return void (this.tags = [...new Set([...this.tags, ...row.tags_of_others.map(({tag}) => tag)])]);
    }
    const hidden = new Set(row.tags_of_others.map(({tag}) => tag));
    Object.assign(row, {hiddenTags: row.tags_of_others, tags_of_others: []});
    if (!hidden.size) return;
    for (const tag of this.rows.flatMap(visibleTags)) hidden.delete(tag);
    this.tags = this.tags.filter(tag => !hidden.has(tag));
  }
}

/** Once answers are stored or taken back, show the progress of current() as the server counts it, with the answers of others. */
export function followProgress(current) {
  let timer;
  onStored(item => {
    if (!["answers", "retract"].includes(item.kind)) return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const list = current();
      if (!list || waiting()) return;
      const {notes} = list;
      const progress = await api("/progress").catch(() => null);
      if (!progress || waiting() || current() !== list || list.notes !== notes) return; // answered meanwhile: what is stored then is counted
      Object.assign(list.progress, progress);
      showProgress(list.progress);
    }, SETTLED);
  });
}

/** Facts that were visible when an answer was given in the grid; they are stored with it. */
export const shownOf = row => ({
  view: "grid", rank: row.rank, category: row.category, p_bad: row.p_bad, z_source: row.z_source,
  z_background: row.z_background, z_mse: row.z_mse,
});
