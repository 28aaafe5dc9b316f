// The panel beside the focal plane: reason, scores, answers, header, examples.

import {el, inWords, number} from "./core.js";
import {tagsPanel} from "./tags.js";

const SCORES = [
  ["p_bad", "P(bad)", 2, 0.5, 1], ["z_source", "entropy of sources, z", 1, 3, 20],
  ["z_background", "entropy of background, z", 1, 3, 20], ["z_mse", "autoencoder, z", 1, 3, 20],
];
const day = at => at?.slice(0, 16).replace("T", " ") ?? "";

const NOTABLE = 2; // per cent at either end of the band that are marked

/** Build the panel. `actions`: undo(answer), open(ccdnum), orientations(), tags(), untag(tag). */
export function factsPanel(facts, actions) {
  return [
    el("div", {class: "head"}, el("h1", {}, String(facts.expnum)),
      facts.hidden ? null : facts.rank ? el("span", {class: "faint"}, `rank ${facts.rank}`) : el("span", {class: "faint"}, "not a candidate"),
      el("span", {class: "faint"}, `${facts.night} · ${facts.filter ?? "?"} · ${facts.plver ?? "version unknown"}`)),
    facts.why ? el("p", {class: "why"}, el("b", {}, facts.category), ": ", facts.why) : null,
    facts.status_reason ? el("p", {class: "error"}, `${facts.status}: ${facts.status_reason}`) : null,
    el("div", {id: "tags"}, tagsPanel(facts, actions)),
    el("div", {id: "answers"}, answersPanel(facts, actions)),
    el("div", {id: "labels"}, labelsPanel(facts)),
    facts.hidden ? el("p", {class: "faint"}, "Scores and suggestions are hidden until you have answered.") : scores(facts),
    survey(facts),
    header(facts),
    ...explained(facts, actions),
    facts.has_whiskers ? el("button", {onclick: actions.orientations}, el("kbd", {}, "o"), " Orientations of sources and background") : null,
  ].filter(Boolean);
}

export function answersPanel(facts, actions) {
  const own = facts.mine.map(answer => el("li", {}, el("span", {class: `verdict ${answer.verdict}`}, inWords(answer)),
    answer.comment ? el("q", {}, answer.comment) : null,
    el("button", {class: "quiet", onclick: () => actions.undo(answer)}, "undo")));
  const others = facts.others.map(answer => el("li", {}, el("b", {}, answer.reviewer), answer.simulated ? " (simulated) " : " ",
    el("span", {class: `verdict ${answer.verdict}`}, inWords(answer)), answer.comment ? el("q", {}, answer.comment) : null));
  if (!own.length) return [];
  return [el("section", {}, el("h2", {}, "My answers"), el("ul", {class: "own"}, own)),
    el("section", {}, el("h2", {}, "Answers of other reviewers"), others.length ? el("ul", {class: "others"}, others) : el("p", {class: "faint"}, "none yet"))];
}

/** What label lists say: of candidates only once they are answered. */
export function labelsPanel(facts) {
  const of = ccds => (ccds.length === 0 ? "whole exposure" : ccds.length > 6 ? `${ccds.length} CCDs` : ccds.join(", "));
  return facts.labels.length ? [el("section", {}, el("h2", {}, "Labels"), el("ul", {}, facts.labels.map(label =>
    el("li", {}, el("b", {class: "bad"}, label.category), el("span", {}, of(label.ccds)), el("span", {class: "faint"}, [label.source, label.reason].filter(Boolean).join(": "))))))] : [];
}

function scores(facts) {
  const rows = SCORES.map(([name, words, digits, line, top]) => {
    const value = facts.scores[name];
    const bar = el("i");
    bar.style.width = `${100 * Math.min(1, Math.max(0, (value ?? 0) / top))}%`;
    return el("tr", {class: value !== null && value >= line ? "high" : ""}, el("th", {}, words),
      el("td", {class: "number"}, number(value, digits)), el("td", {class: "bar"}, bar));
  });
  const votes = facts.n_scored ? `${facts.n_bad} of ${facts.n_scored} CCDs called bad` : "no classifier";
  return el("section", {}, el("h2", {}, "Scores"), el("table", {class: "scores"}, rows),
    el("p", {class: "faint"}, [votes, facts.scores.n_sources === null ? null : `${facts.scores.n_sources} sources`].filter(Boolean).join(" · ")),
    el("p", {class: "faint"}, "Classifier: ViT + kNN of Luo et al. 2025 (arXiv:2507.12784) and its extensions. Entropy Method: Alonso, Zhang & Li."));
}

function survey(facts) {
  if (!facts.survey?.cuts) return null;
  const cuts = Object.entries(facts.survey.cuts);
  return el("section", {}, el("h2", {}, "Cuts of legacypipe"), cuts.length
    ? el("p", {}, cuts.map(([name, n]) => el("span", {class: "tag"}, `${name} ${n === facts.survey.n_ccds ? "all CCDs" : `${n} of ${facts.survey.n_ccds}`}`)))
    : el("p", {class: "faint"}, `none of ${facts.survey.n_ccds} CCDs is cut`));
}

