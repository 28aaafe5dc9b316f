// The page of one candidate.

import {chooseCategory, el, inWords, logOut, onKeys, showHelp, tapOrHold, toast} from "./core.js";
import {openSimilar, showDone, showHistory, showOrientations} from "./exposure_dialogs.js";
import {answersPanel, factsPanel, fetchPictures, labelsPanel} from "./facts.js";
import {chosen, readFilter} from "./filters.js";
import {KEYS} from "./keys.js";
import {CandidateList, followProgress} from "./list.js";
import {LoadedExposures} from "./loaded_exposures.js";
import * as outbox from "./outbox.js";
import {Plane} from "./plane.js";
import {Reranker, keepPlace} from "./rerank.js";
import {Surroundings} from "./surroundings.js";
import {changeTags, noteTags, openTags, tagWords, tagsPanel, withWaitingTags} from "./tags.js";
import {openZoom} from "./zoom.js";

const AHEAD = 4; // candidates to fetch ahead
const RETRY = 1500; // ms before a failed request is repeated
const $ = id => document.getElementById(id);

let list = null; // all candidates, once loaded
let rows = []; // candidates that match the filters of the grid
let facts = null; // facts of the exposure that is shown
let wanted = null; // the exposure that is shown or being loaded
let turn = 0;
let pressed = 0; // time of the key press that requested the shown exposure
const loaded = new LoadedExposures();

const actions = {undo, tags, untag: tag => changeTags([facts], [tag], false, retagged, undoLast), orientations: () => showOrientations(facts), open: ccdnum => zoomTo(plane.ccds.find(c => c.ccdnum === ccdnum))};

const plane = new Plane($("plane"), showTarget, ccd => zoomTo(ccd));
const surroundings = new Surroundings($("night"), $("facts"), expnum => show(expnum));

async function show(expnum, {push = true} = {}) {
  const mine = ++turn;
  wanted = expnum;
  const started = pressed || performance.now();
  document.body.classList.add("loading");
  const request = loaded.load(expnum);
  let page;
  try {
    page = await request;
  } catch (error) {
    if (error.status === 401) location.assign(`/login?next=/exposure/${expnum}`);
    if (mine !== turn) return;
    toast(el("b", {class: "error"}, "Not shown: "), error.message);
    if (error.status >= 400 && error.status < 500) wanted = facts?.expnum ?? null;
    else setTimeout(() => mine === turn && show(expnum, {push}), RETRY);
    return;
  } finally {
    if (mine === turn) document.body.classList.remove("loading");
  }
  if (mine !== turn) return;
  if (facts?.expnum !== expnum) for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close(); // of the exposure before
  facts = asOfNow(page.found);
  if (push) history.pushState({expnum}, "", `/exposure/${expnum}`);
  document.title = `Exposure ${expnum}`;
  plane.show(facts, page.image);
  fetchPictures($("facts"), false);
  $("facts").replaceChildren(...factsPanel(facts, actions));
  $("facts").scrollTop = 0;
  $("comment").value = "";
  surroundings.show(facts);
  if (!loaded.has(expnum, request)) refresh(expnum); // an answer was stored or taken back meanwhile
  await page.image?.decode().catch(() => {});
  requestAnimationFrame(() => {
    performance.measure("candidate", {start: started, detail: expnum});
    document.body.dataset.shown = expnum;
  });
  setTimeout(prefetch, 0);
}

/** Act once the candidates are loaded, which may be after the first exposure; until then keys answer nothing. */
async function whenListed(act) {
  if (!list) {
    const mine = ++turn;
    document.body.classList.add("loading");
    await listed;
    if (mine !== turn) return;
    document.body.classList.remove("loading");
    if (!list) return show(wanted, {push: false});
  }
  act();
}

async function note(expnum, verdict) {
  if (!list) await listed;
  list?.note(expnum, verdict);
}

const place = () => rows.findIndex(row => row.expnum === wanted);
const isOpen = row => row.mine === null && row.expnum !== wanted;

/** Return the open candidates in the order in which they come: those after this one, then those before it. */
function upcoming() {
  const at = place();
  return [...rows.slice(at + 1), ...rows.slice(0, Math.max(0, at))].filter(isOpen);
}

function prefetch() {
  for (const row of [...upcoming().slice(0, AHEAD), rows[place() + 1]].filter(Boolean)) loaded.load(row.expnum).catch(() => {});
}

