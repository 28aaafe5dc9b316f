// The grid of candidates: filters, cells for the visible part only, and answers for several candidates at once.

import {chooseCategory, el, inWords, logOut, number, onKeys, showHelp, toast} from "./core.js";
import {FilterBar} from "./filter_bar.js";
import {DEFAULT, chosen, isMeasured, readFilter, storeFilter, takeQueue} from "./filters.js";
import {CandidateList, followProgress, hideScores, scoresQuery, shownOf} from "./list.js";
import {MOST, onStored, reversed, sendAnswers, undoLast} from "./outbox.js";
import {Reranker} from "./rerank.js";
import {changeTags, openTags, tagWords, visibleTags} from "./tags.js";

const AROUND = 2; // rows that are there above and below the screen
const $ = id => document.getElementById(id);
const cells = $("cells");
const form = $("filters");
takeQueue(location.hash);
const filter = readFilter();
const selected = new Set();
const nodes = new Map();
let list = null;
let turn = 0;
let rows = [];
let cursor = 0;
let drawn = {first: 0, last: 0}; // the cells that there are
let size = {columns: 1, width: 200, height: 190, top: 0};

async function load() {
  const mine = ++turn;
  const failed = error => {
    if (mine !== turn) return;
    $("nothing").hidden = false;
    $("nothing").textContent = error.message;
  };
  let found;
  try {
    found = await CandidateList.load(filter.order, filter.queue, failed);
  } catch (error) {
    failed(error);
    return;
  }
  if (mine !== turn) return; // another order was chosen meanwhile
  list = found;
  form.order.value = list.order;
  for (const name of ["night", "filter", "category"]) {
    const values = [...new Set(list.rows.map(row => row[name]))].filter(Boolean).sort();
    form[name].replaceChildren(el("option", {value: ""}, "all"), ...values.map(value => el("option", {value}, value)));
  }
  showFilter();
  refill();
  $("rerank").hidden = !list.learning;
  reranker.follow(list);
}

/** Show in the fields of the form what is filtered by. */
function showFilter() {
  for (const [name, value] of Object.entries(DEFAULT)) if (name !== "order" && typeof value === "string") form[name].value = filter[name];
}

/** Show another ranking; the selection and the cursor stay with their exposures. */
const reranker = new Reranker(() => list, found => {
  const open = () => rows.filter(row => row.mine === null).map(row => row.expnum);
  const before = open();
  refillInPlace(found);
  return {before, after: open()};
}, () => selected.size === 0 && !document.querySelector("dialog[open]"));

/** Show a list, which may be the same one with other rows; the selection and the cursor stay with their exposures. */
function refillInPlace(found) {
  const marked = new Set([...selected].map(index => rows[index].expnum));
  const at = rows[cursor]?.expnum;
  const index = cursor;
  list = found;
  refill();
  rows.forEach((row, index) => marked.has(row.expnum) && selected.add(index));
  const place = rows.findIndex(row => row.expnum === at);
  if (rows.length) move(place >= 0 ? place : index, false);
  for (const index of nodes.keys()) mark(index);
  showSelection();
}

function refill() {
  rows = list ? chosen(list.rows, filter) : [];
  selected.clear();
  cursor = 0;
  const learned = list?.learning?.state === "ready" ? ` · learned from ${list.learning.n_answers} answered` : "";
  $("count").textContent = `${rows.length} of ${list?.rows.length ?? 0}${learned}`;
  $("nothing").hidden = rows.length > 0;
  const collecting = list?.collecting && filter.conditions.some(isMeasured);
  $("nothing").textContent = collecting ? "The numbers of all exposures are being collected; load the page again in some seconds." : filter.state === "open" ? "No open candidate matches these filters." : "No candidate matches these filters.";
  cells.replaceChildren();
  nodes.clear();
  drawn = {first: 0, last: 0};
  layout();
  showSelection();
}

function layout() {
  const room = cells.clientWidth;
  const columns = Math.max(2, Math.floor(room / 250));
  const width = room / columns;
  size = {columns, width, height: Math.round(width * 0.72 + 44), top: cells.offsetTop};
  cells.style.height = `${Math.ceil(rows.length / columns) * size.height}px`;
  for (const [index, node] of nodes) position(node, index);
  render();
}

function position(node, index) {
  node.style.transform = `translate(${(index % size.columns) * size.width}px, ${Math.floor(index / size.columns) * size.height}px)`;
  node.style.width = `${size.width}px`;
  node.style.height = `${size.height}px`;
}

function render() {
  const top = scrollY - size.top; // asking the element for its place while scrolling would lay out the page
  const first = Math.max(0, Math.floor(top / size.height) - AROUND) * size.columns;
  const last = Math.min(rows.length, (Math.ceil((top + innerHeight) / size.height) + AROUND) * size.columns);
  if (first === drawn.first && last === drawn.last) return;
  drawn = {first, last};
  for (const [index, node] of nodes) if (index < first || index >= last) { node.remove(); nodes.delete(index); }
  const added = [];
  for (let index = first; index < last; index++) {
    if (nodes.has(index)) continue;
    const node = cell(rows[index], index);
    position(node, index);
    nodes.set(index, node);
    mark(index);
    added.push(node);
  }
  cells.append(...added);
}

