// The focal plane: the preview, an overlay of votes, of differences from good exposures or of sky levels, the selected
// CCDs, and a good exposure to blink with.

import {number} from "./core.js";

const SVG = "http://www.w3.org/2000/svg";
const OVERLAY = "badexp.overlay";
const OVERLAYS = { // number, note and colour of a CCD
  votes: [ccd => ccd.p_bad === null ? "" : number(ccd.p_bad), () => "", "colour"],
  difference: [ccd => ccd.difference === null ? "" : number(ccd.difference), () => "", "difference_colour"],
  levels: [ccd => ccd.sky === null ? "" : ccd.sky.toFixed(0), ccd => saturation(ccd), "level_colour"],
};
const NOTABLE = 0.01; // share of saturated pixels that is shown
const saturation = ccd => (ccd.saturated >= NOTABLE ? `${(100 * ccd.saturated).toFixed(0)} % saturated` : "");

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class Plane {
  /** holder: element to draw in; changed(): the selection has changed; opened(ccd): a CCD was clicked. */
  constructor(holder, changed, opened) {
    Object.assign(this, {holder, changed, opened, selected: new Set(), cursor: null, ccds: [], boxes: new Map(), comparing: false});
    this.overlay = sessionStorage.getItem(OVERLAY) ?? "";
    holder.dataset.overlay = this.overlay;
  }

  /** Show an exposure with its decoded preview (null: none). */
  show(facts, picture) {
    const {width, height, ccds} = facts.plane;
    this.ccds = ccds.filter(ccd => ccd.status !== "absent");
    this.selected.clear();
    this.cursor = null;
    this.boxes = new Map(this.ccds.map(ccd => [ccd.ccdnum, this.box(ccd)]));
    const overlay = svg("svg", {viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none"}, ...this.boxes.values());
    const frame = document.createElement("div");
    frame.className = "frame-of-plane";
    frame.style.aspectRatio = `${width} / ${height}`;
    frame.style.setProperty("--aspect", width / height);
    if (picture) frame.append(picture);
    else frame.classList.add("nothing");
    frame.append(overlay);
    this.holder.replaceChildren(frame);
    this.blink(null);
    this.paint();
    this.changed();
  }

  box(ccd) {
    const {x, y, width, height} = ccd;
    const vote = ccd.hidden ? null : ccd.p_bad === null ? ccd.status === "read" ? "not scored" : ccd.status : `P(bad) ${number(ccd.p_bad)}, ${ccd.category}`;
    const difference = ccd.difference === null ? null : `differs from good CCDs by ${number(ccd.difference)} (1: as 5 % of them)`;
    const level = ccd.sky === null ? null : `sky ${ccd.sky.toFixed(0)} ADU`;
    const seen = ccd.p_bad !== null && ccd.status !== "read" ? "not sampled, seen on the focal plane" : null;
    const title = svg("title", {});
    title.textContent = [`${ccd.name} (${ccd.ccdnum})`, vote, seen, difference, level, saturation(ccd), ccd.reason, ccd.cuts.length ? `cuts: ${ccd.cuts.join(", ")}` : null].filter(Boolean).join("\n");
    const size = Math.min(height * 0.22, width * 0.14, 26);
    const label = svg("text", {class: "value", x: x + width * 0.96, y: y + size * 1.15, "font-size": size});
    const name = svg("text", {class: "name", x: x + width * 0.04, y: y + size * 1.15, "font-size": size});
    name.textContent = ccd.name;
    const note = svg("text", {class: "note", x: x + width * 0.96, y: y + height * 0.92, "font-size": size});
    const kind = ["ccd", ccd.status === "read" ? null : "unread", ccd.sky === null ? "unmeasured" : null].filter(Boolean).join(" ");
    const group = svg("g", {class: kind, "data-ccdnum": ccd.ccdnum},
      svg("rect", {x, y, width, height}), label, name, note, title);
    group.addEventListener("click", event => (event.shiftKey || event.ctrlKey || event.metaKey ? this.toggle(ccd.ccdnum) : this.opened(ccd)));
    return group;
  }

  /** Show an overlay ("votes", "difference", "levels"), or none if it is shown already. */
  toggleOverlay(name) {
    this.overlay = this.overlay === name ? "" : name;
    sessionStorage.setItem(OVERLAY, this.overlay);
    this.paint();
  }

  /** Paint the CCDs in the colours of the overlay, and write its numbers. */
  paint() {
    this.holder.dataset.overlay = this.overlay;
    const [words, note, colour] = OVERLAYS[this.overlay] ?? OVERLAYS.votes;
    for (const ccd of this.ccds) {
      const box = this.boxes.get(ccd.ccdnum);
      box.querySelector("rect").setAttribute("fill", ccd[colour] ?? "transparent");
      box.querySelector("text.value").textContent = words(ccd);
      box.querySelector("text.note").textContent = note(ccd);
    }
  }

  /** Show the decoded picture of another exposure, with words, over this one, or this one again (null). */
  blink(picture, words = "") {
    const frame = this.holder.firstElementChild;
    frame?.querySelectorAll(".other, .compared").forEach(node => node.remove());
    this.comparing = picture !== null;
    this.holder.classList.toggle("comparing", this.comparing);
    if (picture) {
      picture.classList.add("other");
      const note = document.createElement("p");
      note.className = "compared";
      note.setAttribute("role", "status");
      note.textContent = words;
      frame.append(picture, note);
    }
  }

  toggle(ccdnum) {
    this.selected.has(ccdnum) ? this.selected.delete(ccdnum) : this.selected.add(ccdnum);
    this.mark();
  }

  /** Select the CCDs that are called bad, and return their number; deselect them if they are selected already. */
  selectWorst() {
    const worst = this.ccds.filter(ccd => ccd.called_bad).map(ccd => ccd.ccdnum);
    const all = worst.length === this.selected.size && worst.every(n => this.selected.has(n));
    this.selected = new Set(all ? [] : worst);
    this.mark();
    return worst.length;
  }

  clear() {
    const had = this.selected.size > 0 || this.cursor !== null;
    this.selected.clear();
    this.cursor = null;
    this.mark();
    return had;
  }

  /** Move the cursor to the nearest CCD in direction (dx, dy); it starts at the worst CCD. */
  move(dx, dy) {
    const from = this.ccds.find(ccd => ccd.ccdnum === this.cursor);
    if (!from) {
      this.cursor = this.worst()?.ccdnum ?? null;
    } else {
      const middle = ccd => [ccd.x + ccd.width / 2, ccd.y + ccd.height / 2];
      const [fx, fy] = middle(from);
      let best = null;
      for (const ccd of this.ccds) {
        const [x, y] = middle(ccd);
        const along = (x - fx) * dx + (y - fy) * dy;
        const across = Math.abs((x - fx) * dy) + Math.abs((y - fy) * dx);
        if (along > 1 && (best === null || along + 2 * across < best.cost)) best = {ccd, cost: along + 2 * across};
      }
      if (best) this.cursor = best.ccd.ccdnum;
    }
    this.mark();
  }

  worst() {
    const seen = this.ccds.filter(ccd => ccd.status === "read" || ccd.p_bad !== null);
    return seen.toSorted((a, b) => (b.p_bad ?? -1) - (a.p_bad ?? -1))[0] ?? null;
  }

  /** Return the CCD at the cursor, else the worst one. */
  current() {
    return this.ccds.find(ccd => ccd.ccdnum === this.cursor) ?? this.worst();
  }

  names() {
    return this.ccds.filter(ccd => this.selected.has(ccd.ccdnum)).map(ccd => ccd.name);
  }

  mark() {
    for (const [ccdnum, box] of this.boxes) {
      box.classList.toggle("selected", this.selected.has(ccdnum));
      box.classList.toggle("cursor", ccdnum === this.cursor);
    }
    this.changed();
  }
}
