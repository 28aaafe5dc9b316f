// The viewer of a CCD in full resolution: pan, zoom, stretch, blink with the mask, another exposure and the previous reduction.

import {el, openDialog, tapOrHold} from "./core.js";

const STRETCHES = ["zscale", "deep", "wide", "absolute"];
const MASK = [["bad", "Bad"], ["novalue", "No value"], ["saturated", "Saturated"], ["bleed", "Bleed trail"], ["cosmic", "Cosmic ray"],
  ["lowweight", "Low weight"], ["transient", "Transient"], ["streak", "Streak"]];
let stretch = STRETCHES[0];

/**
 * Open the viewer on a CCD of `plane`. `passOn(event)` handles keys that the viewer does not use, such as answers.
 * `comparison()`: the exposure to blink with, or null. `previous`: name of the previous
 * reduction of this exposure, or null. While one of these is shown, `plane.comparing` is true.
 */
export function openZoom(expnum, plane, ccd, passOn, comparison, previous) {
  const readable = plane.ccds.filter(c => !["failed", "absent"].includes(c.status));
  let masked = false;
  let against = null; // what is, or was last, blinked with
  const view = {scale: 1, x: 0, y: 0, fit: 1};
  const picture = el("img", {alt: "CCD", class: "picture", draggable: "false"});
  const mask = el("img", {alt: "mask", class: "mask", draggable: "false"});
  const other = el("img", {alt: "the same CCD of another exposure", class: "other", draggable: "false"});
  const stage = el("div", {class: "stage"}, picture, mask, other);
  const title = el("b", {});
  const words = el("span", {class: "words"});
  const legend = el("span", {class: "mask-legend"}, MASK.map(([kind, name]) => el("span", {}, el("i", {class: kind}), name)));
  const button = (keys, name, act) => el("button", {class: "quiet", onclick: act}, el("kbd", {}, keys), ` ${name}`);
  const choose = button("Space", "Select", () => toggle());
  const dialog = openDialog("zoom",
    el("div", {class: "tools"}, title, words, choose, button("m", "Mask", () => blink()), button("x", "Compare", () => blinkOther()),
      previous ? button("r", "Reduction", () => blinkReduction()) : null,
      button("t", "Stretch", () => next()),
      button("[", "Previous", () => step(-1)), button("]", "Next", () => step(1)), button("0", "Fit", () => fit()),
      button("1", "1:1", () => pixelByPixel()), button("Esc", "Close", () => dialog.close())),
    stage, legend);

  dialog.addEventListener("close", () => { plane.comparing = false; }, {once: true});

  function load() {
    show(null);
    other.removeAttribute("src");
    title.textContent = `${ccd.name} of ${expnum}`;
    words.textContent = "decoding …";
    stage.classList.add("waiting");
    masked = false;
    mask.removeAttribute("src");
    dialog.classList.remove("masked");
    picture.src = `/picture/${expnum}/ccd/${ccd.ccdnum}?stretch=${stretch}`;
    choose.classList.toggle("on", plane.selected.has(ccd.ccdnum));
  }

  picture.addEventListener("load", () => {
    stage.classList.remove("waiting");
    tell();
    fit();
  });
  other.addEventListener("load", () => tell());
  for (const image of [picture, other]) image.addEventListener("error", async () => {
    const answer = await fetch(image.src).then(r => r.json()).catch(() => ({}));
    words.textContent = answer.error ?? "this CCD cannot be shown";
  });

  /** Say what is shown. */
  function tell() {
    if (!dialog.open) return; // a picture that comes late, while the focal plane may be comparing
    title.textContent = `${ccd.name} of ${plane.comparing ? against.expnum : expnum}`;
    const vote = ccd.p_bad === null ? "" : ` · P(bad) ${ccd.p_bad.toFixed(2)}, ${ccd.category}`;
    const size = `${picture.naturalWidth} × ${picture.naturalHeight} px`;
    const decoding = plane.comparing && !other.naturalWidth;
    words.textContent = decoding ? "decoding …" : plane.comparing ? against.words
      : `${size} · ${stretch}${stretch === "absolute" ? ", 0 to 65,535 ADU" : ""}${vote}`;
  }

  const onePixel = () => 1 / devicePixelRatio; // scale at which a pixel of the CCD is one of the screen
  const toPixel = at => Math.round(at * devicePixelRatio) / devicePixelRatio;

  function draw() {
    for (const image of [picture, mask, other]) {
      image.style.transform = `translate(${toPixel(view.x)}px, ${toPixel(view.y)}px) scale(${view.scale})`;
      image.classList.toggle("pixels", view.scale > 2);
    }
  }

  function fit() {
    view.fit = Math.min(stage.clientWidth / picture.naturalWidth, stage.clientHeight / picture.naturalHeight) || 1;
    view.scale = view.fit;
    view.x = (stage.clientWidth - picture.naturalWidth * view.scale) / 2;
    view.y = (stage.clientHeight - picture.naturalHeight * view.scale) / 2;
    draw();
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const scale = Math.min(16, Math.max(Math.min(view.fit / 2, onePixel()), view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    draw();
  }

  function pixelByPixel() { zoom(onePixel() / view.scale); }

  function pan(dx, dy) { view.x += dx; view.y += dy; draw(); }

  /** Show the same CCD of `found` (expnum, words, query) at the same place and zoom, or this one again (null). */
  function show(found) {
    const src = found && `/picture/${found.expnum}/ccd/${ccd.ccdnum}?stretch=${stretch}${found.query}`;
    if (found && other.getAttribute("src") !== src) other.src = src;
    against = found ?? against;
    plane.comparing = Boolean(found);
    dialog.classList.toggle("comparing", plane.comparing);
    if (picture.naturalWidth) tell();
  }

  function blinkOther() {
    const found = comparison();
    if (plane.comparing) show(null);
    else if (found) show({expnum: found.expnum, words: `for comparison: ${found.words}`, query: ""});
    else words.textContent = "no good exposure of this band to compare with";
  }

  function blinkReduction() {
    if (!previous) words.textContent = "the archive has no previous reduction of this exposure";
    else show(plane.comparing && against.query ? null : {expnum, words: `previous reduction: ${previous}`, query: "&reduction=previous"});
  }

  function blink() {
    show(null);
    if (!mask.getAttribute("src")) {
      mask.onerror = async () => { words.textContent = (await fetch(mask.src).then(r => r.json()).catch(() => ({}))).error ?? "no mask"; };
      mask.src = `/picture/${expnum}/ccd/${ccd.ccdnum}/mask`;
    }
    masked = !masked;
    dialog.classList.toggle("masked", masked);
  }

  function next() { stretch = STRETCHES[(STRETCHES.indexOf(stretch) + 1) % STRETCHES.length]; load(); }

  function step(by) {
    ccd = readable[(readable.indexOf(ccd) + by + readable.length) % readable.length];
    plane.cursor = ccd.ccdnum;
    plane.mark();
    load();
  }

  function toggle() { plane.toggle(ccd.ccdnum); choose.classList.toggle("on", plane.selected.has(ccd.ccdnum)); }

  stage.addEventListener("wheel", event => {
    event.preventDefault();
    const {left, top} = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
  }, {passive: false});

  const fingers = new Map();
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
  stage.addEventListener("pointerdown", event => { fingers.set(event.pointerId, event); stage.setPointerCapture(event.pointerId); });
  stage.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const was = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) return pan(event.clientX - before.clientX, event.clientY - before.clientY);
    const [a, b] = [...fingers.values()];
    const {left, top} = stage.getBoundingClientRect();
    zoom(spread() / (was || 1), (a.clientX + b.clientX) / 2 - left, (a.clientY + b.clientY) / 2 - top);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, event => fingers.delete(event.pointerId));

  const keys = {
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": fit, "1": () => pixelByPixel(),
    m: blink, t: next, x: tapOrHold(dialog, "x", blinkOther, () => show(null)), r: tapOrHold(dialog, "r", blinkReduction, () => show(null)), "[": () => step(-1), "]": () => step(1), " ": toggle, Enter: () => dialog.close(),
    ArrowLeft: () => pan(80, 0), ArrowRight: () => pan(-80, 0), ArrowUp: () => pan(0, 80), ArrowDown: () => pan(0, -80),
  };
  dialog.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (act) act(event);
    else if (!passOn(event, dialog)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  load();
  return dialog;
}