function cell(row, index) {
  const picture = el("img", {alt: "", src: `/picture/${row.expnum}/small`, decoding: "async"});
  picture.addEventListener("error", () => picture.replaceWith(el("span", {class: "nothing"}, "no preview")));
  const box = el("button", {class: "tick", title: "select", "aria-label": `select ${row.expnum}`, tabindex: "-1",
    onclick: event => { event.preventDefault(); event.stopPropagation(); moveCursor(index); toggle(index); }});
  const link = el("a", {href: `/exposure/${row.expnum}`, tabindex: "-1", title: row.why},
    el("span", {class: "picture"}, picture, el("span", {class: "tags"})),
    el("span", {class: "line"}, el("b", {}, String(row.expnum)), el("span", {class: "faint"}, `${row.night.slice(2)} ${row.filter}`), el("span", {class: "answer"})),
    el("span", {class: "line faint"}, el("span", {}, row.category), el("span", {class: "p"}, row.p_bad === null ? "" : number(row.p_bad))));
  link.addEventListener("click", event => {
    if (event.shiftKey) { event.preventDefault(); range(cursor, index); moveCursor(index); }
  });
  return el("div", {class: "cell", role: "option", "data-expnum": row.expnum}, link, box);
}

function mark(index) {
  const node = nodes.get(index);
  if (!node) return;
  const row = rows[index];
  node.classList.toggle("selected", selected.has(index));
  node.classList.toggle("cursor", index === cursor);
  node.setAttribute("aria-selected", selected.has(index));
  for (const verdict of ["bad", "fine", "unsure"]) node.classList.toggle(verdict, row.mine === verdict);
  node.querySelector(".answer").textContent = row.mine ?? "";
  const tags = visibleTags(row);
  if (tags.join() === (node.dataset.tags ?? "")) return;
  node.dataset.tags = tags.join();
  node.querySelector(".tags").replaceChildren(...tags.map((tag, k) => el("span", {class: k < row.tags.length ? "tagged" : "tagged of-other", title: tag}, tag)));
}

function toggle(index) {
  if (!rows[index]) return;
  selected.has(index) ? selected.delete(index) : selected.add(index);
  mark(index);
  showSelection();
}

function range(from, to) {
  for (let index = Math.min(from, to); index <= Math.max(from, to); index++) { selected.add(index); mark(index); }
  showSelection();
}

const everything = () => rows.length && range(0, rows.length - 1);

function showSelection() {
  $("bar").hidden = selected.size === 0;
  $("selected").textContent = `${selected.size} selected`;
}

function moveCursor(to) {
  const from = cursor;
  cursor = to;
  mark(from);
  mark(to);
}

function move(step, extend) {
  if (!rows.length) return;
  const to = Math.min(rows.length - 1, Math.max(0, cursor + step));
  const from = cursor;
  moveCursor(to);
  if (extend) range(from, to);
  const top = Math.floor(to / size.columns) * size.height + cells.offsetTop;
  const head = document.querySelector("header").offsetHeight + form.offsetHeight * (getComputedStyle(form).position === "sticky");
  if (top < scrollY + head) scrollTo({top: top - head - 8});
  if (top + size.height > scrollY + innerHeight - 64) scrollTo({top: top + size.height - innerHeight + 72});
  render();
}

/** Return the selected candidates, or the one under the cursor. */
const targets = () => (selected.size ? [...selected] : rows.length ? [cursor] : []).map(index => rows[index]);

/** Answer for candidates, which stay the same while a category is chosen, whatever the list shows meanwhile. */
function answer(verdict, category = null, whom = targets()) {
  if (!whom.length) return;
  if (whom.length > MOST) return toast(el("b", {class: "error"}, "Nothing was answered: "), `${whom.length} are selected, and at most ${MOST} can be answered at once`);
  sendAnswers(whom.map(row => ({expnum: row.expnum, verdict, category, plver: row.plver, model: row.model ?? null, shown: shownOf(row)})));
  const expnums = whom.map(row => row.expnum);
  const given = new Set(expnums);
  for (const expnum of expnums) list.note(expnum, verdict);
  rows.forEach((row, index) => { if (given.has(row.expnum)) { selected.delete(index); mark(index); } });
  showSelection();
  toast(`${expnums.length === 1 ? expnums[0] : `${expnums.length} exposures`}: ${inWords({verdict, category})} `,
    el("button", {class: "quiet", onclick: undo}, el("kbd", {}, "z"), " undo"));
  if (whom.length === 1) move(1, false);
}