/** Go on in a new ranking: the exposure on screen and the way to it stay, what comes next is as ranked. */
const reranker = new Reranker(() => list, found => {
  const before = upcoming().map(row => row.expnum);
  rows = keepPlace(rows, place(), chosen(found.rows, filter), found.byExpnum);
  list = found;
  prefetch();
  return {before, after: upcoming().map(row => row.expnum)};
});

function go(step) {
  const row = rows[place() + step];
  row ? show(row.expnum) : toast(step > 0 ? "This is the last candidate." : "This is the first candidate.");
}

function toNextOpen() {
  const [row] = upcoming();
  row ? show(row.expnum) : showDone(undoLast);
}

function showTarget() {
  const names = plane.names();
  $("target").textContent = names.length ? `for ${names.length > 4 ? `${names.length} CCDs` : names.join(", ")}` : "whole exposure";
  $("target").classList.toggle("ccds", names.length > 0);
}

function answerable() {
  if (plane.comparing) {
    toast("The exposure on screen is the comparison: nothing was answered. ", el("kbd", {}, "x"), " goes back.");
    return false;
  }
  if (facts?.expnum === wanted && !document.body.classList.contains("loading")) return true;
  toast("The next candidate is still loading: nothing was answered.");
  return false;
}

function answer(verdict, category = null) {
  if (!answerable()) return;
  const comment = $("comment").value.trim() || null;
  const ccds = plane.selected.size ? [...plane.selected] : [null];
  const shown = {view: "exposure", rank: facts.rank, category: facts.category, n_bad: facts.n_bad, n_scored: facts.n_scored, ...facts.scores};
  const {expnum, plver, model} = facts;
  outbox.sendAnswers(ccds.map(ccdnum => ({expnum, ccdnum, verdict, category, comment, plver, model, shown})));
  loaded.forget(expnum);
  note(expnum, verdict);
  document.querySelector("dialog.zoom")?.close();
  toast(el("b", {}, String(expnum)), ` ${inWords({verdict, category})}${ccds[0] === null ? "" : ` on ${plane.names().join(", ")}`} `,
    el("button", {class: "quiet", onclick: undoLast}, el("kbd", {}, "z"), " undo"));
  skip();
}

/** Change the tags of the exposure on screen, which stays the one that is tagged. */
function tags() {
  if (!answerable()) return;
  const exposure = facts;
  openTags([exposure], list?.tags ?? [], (words, attached) => changeTags([exposure], words, attached, retagged, undoLast));
}

async function retagged(changes) {
  for (const expnum of new Set(changes.map(change => change.expnum))) loaded.forget(expnum);
  if (facts) showAnswers(noteTags(facts, changes));
  if (!list) await listed;
  list?.noteTags(changes);
}

const bad = () => answerable() && chooseCategory(facts.category, category => answer("bad", category));

function undoLast() {
  const last = outbox.undoLast();
  if (!last) return toast("Nothing to undo in this session.");
  if (last.changes) {
    retagged(outbox.reversed(last.changes));
    toast(tagWords(last.changes, true));
  } else taken(last.expnums);
  if (!last.expnums.includes(facts?.expnum)) show(last.expnums[0]);
}

function undo(given) {
  outbox.takeBack(given);
  taken([given.expnum]);
}

function taken(expnums) {
  for (const expnum of expnums) {
    loaded.forget(expnum);
    note(expnum, null);
    if (facts?.expnum === expnum) showAnswers(asOfNow(facts));
  }
  toast(el("b", {}, expnums.length === 1 ? String(expnums[0]) : `${expnums.length} exposures`), " undone");
}

followProgress(() => list);
outbox.onStored((item, reply) => {
  if (reply.mine) listed.then(() => list?.noteStanding(reply.mine));
  if (item.kind === "retract") loaded.takenBack += 1;
  for (const expnum of outbox.expnumsOf(item)) if (!outbox.isWaiting(expnum)) refresh(expnum);
});

outbox.onRefused(item => outbox.expnumsOf(item).forEach(refresh));

/** Show the answers that are stored now. */
async function refresh(expnum) {
  loaded.forget(expnum);
  if (facts?.expnum !== expnum) return;
  const found = await loaded.stored(expnum).catch(() => null);
  if (!found || facts.expnum !== expnum) return;
  if (Boolean(found.hidden) !== Boolean(facts.hidden) && wanted === expnum) return show(expnum, {push: false});
  showAnswers(asOfNow(found));
  note(expnum, facts.mine.at(-1)?.verdict ?? null);
}

/** Return facts with waiting changes of tags, and without answers while mine are being taken back: those of others are for reviewers who have answered. */
function asOfNow(found) {
  const [now] = withWaitingTags([found]);
  return outbox.isUndoing(found.expnum) ? {...now, mine: [], others: [], labels: now.rank === null ? now.labels : []} : now;
}

