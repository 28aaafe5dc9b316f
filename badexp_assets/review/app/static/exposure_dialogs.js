// What the page of one candidate opens: my answers, orientations, similar exposures, and the end of the queue.

import {api, el, inWords, openDialog, toast} from "./core.js";
import {storeQueue} from "./filters.js";
import * as outbox from "./outbox.js";

const SEARCH = 180; // seconds for a search over the whole survey
const RETRY = 1500; // ms before it is looked again whether answers still wait

/** Show my latest answers. open(expnum): shows an exposure; undo(answer): takes an answer back. */
export async function showHistory(open, undo) {
  const {answers} = await api("/answers");
  const dialog = openDialog("history", el("h2", {}, "My latest answers"), answers.length ? el("ul", {class: "own"}, answers.map(given => el("li", {},
    el("button", {class: "link", onclick: () => { dialog.close(); open(given.expnum); }}, String(given.expnum)),
    el("span", {class: `verdict ${given.verdict}`}, inWords(given)), given.comment ? el("q", {}, given.comment) : null,
    el("button", {class: "quiet", onclick: event => { undo(given); event.target.closest("li").remove(); }}, "undo")))) : el("p", {class: "faint"}, "none yet"));
}

export function showOrientations(facts) {
  if (!facts?.has_whiskers) return toast("This exposure has no measured orientations.");
  openDialog("orientations", el("img", {alt: "orientations of sources and background, and the preferred direction of each CCD", src: `/picture/${facts.expnum}/whiskers`}),
    el("p", {class: "faint"}, "Measured by the Entropy Method (Alonso, Zhang & Li). The histograms count angles to the x axis of the file; below, each CCD and its direction lie as in the focal-plane picture."));
}

/** Show the end of the queue, with the tally of this reviewer once the last answers are stored. undo(): takes the last answer back. */
export async function showDone(undo) {
  const counts = el("div", {});
  const back = () => { dialog.close(); undo(); };
  const dialog = openDialog("done", el("h2", {}, "All done"), el("p", {}, "You have answered all candidates that match the filters."), counts,
    el("a", {class: "button main", href: "/"}, "Back to the candidates"), " ",
    el("button", {class: "quiet undo", onclick: back}, el("kbd", {}, "z"), " Undo the last answer"));
  dialog.addEventListener("keydown", event => {
    if (event.key !== "z" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // else the page behind would undo another one
    back();
  });
  while (outbox.waiting()) await new Promise(stored => setTimeout(stored, RETRY)); // the last answers count, too
  const {sentences, skill} = await api("/tally").catch(() => ({sentences: [], skill: []}));
  counts.append(...sentences.map(sentence => el("p", {}, sentence)));
  if (skill.length) counts.append(el("h3", {}, "Your skill on the known cases among them"),
    el("dl", {class: "pairs"}, skill.map(row => [el("dt", {}, row.known === "bad" ? "all bad ones" : row.known), el("dd", {}, row.words)])),
    el("p", {class: "faint"}, "Share of right verdicts, with its 95 % interval. Only you and those who run the survey see it."));
}

/** Go to the list of the exposures of the survey that look most like this one, nearest first. */
export async function openSimilar(expnum) {
  toast("Looking for exposures like this one …");
  try {
    const {exposures} = await api(`/exposure/${expnum}/similar`, undefined, SEARCH);
    storeQueue(`${exposures.length} most like ${expnum}`, [expnum, ...exposures.map(found => found.expnum)]);
    location.assign("/");
  } catch (error) {
    toast(el("b", {class: "error"}, "Not found: "), error.message);
  }
}