function bad() {
  const whom = targets();
  const kinds = new Set(whom.map(row => row.category));
  if (whom.length) chooseCategory(kinds.size === 1 ? [...kinds][0] : null, category => answer("bad", category, whom));
}

function undo() {
  const last = undoLast();
  if (!last) return toast("Nothing to undo in this session.");
  if (last.changes) {
    retagged(reversed(last.changes));
    return toast(tagWords(last.changes, true));
  }
  for (const expnum of last.expnums) list?.note(expnum, null); // null: not loaded yet
  showAgain(last.expnums);
  toast(`${last.expnums.length === 1 ? last.expnums[0] : `${last.expnums.length} exposures`} undone`);
}

followProgress(() => list);
onStored((item, reply) => {
  if (!list || !reply.mine) return;
  list.noteStanding(reply.mine);
  showAgain(Object.keys(reply.mine).map(Number));
});

/** Show exposures as they are after an undo: those that match the filters again are back in the list. */
function showAgain(expnums) {
  const shown = new Set(rows.map(row => row.expnum));
  const found = new Set(list ? chosen(list.rows, filter).map(row => row.expnum) : []);
  if (expnums.some(expnum => found.has(expnum) && !shown.has(expnum))) refillInPlace(list);
  else for (const index of nodes.keys()) mark(index);
}

/** Change the tags of the selected candidates, which stay selected, or of the one under the cursor. */
function tags() {
  const whom = targets();
  if (whom.length) openTags(whom, list.tags, (words, attached) => changeTags(whom, words, attached, retagged, undo));
}

function retagged(changes) {
  list?.noteTags(changes);
  for (const index of nodes.keys()) mark(index);
}

const open = () => rows[cursor] && location.assign(`/exposure/${rows[cursor].expnum}`);
const start = () => { const row = rows.find(r => r.mine === null) ?? rows[0]; if (row) location.assign(`/exposure/${row.expnum}`); };
const clear = () => { const had = [...selected]; selected.clear(); had.forEach(mark); showSelection(); };
const help = () => showHelp({
  "Go": [["← → ↑ ↓", "move"], ["Enter", "open"], ["r", "start with the first candidate without my answer"], ["q", "rank again by all answers, in a learned order"], ["e", "examples of categories"]],
  "Select": [["Space", "select"], ["Shift+← Shift+→", "select more (or Shift and click)"], ["a", "select all on the screen"], ["A", "select all that match the filters"], ["Esc", "select none"]],
  "Answer for the selected candidates, or for this one": [["b", "bad, then a category"], ["f", "fine"], ["u", "unsure"], [",", "tags: short words that are no answer"], ["z", "undo the last answers or tags"]],
});
function selectScreen() {
  const top = scrollY - cells.offsetTop;
  for (const index of nodes.keys()) {
    const y = Math.floor(index / size.columns) * size.height;
    if (y + size.height > top && y < top + innerHeight) { selected.add(index); mark(index); }
  }
  showSelection();
}

onKeys({
  ArrowLeft: event => move(-1, event.shiftKey), ArrowRight: event => move(1, event.shiftKey), ArrowUp: event => move(-size.columns, event.shiftKey),
  ArrowDown: event => move(size.columns, event.shiftKey), " ": () => toggle(cursor), Enter: open, r: start, q: () => reranker.rank(true), a: selectScreen, A: everything, Escape: clear,
  b: bad, f: () => answer("fine"), u: () => answer("unsure"), ",": tags, z: undo, e: () => location.assign("/gallery"), "?": help,
});
form.addEventListener("change", event => {
  if (event.target.name === "hide") {
    hideScores(event.target.checked);
    event.target.blur();
    return load();
  }
  if (!(event.target.name in DEFAULT)) return;
  filter[event.target.name] = event.target.value;
  storeFilter(filter);
  event.target.blur();
  event.target.name === "order" ? load() : refill();
});
form.addEventListener("submit", event => event.preventDefault());
$("start").addEventListener("click", start);
$("rerank").addEventListener("click", event => { event.currentTarget.blur(); reranker.rank(true); });
$("help").addEventListener("click", help);
$("tag").addEventListener("click", event => { event.currentTarget.blur(); tags(); });
$("clear").addEventListener("click", clear);
$("everything").addEventListener("click", event => { event.currentTarget.blur(); everything(); });
$("logout").addEventListener("click", logOut);
for (const button of $("bar").querySelectorAll("[data-verdict]"))
  button.addEventListener("click", () => { button.blur(); button.dataset.verdict === "bad" ? bad() : answer(button.dataset.verdict); });
addEventListener("scroll", render, {passive: true});
addEventListener("resize", layout);
new ResizeObserver(layout).observe(form); // above the cells
if (!form.hide.disabled) form.hide.checked = Boolean(scoresQuery());
new FilterBar($("more"), filter, () => {
  if (!list || ![list.asked, list.order].includes(filter.order) || filter.queue !== list.queue) return load();
  showFilter();
  refill();
});
addEventListener("pageshow", event => event.persisted && load());
load();
