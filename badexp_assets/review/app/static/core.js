// Helpers of every page: requests with the CSRF token of the session, elements without HTML strings, keys, dialogs.

const meta = name => document.querySelector(`meta[name=${name}]`)?.content ?? "";
export const reviewer = meta("reviewer");
export const categories = JSON.parse(document.getElementById("categories").textContent);
const ccdNames = JSON.parse(document.getElementById("ccd-names").textContent);

/** Fetch JSON from the app within some seconds. Throws an Error with `status` (0: no connection) and the server's message. */
export async function api(path, body, seconds = 20) {
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : {"content-type": "application/json", "x-csrf-token": meta("csrf")},
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(1000 * seconds),
    });
  } catch (error) {
    throw Object.assign(new Error("no connection to the server"), {status: 0, cause: error});
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `error ${response.status}`), {status: response.status});
  return answer;
}

/** Log out; waiting answers stay in this browser. */
export async function logOut() {
  await fetch("/logout", {method: "POST", headers: {"x-csrf-token": meta("csrf")}});
  location.assign("/login");
}

/** Create an element. Strings among the children become text, never HTML. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

export const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));

/** A new idempotency key. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}

/** Call handlers by key: {"b": event => …}. Ignores keys typed into a field or with a modifier other than Shift. */
export function onKeys(handlers) {
  document.addEventListener("keydown", event => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) return;
    if (event.target.matches("button, a, summary") && (event.key === "Enter" || event.key === " ")) return;
    if (document.querySelector("dialog[open]")) return;
    const handler = handlers[event.key];
    if (!handler) return;
    event.preventDefault();
    handler(event);
  });
}

const HELD = 400; // ms after which a key was held, not tapped

/** Return a handler for `key` that toggles when it is tapped; when it is held, `back` is called on its release. */
export function tapOrHold(target, key, toggle, back) {
  let since = null;
  target.addEventListener("keyup", event => {
    if (event.key !== key || since === null) return;
    if (event.timeStamp - since > HELD) back();
    since = null;
  });
  return event => {
    if (event.repeat) return;
    since = event.timeStamp;
    toggle();
  };
}

/** Show a dialog, which Escape or a click beside it closes and removes; until then keys go to it alone. */
export function openDialog(kind, ...children) {
  const dialog = el("dialog", {class: kind}, ...children);
  dialog.addEventListener("click", event => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("cancel", () => dialog.close());
  dialog.close = () => { // gone at once: the browser tells of a close later, and until then keys would reach what is closed
    HTMLDialogElement.prototype.close.call(dialog);
    dialog.dispatchEvent(new Event("close"));
  };
  dialog.tabIndex = -1;
  document.body.append(dialog);
  dialog.showModal();
  dialog.focus(); // not its first button, which Enter and Space would press
  return dialog;
}

export function showHelp(groups) {
  const rows = ([keys, words]) => el("tr", {}, el("td", {}, keys.split(" ").map(key => el("kbd", {}, key))), el("td", {}, words));
  openDialog("help",
    el("h2", {}, "Keys"),
    el("div", {class: "columns"}, Object.entries(groups).map(([title, keys]) =>
      el("section", {}, el("h3", {}, title), el("table", {}, keys.map(rows))))),
    el("p", {class: "faint"}, "Esc closes this."));
}

let examples = null;
/** Return the promise of the address of an example picture of each category; what fails is asked for again next time. */
const examplePictures = () => (examples ??= api("/examples").catch(() => { examples = null; return {}; }));

/** Let the reviewer choose a category, beside the picture; calls `chosen` with its name, or null for none. */
export function chooseCategory(suggested, chosen) {
  const pick = name => { dialog.close(); chosen(name); };
  const button = category => el("button", {
    class: category.name === suggested ? "suggested" : "", title: category.words, onclick: () => pick(category.name),
  }, el("img", {alt: "", "data-example": category.name, fetchpriority: "low"}), el("kbd", {}, category.key), el("span", {}, category.name));
  const known = categories.some(category => category.name === suggested);
  const dialog = openDialog("menu",
    el("h2", {}, "Bad: which category?"),
    el("p", {class: "faint"}, el("kbd", {}, "Enter"), known ? ` chooses ${suggested}. ` : " chooses no category. ", el("kbd", {}, "Esc"), " goes back."),
    el("div", {class: "kinds"}, categories.filter(c => c.trained).map(button)),
    el("div", {class: "kinds more"}, categories.filter(c => !c.trained).map(button)),
    el("button", {class: "quiet", onclick: () => pick(null)}, el("kbd", {}, "-"), " no category"));
  examplePictures().then(found => {
    for (const image of dialog.querySelectorAll("[data-example]")) if (image.dataset.example in found) image.src = found[image.dataset.example];
  });
  dialog.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const category = categories.find(c => c.key === event.key);
    const focused = document.activeElement?.closest(".kinds button:focus-visible");
    if (category) pick(category.name);
    else if (event.key === "-") pick(null);
    else if (event.key === "Enter" && !focused) pick(known ? suggested : null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

let toastTimer;
/** Show a message at the bottom for some seconds, over an open dialog. */
export function toast(...children) {
  document.querySelector(".toast")?.remove();
  clearTimeout(toastTimer);
  const node = el("div", {class: "toast", role: "status"}, ...children);
  ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(node);
  toastTimer = setTimeout(() => node.remove(), 6000);
}

/** Describe an answer: verdict, category, name of the CCD. */
export const inWords = answer =>
  [answer.verdict, answer.category, answer.ccdnum ? ccdNames[answer.ccdnum] ?? `CCD ${answer.ccdnum}` : null].filter(Boolean).join(" · ");

export function showProgress(progress) {
  const node = document.getElementById("progress");
  const percent = n => `${100 * n / Math.max(1, progress.candidates)}%`;
  node.hidden = false;
  node.querySelector(".mine").style.width = percent(progress.mine);
  node.querySelector(".all").style.width = percent(progress.answered);
  node.querySelector("span").textContent = `${progress.mine} by me · ${progress.answered} answered · ${progress.candidates} candidates`;
  node.title = `${progress.open} open to me, ${progress.complete} need no more answers`;
}
