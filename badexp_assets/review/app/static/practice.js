// A round of practice: known exposures, feedback after each answer, and a tally at the end. Nothing is stored.

import "./outbox.js"; // answers to candidates that still wait
import {api, categories, chooseCategory, el, logOut, onKeys, toast} from "./core.js";

const ROUND = "badexp.practice"; // number of the next round, in this browser
const RETRY = 2000; // ms before a failed request is repeated
const $ = id => document.getElementById(id);
const describe = name => categories.find(category => category.name === name)?.words ?? "";
const WORDS = {right: "Right", wrong: "No", unsure: "Unsure", "other category": "Bad, but of another kind"};

let round = Number(localStorage.getItem(ROUND) ?? 1);
let expnums = [];
let results = []; // of the answered cases
let state = "loading"; // asked, answered, ended

async function start() {
  const found = await api(`/practice/${round}`).catch(error => {
    $("practice").replaceChildren(el("p", {class: "nothing"}, `Not loaded yet: ${error.message}`));
    setTimeout(start, RETRY);
  });
  if (!found) return;
  expnums = found.expnums;
  results = [];
  if (expnums.length) ask();
  else $("practice").replaceChildren(el("h1", {}, "Practice"),
    el("p", {}, "This home has no exposures to practise with: none that a label list names as a whole, and none that is certainly good."));
}

const picture = expnum => el("img", {class: "plane-picture", alt: `focal plane of case ${results.length + 1}`, src: `/picture/${expnum}/mosaic`});

function ask() {
  state = "asked";
  const expnum = expnums[results.length];
  $("bar").hidden = false;
  $("go").hidden = true;
  for (const button of document.querySelectorAll("[data-verdict]")) button.hidden = false;
  $("count").textContent = `${results.length + 1} of ${expnums.length}`;
  $("practice").replaceChildren(el("section", {class: "shown"}, picture(expnum)),
    el("aside", {}, el("h1", {}, "Practice"), el("p", {}, "Bad, fine or unsure? The answer is known, and shown after yours. Nothing here is stored or counts."),
      el("p", {class: "faint"}, "Look at the whole focal plane: steps between CCDs, rings and haze across CCDs, trailed or broad stars, few stars.")));
  const next = expnums[results.length + 1];
  if (next) new Image().src = `/picture/${next}/mosaic`;
}

async function answer(verdict, category = null) {
  if (state !== "asked") return;
  state = "sent";
  const expnum = expnums[results.length];
  const found = await api(`/practice/${round}`, {expnum, verdict, category}).catch(error => {
    state = "asked";
    toast(el("b", {class: "error"}, "Not answered: "), error.message);
  });
  if (found) show({...found, expnum, verdict, given: category});
}

const bad = () => state === "asked" && chooseCategory(null, category => answer("bad", category));

function show(result) {
  results.push(result);
  state = "answered";
  for (const button of document.querySelectorAll("[data-verdict]")) button.hidden = true;
  $("go").hidden = false;
  const last = results.length === expnums.length;
  $("go").lastChild.textContent = last ? " Tally" : " Next";
  const own = [result.verdict, result.given].filter(Boolean).join(" · ");
  const image = document.querySelector(".plane-picture");
  const truth = result.category === "good" ? "fine" : `bad · ${result.category}`;
  $("practice").replaceChildren(el("section", {class: "shown"}, image),
    el("aside", {}, el("h1", {class: `judged ${result.judgement.split(" ")[0]}`}, WORDS[result.judgement]),
      el("dl", {class: "pairs"}, el("dt", {}, "your answer"), el("dd", {}, own), el("dt", {}, "known"), el("dd", {}, truth),
        el("dt", {}, "exposure"), el("dd", {}, el("a", {href: `/exposure/${result.expnum}`, target: "_blank"}, String(result.expnum)))),
      el("p", {}, [result.source, result.reason].filter(Boolean).join(": ")),
      result.category === "good" ? null : el("p", {class: "faint"}, describe(result.category)),
      result.examples.length ? el("section", {}, el("h2", {}, `Others of ${result.category}`), el("div", {class: "examples"}, result.examples.map(n =>
        el("a", {href: `/exposure/${n}`, target: "_blank"}, el("img", {loading: "lazy", alt: `${result.category}: ${n}`, src: `/picture/${n}/small`}))))) : null,
      result.given && result.given !== result.category && describe(result.given) ?
        el("p", {class: "faint"}, el("b", {}, result.given), `: ${describe(result.given)}`) : null));
}

function next() {
  if (state !== "answered") return;
  results.length < expnums.length ? ask() : tally();
}

function tally() {
  state = "ended";
  $("bar").hidden = true;
  localStorage.setItem(ROUND, round + 1);
  const kinds = [...new Set(results.map(r => r.category))].toSorted();
  const cell = n => el("td", {class: "number"}, String(n));
  const rows = kinds.map(kind => {
    const of = results.filter(r => r.category === kind);
    const right = of.filter(r => ["right", "other category"].includes(r.judgement));
    return el("tr", {}, el("th", {}, kind === "good" ? "fine" : kind), cell(of.length), cell(right.length),
      cell(kind === "good" ? "–" : right.filter(r => r.given === kind).length));
  });
  const sum = (kind, wanted) => results.filter(r => (r.category === "good") === (kind === "good") && wanted(r)).length;
  const ok = r => ["right", "other category"].includes(r.judgement);
  $("practice").replaceChildren(el("section", {class: "tally"},
    el("h1", {}, `Round ${round}: your tally`),
    el("p", {}, `You called ${sum("bad", ok)} of ${sum("bad", () => true)} bad exposures bad, and ${sum("good", ok)} of ${sum("good", () => true)} good ones fine.`),
    el("table", {class: "scores"}, el("tr", {}, ["known", "cases", "right verdict", "and category"].map((name, k) => el("th", {class: k ? "number" : ""}, name))), rows),
    el("h2", {}, "Look again at"), el("ul", {class: "again"}, results.filter(r => r.judgement !== "right").map(r => el("li", {},
      el("a", {href: `/exposure/${r.expnum}`}, el("img", {alt: `focal plane of ${r.expnum}`, loading: "lazy", src: `/picture/${r.expnum}/small`})),
      el("span", {}, `${r.expnum}: you said ${[r.verdict, r.given].filter(Boolean).join(" · ")}, known is ${r.category === "good" ? "fine" : r.category}`)))),
    results.every(r => r.judgement === "right") ? el("p", {}, "Nothing: all were right.") : null,
    el("p", {}, el("button", {class: "main", id: "again", onclick: again}, "Another round"), " ", el("a", {class: "button", href: "/"}, "To the candidates"))));
}

function again() {
  round += 1;
  start();
}

onKeys({b: bad, f: () => answer("fine"), u: () => answer("unsure"), n: next, ArrowRight: next, Enter: () => (state === "ended" ? again() : next())});
for (const button of document.querySelectorAll("footer [data-verdict]"))
  button.addEventListener("click", () => { button.blur(); button.dataset.verdict === "bad" ? bad() : answer(button.dataset.verdict); });
$("go").addEventListener("click", event => { event.currentTarget.blur(); next(); });
$("logout").addEventListener("click", logOut);
start();
