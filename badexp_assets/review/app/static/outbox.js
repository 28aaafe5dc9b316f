// Answers and changes of tags are kept in this browser and sent again until the server has acknowledged them.
// Each has its own key, so the server stores it once however often it is sent.

import {api, el, newKey, reviewer, toast} from "./core.js";

const ITEM = `badexp.outbox.${reviewer}.`;
const IDS = `badexp.ids.${reviewer}`;
const UNDO = `badexp.undo.${reviewer}`;
const LOGIN = "log in again";
const GIVE = {answers: "/answers", changes: "/tags"};
const UNDOING = {retract: "/retractions", untag: "/tags/retractions"};
const PART = 500; // answers or changes of a request
const KEPT = 4000; // answers and changes that can be undone
/** Answers or changes of tags that can be given at once, and undone together. */
export const MOST = 1000;
const listeners = [];
const refusals = [];
let busy = false;
let wait = 0;
let trouble = "";

/** Call `listener(item, reply)` for every item that the server has stored. */
export const onStored = listener => listeners.push(listener);

/** Call `listener(item)` for every item that the server has refused, which is then dropped. */
export const onRefused = listener => refusals.push(listener);

/** Send answers (without keys), at most MOST, which `undoLast` undoes together. */
export const sendAnswers = answers => give("answers", answers, {});

/** Send changes of tags ({expnum, tag, attached}), at most MOST, which `undoLast` undoes together. */
export const sendTags = changes => give("changes", changes, {changes});

function give(kind, given, more) {
  const keyed = given.map(one => ({key: newKey(), ...one}));
  for (const part of parts(keyed)) keep({kind, [kind]: part});
  const entries = [...done(), {keys: keyed.map(one => one.key), expnums: [...new Set(keyed.map(one => one.expnum))], ...more}].slice(-200);
  for (let n = entries.reduce((sum, entry) => sum + entry.keys.length, 0); n > KEPT && entries.length > 1;) n -= entries.shift().keys.length;
  done(entries);
}

/** Undo what was given last in this session and is not undone yet; return its `expnums` and, of tags, its `changes`; or null. */
export function undoLast() {
  const entries = done();
  const last = entries.pop();
  if (!last) return null;
  done(entries);
  for (const keys of parts(last.keys)) keep({...last, kind: last.changes ? "untag" : "retract", keys});
  return last;
}

const parts = all => Array.from({length: Math.ceil(all.length / PART)}, (_, k) => all.slice(k * PART, (k + 1) * PART));

/** Undo a stored answer. */
export const takeBack = answer => keep({kind: "retract", ids: [answer.id], expnums: [answer.expnum]});

/** Return the entries of this session that can be undone; store `entries` if given. */
function done(entries) {
  if (entries) sessionStorage.setItem(UNDO, JSON.stringify(entries));
  return entries ?? JSON.parse(sessionStorage.getItem(UNDO) ?? "[]");
}

export const waiting = () => items().length;

/** Return whether an answer on this exposure is being taken back, but still stored. */
export const isUndoing = expnum => items().some(({item}) => item.kind === "retract" && item.expnums.includes(expnum));

/** Return whether an answer on this exposure is still waiting. */
export const isWaiting = expnum => items().some(({item}) => item.kind === "answers" && item.answers.some(a => a.expnum === expnum));

/** Return the exposures on which answers are waiting. */
export const waitingAnswers = () => new Set(items().flatMap(({item}) => item.kind === "answers" ? item.answers.map(answer => answer.expnum) : []));

/** Return the exposures on which answers are being taken back. */
export const undoing = () => new Set(items().flatMap(({item}) => item.kind === "retract" ? item.expnums : []));

/** Return the changes of tags that are waiting, in their order. */
export const waitingTags = () => items().flatMap(({item}) => item.kind === "changes" ? item.changes : item.kind === "untag" ? reversed(item.changes) : []);

/** Return the changes that undo `changes`. */
export const reversed = changes => changes.map(change => ({...change, attached: !change.attached})).reverse();

/** Return the exposures of an item. */
export const expnumsOf = item => item.expnums ?? [...new Set((item.answers ?? item.changes).map(one => one.expnum))];

function items() {
  return Object.keys(localStorage).filter(name => name.startsWith(ITEM)).sort()
    .map(name => ({name, item: JSON.parse(localStorage.getItem(name))}));
}

function keep(item) {
  const order = `${Date.now().toString().padStart(15, "0")}.${newKey().slice(0, 8)}`;
  try {
    localStorage.setItem(ITEM + order, JSON.stringify(item));
  } catch (error) {
    toast(el("b", {class: "error"}, "Not stored: "), "this browser has no storage left, or it is switched off");
    throw error;
  }
  show();
  wait = 0;
  flush();
}

async function flush() {
  if (busy) return;
  busy = true;
  try {
    for (let next = items()[0]; next; next = items()[0]) {
      try {
        const reply = await send(next.item);
        localStorage.removeItem(next.name);
        trouble = "";
        wait = 0;
        for (const listener of listeners) listener(next.item, reply);
      } catch (error) {
        if (![401, 403].includes(error.status) && error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429) {
          localStorage.removeItem(next.name);
          toast(el("b", {class: "error"}, "Not stored: "), error.message);
          for (const listener of refusals) listener(next.item);
          continue;
        }
        trouble = error.status === 401 ? LOGIN : error.status === 403 ? "load the page again" : error.message;
        wait = Math.min(10_000, 500 + 2 * wait);
        setTimeout(flush, wait);
        break;
      }
    }
  } finally {
    busy = false;
    show();
  }
}

async function send(item) {
  if (item.kind in GIVE) {
    const stored = await api(GIVE[item.kind], {[item.kind]: item[item.kind]});
    remember(stored.ids);
    return stored;
  }
  const known = JSON.parse(localStorage.getItem(IDS) ?? "{}");
  const ids = item.ids ?? item.keys.map(key => known[key]).filter(Boolean);
  return ids.length ? api(UNDOING[item.kind], {ids}) : {};
}

function remember(ids) {
  const known = Object.entries({...JSON.parse(localStorage.getItem(IDS) ?? "{}"), ...ids});
  localStorage.setItem(IDS, JSON.stringify(Object.fromEntries(known.slice(-KEPT))));
}

function show() {
  const node = document.getElementById("outbox");
  const n = waiting();
  node.textContent = n ? `${n} not stored yet${trouble ? `: ${trouble}` : "…"}` : "";
  node.classList.toggle("trouble", Boolean(n && trouble));
}

addEventListener("online", () => { wait = 0; flush(); });
addEventListener("beforeunload", event => { if (waiting() && trouble && trouble !== LOGIN) event.preventDefault(); });
show();
flush();
