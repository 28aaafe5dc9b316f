// Which candidates are shown: the filters of the list, conditions on any column, and a queue of chosen exposures.

import {reviewer} from "./core.js";
import {visibleTags} from "./tags.js";

const FILTER = "badexp.filter";
const MOST_QUEUED = 300; // the server takes no more
const SAVED = `badexp.filters.${reviewer}`;
export const DEFAULT = {order: "", state: "open", night: "", filter: "", category: "", why: "", conditions: [], queue: null};

/** Numbers of exposures that the server collects from all nights, once. */
const MEASURED = {
  seeing: ["seeing, ″", "number"], sky: ["sky, ADU", "number"], sky_rate: ["sky rate, ADU/s", "number"], noise: ["noise, ADU", "number"],
  exptime: ["exposure time, s", "number"], airmass: ["airmass", "number"], zero_point: ["zero point, mag", "number"],
};
export const isMeasured = ({column}) => column in MEASURED;

/** Columns of conditions: their names in words, their kind (`number` and `date` have a range, `text` contains), and how a row gives the value, unless by its name. */
export const COLUMNS = {
  p_bad: ["P(bad)", "number"], z_source: ["entropy of sources, z", "number"], z_background: ["entropy of background, z", "number"],
  z_mse: ["autoencoder, z", "number"], rank: ["rank", "number"], expnum: ["exposure", "number"], night: ["night", "date"],
  n_methods: ["methods that flag it", "number"], score: ["score of the ranking", "number"],
  ...MEASURED,
  plver: ["CP version", "text"], filter: ["band", "text"], category: ["category", "text"], why: ["reason", "text"], mine: ["my answer", "text"],
  tags: ["tag", "text", row => visibleTags(row).join(", ")],
};

export const readFilter = () => ({...DEFAULT, ...JSON.parse(sessionStorage.getItem(FILTER) ?? "{}")});
export const storeFilter = filter => sessionStorage.setItem(FILTER, JSON.stringify(filter));

/** Show these exposures, which need not be candidates, whatever was answered on them. */
export const storeQueue = (words, expnums) => storeFilter({...readFilter(), state: "", queue: {words, expnums}});

/** Show the exposures of an address such as `#queue=1001,1002`, to which other pages link. */
export function takeQueue(hash) {
  const found = /^#queue=(\d{1,15}(?:,\d{1,15})*)$/.exec(hash);
  if (!found) return;
  const expnums = [...new Set(found[1].split(",").map(Number))].slice(0, MOST_QUEUED);
  storeQueue(`${expnums.length} of the map`, expnums);
  history.replaceState(null, "", location.pathname);
}

/** Return the saved filters of this reviewer in this browser, by name. */
export const savedFilters = () => JSON.parse(localStorage.getItem(SAVED) ?? "{}");

/** Save a filter, without its queue, by a name; null: forget that name. */
export function saveFilter(name, filter) {
  const {[name]: before, ...others} = savedFilters();
  localStorage.setItem(SAVED, JSON.stringify(filter ? {...others, [name]: {...filter, queue: null}} : others));
}

/** Describe a condition, such as `P(bad) 0.5 to 0.8`. */
export function conditionWords({column, from, to, text}) {
  const [name, kind] = COLUMNS[column];
  if (kind === "text") return `${name} contains ${text}`;
  return from && to ? `${name} ${from} to ${to}` : from ? `${name} from ${from}` : `${name} up to ${to}`;
}

function meets(row, {column, from, to, text}) {
  const [, kind, of] = COLUMNS[column] ?? [];
  const value = (of ? of(row) : row[column]) ?? null;
  if (kind === "text") return String(value ?? "").toLowerCase().includes(text.toLowerCase());
  if (value === null) return false; // missing, or hidden until the answer
  if (kind === "number") return (!from || compared(value, Number(from)) >= 0) && (!to || compared(value, Number(to)) <= 0);
  return (!from || value >= from) && (!to || value.slice(0, to.length) <= to); // a month or a year is meant as a whole
}

/** Compare a value, which may have single precision, with the end of a range: 0.7 is not less than 0.7. */
const compared = (value, end) => (Number.isInteger(end) ? value - end : Math.fround(value) - Math.fround(end));

const STATES = {
  open: row => row.open,
  mine: row => row.mine !== null,
  none: row => row.mine === null,
  bad: row => row.mine === "bad",
  fine: row => row.mine === "fine",
  unsure: row => row.mine === "unsure",
};

/** Return the candidates that match a filter, in their order, or in that of its queue. */
export function chosen(rows, filter) {
  const found = rows.filter(row =>
    (!filter.state || STATES[filter.state](row)) && (!filter.night || row.night === filter.night) &&
    (!filter.filter || row.filter === filter.filter) && (!filter.category || row.category === filter.category) &&
    (!filter.why || row.why.includes(filter.why)) && filter.conditions.every(condition => meets(row, condition)));
  if (!filter.queue) return found;
  const places = new Map(filter.queue.expnums.map((expnum, place) => [expnum, place]));
  return found.filter(row => places.has(row.expnum)).toSorted((a, b) => places.get(a.expnum) - places.get(b.expnum));
}
