// Tags: short free words on exposures, which are no answers. Those of others are seen on answered exposures only.

import {el, openDialog, toast} from "./core.js";
import {MOST, sendTags, undoing, waitingTags} from "./outbox.js";

const LONGEST = 40; // characters of a tag
const MOST_TAGS = 20; // own tags of an exposure
const NOT_SHOWN = /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu; // as in tags.py
const RULE = /^[\p{L}\p{N}][^\p{C}\p{Zl}\p{Zp}]*$/u;

/** Return the tags in a text with commas between, in their one spelling; throws an Error for what is no tag. */
export function tagsIn(text) {
  const tags = text.replace(NOT_SHOWN, "").normalize("NFKC").toLowerCase().normalize("NFKC").split(",").map(part => part.split(/[ \u1680]/).filter(Boolean).join(" ")).filter(Boolean);
  const wrong = tags.find(tag => !RULE.test(tag) || [...tag].length > LONGEST);
  if (wrong !== undefined) throw new Error(`${wrong} is no tag: at most ${LONGEST} characters, first a letter or digit`);
  if (!tags.length) throw new Error("a word is needed");
  return [...new Set(tags)];
}

/** Return the own tags of an exposure after changes. */
const after = (tags, expnum, changes) => changes.filter(change => change.expnum === expnum)
  .reduce((now, {tag, attached}) => !attached ? now.filter(other => other !== tag) : now.includes(tag) ? now : [...now, tag], tags);

/** Return exposures ({expnum, tags, tags_of_others}) as they are with changes and undos that the server does not know of yet. */
export function withWaitingTags(exposures) {
  const [changes, blind] = [waitingTags(), undoing()];
  if (!changes.length && !blind.size) return exposures;
  return exposures.map(one => ({...one, tags: after(one.tags, one.expnum, changes), tags_of_others: blind.has(one.expnum) ? [] : one.tags_of_others}));
}

/** Note changes on an exposure. */
export const noteTags = (exposure, changes) => Object.assign(exposure, {tags: after(exposure.tags, exposure.expnum, changes)});

/** Return all tags of an exposure that may be seen. */
export const visibleTags = exposure => [...exposure.tags, ...exposure.tags_of_others.map(({tag}) => tag)];

/** The tags of the panel: own ones, each with a button that removes it, and those of others. */
export function tagsPanel(exposure, {tags, untag}) {
  return el("section", {}, el("h2", {}, "Tags"),
    exposure.tags.map(tag => el("button", {class: "tagged", title: "Remove", onclick: () => untag(tag)}, tag, el("span", {"aria-label": "remove"}, " ×"))),
    exposure.tags_of_others.map(({tag, reviewer}) => el("span", {class: "tagged of-other", title: `by ${reviewer}`}, tag)),
    el("button", {class: "quiet", id: "tag", title: "Add or remove tags", onclick: event => { event.currentTarget.blur(); tags(); }}, el("kbd", {}, ","), " Tag …"));
}

/**
 * Let the reviewer tag exposures ({expnum, tags}), which stay the same whatever is shown meanwhile.
 * known: tags to suggest; change(tags, attached): attaches or removes tags.
 */
export function openTags(exposures, known, change) {
  const n = exposures.length;
  const counts = new Map();
  for (const tag of exposures.flatMap(one => one.tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  const act = (tags, attached) => { dialog.close(); change(tags, attached); };
  const input = el("input", {name: "tag", maxlength: "200", autocomplete: "off", "aria-label": "tag"});
  const form = el("form", {class: "condition"}, input, el("button", {class: "main"}, "Add"));
  const chip = (tag, attached, ...words) => el("button", {class: "tagged", "data-tag": tag, "data-attached": String(attached), onclick: () => act([tag], attached)}, words);
  const suggested = known.filter(tag => counts.get(tag) !== n);
  const dialog = openDialog("tags", el("h2", {}, n === 1 ? `Tags of ${exposures[0].expnum}` : `Tags of ${n} exposures`),
    [...counts].map(([tag, of]) => chip(tag, false, tag, of < n ? el("small", {}, ` ${of} of ${n}`) : null, el("span", {"aria-label": "remove"}, " ×"))),
    form, suggested.length ? [el("h3", {}, "In use"), suggested.map(tag => chip(tag, true, tag))] : null,
    el("p", {class: "faint"}, "Commas separate tags. A tag is no answer; other reviewers see it once they have answered."));
  form.addEventListener("submit", event => {
    event.preventDefault();
    try {
      act(tagsIn(input.value), true);
    } catch (error) {
      toast(el("b", {class: "error"}, "Not tagged: "), error.message);
    }
  });
  input.focus();
}

/** Attach tags to exposures or remove them, where this changes something. noted(changes): shows it; undo(): undoes it. */
export function changeTags(exposures, tags, attached, noted, undo) {
  const changes = tags.flatMap(tag => exposures.filter(one => one.tags.includes(tag) !== attached).map(({expnum}) => ({expnum, tag, attached})));
  const full = attached && exposures.find(one => new Set([...one.tags, ...tags]).size > MOST_TAGS);
  const wrong = full ? `${full.expnum} would have more than ${MOST_TAGS} tags` : changes.length > MOST ? `at most ${MOST} can be changed at once` : null;
  if (wrong) return toast(el("b", {class: "error"}, "Not tagged: "), wrong);
  if (!changes.length) return toast("No tag was changed.");
  sendTags(changes);
  noted(changes);
  toast(tagWords(changes), " ", el("button", {class: "quiet", onclick: undo}, el("kbd", {}, "z"), " undo"));
}

/** Describe changes of tags, and their undo. */
export function tagWords(changes, undone = false) {
  const [expnums, tags] = ["expnum", "tag"].map(name => [...new Set(changes.map(change => change[name]))]);
  const what = changes[0].attached === undone ? "removed" : "attached";
  return el("span", {}, el("b", {}, expnums.length === 1 ? String(expnums[0]) : `${expnums.length} exposures`), `: ${tags.join(", ")} ${what}`);
}
