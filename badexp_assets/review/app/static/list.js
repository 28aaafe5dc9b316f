// The candidates in the reviewer's order, and the filters; both pages share them.

import {api, showProgress} from "./core.js";

const FILTER = "badexp.filter";
const SCORES = "badexp.scores";
const RETRY = 1500; // ms before a failed request is repeated
export const DEFAULT = {order: "", state: "open", night: "", filter: "", category: "", why: ""};

export const readFilter = () => ({...DEFAULT, ...JSON.parse(sessionStorage.getItem(FILTER) ?? "{}")});
/** Query of requests of a reviewer who wants to see scores only after answering. */
export const scoresQuery = () => (sessionStorage.getItem(SCORES) === "hidden" ? "?scores=hidden" : "");
export const hideScores = hide => sessionStorage.setItem(SCORES, hide ? "hidden" : "shown");
export const storeFilter = filter => sessionStorage.setItem(FILTER, JSON.stringify(filter));

const STATES = {
  open: row => row.open,
  mine: row => row.mine !== null,
  none: row => row.mine === null,
  bad: row => row.mine === "bad",
  fine: row => row.mine === "fine",
  unsure: row => row.mine === "unsure",
};

/** Return the candidates that match a filter. */
export function chosen(rows, filter) {
  return rows.filter(row =>
    (!filter.state || STATES[filter.state](row)) && (!filter.night || row.night === filter.night) &&
    (!filter.filter || row.filter === filter.filter) && (!filter.category || row.category === filter.category) &&
    (!filter.why || row.why.includes(filter.why)));
}

/** All candidates: `rows` in order, and `progress` for the bar. */
export class CandidateList {
  /** Load the candidates. Asks again while the server cannot answer, after `failed(error)`; throws what it refuses. */
  static async load(order, failed) {
    for (;;) {
      try {
        const hidden = scoresQuery();
        return new CandidateList(await api(`/candidates${hidden}${order ? `${hidden ? "&" : "?"}order=${order}` : ""}`));
      } catch (error) {
        if (error.status >= 400 && error.status < 500) throw error;
        failed(error);
        await new Promise(done => setTimeout(done, RETRY));
      }
    }
  }

  /** Load the candidates ranked by all answers. Throws the error of a request that fails. */
  static async rerank(order) {
    return new CandidateList(await api(`/rerank${scoresQuery()}`, {order}));
  }

  /** `learning`: how far the server has learned from answers; null in an order that does not depend on them. */
  constructor({candidates, progress, order, learning}) {
    Object.assign(this, {rows: candidates, progress, order, learning, noted: new Map()});
    this.byExpnum = new Map(candidates.map(row => [row.expnum, row]));
    showProgress(progress);
  }

  /** From now on, keep what is noted for `noteFrom`, and what was noted of exposures that are `waiting`. */
  expectAnswers(waiting) {
    this.noted = new Map(this.rows.filter(row => waiting(row.expnum)).map(row => [row.expnum, row.mine]));
  }

  /** Note what the server may not have known of the `earlier` list when it was asked for this one. */
  noteFrom(earlier) {
    for (const [expnum, verdict] of earlier.noted) this.note(expnum, verdict);
  }

  /** Note an answer (null: undone) before the server has confirmed it. */
  note(expnum, verdict) {
    this.noted.set(expnum, verdict);
    const row = this.byExpnum.get(expnum);
    if (!row || row.mine === verdict) return;
    const step = Number(verdict !== null) - Number(row.mine !== null);
    this.progress.mine += step;
    this.progress.answered = Math.max(this.progress.answered, this.progress.mine); // exact when the page is loaded
    if (verdict !== null && row.open) this.progress.open -= 1;
    if (row.mine === null && verdict !== null) row.wasOpen = row.open;
    row.open = verdict === null ? row.wasOpen ?? true : false;
    row.mine = verdict;
    showProgress(this.progress);
  }
}

/** Facts that were visible when an answer was given in the grid; they are stored with it. */
export const shownOf = row => ({
  view: "grid", rank: row.rank, category: row.category, p_bad: row.p_bad, z_source: row.z_source,
  z_background: row.z_background, z_mse: row.z_mse,
});