function showAnswers(found) {
  facts = found;
  $("tags").replaceChildren(tagsPanel(found, actions));
  $("answers").replaceChildren(...answersPanel(found, actions));
  $("labels").replaceChildren(...labelsPanel(found));
}

/** Show the exposure to compare with, or this one again. */
async function blink() {
  if (plane.comparing) return unblink();
  const expnum = wanted;
  const picture = await surroundings.comparisonPicture();
  if (expnum !== wanted || document.querySelector("dialog[open]")) return;
  if (!picture) return toast(surroundings.found ? "No good exposure of this band to compare with." : "The comparison is still loading.");
  const {expnum: other, night, words} = surroundings.comparison;
  plane.blink(picture, `For comparison: ${other} of ${night}, ${words}`);
}

const unblink = () => document.querySelector("dialog.zoom") || plane.blink(null); // the viewer has a comparison of its own

function zoomTo(ccd) {
  if (!ccd || document.querySelector("dialog.zoom")) return;
  unblink();
  plane.cursor = ccd.ccdnum;
  plane.mark();
  openZoom(facts.expnum, plane, ccd, event => {
    const act = {b: bad, f: () => answer("fine"), u: () => answer("unsure"), ",": tags, "?": help}[event.key];
    if (act) { pressed = event.timeStamp; act(); pressed = 0; }
    return Boolean(act);
  }, () => surroundings.comparison, facts.previous);
}

const help = () => showHelp(KEYS);

const timed = act => event => { pressed = event.timeStamp; act(); pressed = 0; };
const next = () => whenListed(() => go(1));
const previous = () => whenListed(() => go(-1));
const skip = () => whenListed(toNextOpen);
const selectBad = () => plane.selectWorst() || toast("No CCD is called bad.");
const toggleVotes = () => plane.toggleOverlay("votes");
const toggleDifference = () => plane.toggleOverlay("difference");
const toggleLevels = () => plane.toggleOverlay("levels");
const toggleNight = () => surroundings.toggle();
const fullResolution = () => zoomTo(plane.current());
onKeys({
  b: bad, f: timed(() => answer("fine")), u: timed(() => answer("unsure")), z: timed(undoLast), y: () => showHistory(show, undo),
  c: () => $("comment").focus(), ",": tags, n: timed(next), ArrowRight: timed(next), p: timed(previous), ArrowLeft: timed(previous),
  s: timed(skip), q: () => reranker.rank(true), g: () => location.assign("/"), e: () => location.assign("/gallery"), v: toggleVotes, d: toggleDifference, a: toggleLevels, i: toggleNight,
  x: tapOrHold(document, "x", blink, unblink), w: () => selectBad(), m: () => openSimilar(wanted),
  h: () => plane.move(-1, 0), j: () => plane.move(0, 1), k: () => plane.move(0, -1), l: () => plane.move(1, 0),
  " ": () => plane.cursor === null ? plane.move(0, 0) : plane.toggle(plane.cursor), Escape: () => plane.clear(),
  Enter: fullResolution, o: () => showOrientations(facts), "?": help,
});
$("comment").addEventListener("keydown", event => { if (["Enter", "Escape"].includes(event.key)) { event.preventDefault(); event.target.blur(); } });
const clicks = {votes: toggleVotes, difference: toggleDifference, levels: toggleLevels, compare: blink, surroundings: toggleNight, worst: () => selectBad(), open: fullResolution, similar: () => openSimilar(wanted), undo: undoLast, previous, next, skip, rerank: () => reranker.rank(true), history: () => showHistory(show, undo), help, logout: logOut};
for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", event => { event.currentTarget.blur(); act(); });
for (const button of document.querySelectorAll("footer [data-verdict]"))
  button.addEventListener("click", () => { button.blur(); button.dataset.verdict === "bad" ? bad() : answer(button.dataset.verdict); });
addEventListener("popstate", event => event.state?.expnum && show(event.state.expnum, {push: false}));

const first = Number(document.querySelector("main").dataset.expnum);
history.replaceState({expnum: first}, "");
const filter = readFilter();
const notListed = error => toast(el("b", {class: "error"}, "Candidates not loaded: "), error.message);
const listed = CandidateList.load(filter.order, filter.queue, notListed).then(found => {
  list = found;
  rows = chosen(found.rows, filter);
  reranker.follow(found);
  if (facts) prefetch();
}).catch(notListed);
show(first, {push: false});