function header(facts) {
  const h = facts.header;
  const rows = [
    ["exposure time", h.exptime, 0, " s", "exptime"], ["seeing", h.seeing, 2, "″", "seeing"], ["airmass", h.airmass, 2, "", "airmass"],
    ["sky", h.sky, 0, " ADU", "sky"], ["sky rate", h.sky_rate, 2, " ADU/s", "sky_rate"], ["noise", h.noise, 1, " ADU", "noise"],
    ["zero point", facts.survey?.ccdzpt, 2, " mag", "zero_point"], ["MJD", h.mjd_obs, 4, "", null], ["E(B−V)", facts.survey?.ebv, 3, " mag", null],
  ].filter(([, value]) => value !== null && value !== undefined);
  const at = h.ra === null || h.dec === null ? null : `${h.ra.toFixed(4)}, ${h.dec.toFixed(4)}`;
  const ccds = h.n_ccds === null ? null : `${h.n_ccds_read} read of ${h.n_ccds}${h.n_ccds_failed ? `, ${h.n_ccds_failed} failed` : ""}`;
  const pairs = [...rows.map(([name, value, digits, unit, key]) => [name, value.toFixed(digits) + unit, key]), ["RA, Dec", at, null], ["CCDs", ccds, null]]
    .filter(([, value]) => value !== null);
  return el("section", {}, el("h2", {}, "Header", el("span", {class: "of-band"})),
    el("dl", {class: "pairs"}, pairs.map(([name, value, key]) => [el("dt", {}, name), el("dd", {"data-number": key}, value)])),
    h.path ? el("p", {class: "faint path"}, h.path) : null,
    facts.links.length ? el("p", {class: "links"}, facts.links.map(([name, address]) =>
      el("a", {href: address, target: "_blank", rel: "noopener noreferrer"}, `${name} ↗`))) : null);
}

/** Pictures that are fetched once their exposure has stayed for a moment: before, the next ones would wait for them. */
const pictureLater = (alt, address, more = {}) => el("img", {loading: "lazy", alt, "data-src": address, ...more});

/** Fetch the pictures of the panel, or stop fetching them. */
export function fetchPictures(panel, fetch) {
  for (const image of panel.querySelectorAll("[data-src]")) fetch ? image.setAttribute("src", image.dataset.src) : image.removeAttribute("src");
}

/** Add to the header's numbers their percentiles in the band: {name: [per cent, exposures]}; null: not known yet. */
export function showPercentiles(panel, percentiles, band) {
  const most = Math.max(0, ...Object.values(percentiles ?? {}).map(([, n]) => n));
  panel.querySelector(".of-band")?.replaceChildren(percentiles === null ? " · percentiles are being collected"
    : most ? ` · percentile among ${most.toLocaleString("en")} exposures in ${band}` : "");
  for (const [name, [percent, n]] of Object.entries(percentiles ?? {})) {
    const value = panel.querySelector(`[data-number="${name}"]`);
    value?.querySelector(".percentile")?.remove();
    const extreme = percent <= NOTABLE || percent >= 100 - NOTABLE;
    value?.append(el("span", {class: extreme ? "percentile extreme" : "percentile",
      title: `${percent.toFixed(1)} % of ${n.toLocaleString("en")} exposures in ${band} have less`}, `${percent.toFixed(percent > 1 && percent < 99 ? 0 : 1)} %`));
  }
}

function explained(facts, actions) {
  return facts.explanations.map(ccd => el("section", {},
    el("h2", {}, el("button", {class: "link", onclick: () => actions.open(ccd.ccdnum)}, ccd.name),
      ccd.p_bad === null ? "" : ` ${ccd.category}, P(bad) ${number(ccd.p_bad)}`),
    ccd.has_map ? [pictureLater(`${ccd.name} and its anomaly map`, `/picture/${facts.expnum}/ccd/${ccd.ccdnum}/map`, {class: "map"}),
      el("p", {class: "faint"}, `Bright areas differ from good images; the box marks the most unusual patch (score ${number(ccd.anomaly, 1)}).`)] : null,
    ccd.examples.length ? el("p", {class: "faint"}, "Most similar labelled CCDs:") : null,
    ccd.place === 1 ? el("div", {class: "examples"}, ccd.examples.map(example => el("a", {href: `/exposure/${example.expnum}`, title: `distance ${number(example.distance)}`},
      pictureLater(example.category, `/picture/${example.expnum}/ccd/${example.ccdnum}/small`),
      el("span", {class: example.category === "good" ? "good" : "kind"}, example.category)))) :
      el("p", {}, [...new Set(ccd.examples.map(example => example.category))].map(name =>
        el("span", {class: "tag"}, `${name} ${ccd.examples.filter(e => e.category === name).length}×`))),
    ccd.reason ? el("p", {class: "faint"}, ccd.reason) : null));
}
