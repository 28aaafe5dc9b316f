// The candidates in the reviewer's order, and the filters; both pages share them.

import {api, showProgress} from "./core.js";

const FILTER = "badexp.filter";
const RETRY = 1500; // ms before a failed request is repeated
export const DEFAULT = {order: "", state: "open", night: "", filter: "", category: "", why: ""};

export const readFilter = () => ({...DEFAULT, ...JSON.parse(sessionStorage.getItem(FILTER) ?? "{}")});
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
        return new CandidateList(await api(`/candidates${order ? `?order=${order}` : ""}`));
      } catch (error) {
        if (error.status >= 400 && error.status < 500) throw error;
        failed(error);
        await new Promise(done => setTimeout(done, RETRY));
      }
    }
  }

  constructor({candidates, progress, order}) {
    Object.assign(this, {rows: candidates, progress, order});
    this.byExpnum = new Map(candidates.map(row => [row.expnum, row]));
    showProgress(progress);
  }

  /** Note an answer (null: undone) before the server has confirmed it. */
  note(expnum, verdict) {
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
