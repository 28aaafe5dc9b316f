// The second line of the list's filters: conditions on any column, the queue, and saved filters.

import {el, openDialog, toast} from "./core.js";
import {COLUMNS, DEFAULT, conditionWords, saveFilter, savedFilters, storeFilter} from "./filters.js";

export class FilterBar {
  /** holder: its element; filter: the object that it changes; changed(): called afterwards. */
  constructor(holder, filter, changed) {
    Object.assign(this, {holder, filter, changed});
    this.draw();
  }

  change(parts) {
    Object.assign(this.filter, parts);
    storeFilter(this.filter);
    this.draw();
    this.changed();
  }

  draw() {
    const {conditions, queue} = this.filter;
    const chip = (words, parts) => el("button", {type: "button", class: "chip", title: "Remove", onclick: () => this.change(parts)}, words, el("span", {"aria-label": "remove"}, " ×"));
    const names = Object.keys(savedFilters()).toSorted();
    const saved = el("select", {"aria-label": "saved filters", onchange: event => this.apply(event.target.value)},
      el("option", {value: ""}, names.length ? "Saved filters" : "No saved filters"), names.map(name => el("option", {value: name}, name)));
    this.holder.replaceChildren(...[
      queue ? chip(queue.words, {queue: null}) : null,
      ...conditions.map(condition => chip(conditionWords(condition), {conditions: conditions.filter(other => other !== condition)})),
      el("button", {type: "button", class: "quiet", id: "condition", onclick: () => this.add()}, "+ Condition"),
      saved, el("button", {type: "button", class: "quiet", id: "save", onclick: () => this.save()}, "Save …"),
    ].filter(Boolean));
  }

  apply(name) {
    const found = savedFilters()[name];
    if (found) this.change({...DEFAULT, ...found, queue: this.filter.queue});
  }

  add() {
    const column = el("select", {name: "column", "aria-label": "column"}, Object.entries(COLUMNS).map(([name, [words]]) => el("option", {value: name}, words)));
    const field = (name, words) => el("label", {}, words, " ", el("input", {name, autocomplete: "off", size: "10"}));
    const fields = el("span", {class: "fields"});
    const show = () => fields.replaceChildren(...(COLUMNS[column.value][1] === "text" ? [field("text", "contains")] : [field("from", "from"), field("to", "to")]));
    column.addEventListener("change", show);
    show();
    const form = el("form", {class: "condition"}, column, fields, el("button", {class: "main"}, "Add"));
    const dialog = openDialog("conditions", el("h2", {}, "Show only candidates with"), form,
      el("p", {class: "faint"}, "Both ends belong to a range, and one may be left empty. Nights can be days, months or years: 2018-05."));
    form.addEventListener("submit", event => {
      event.preventDefault();
      const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
      const wrong = problem(values);
      if (wrong) return toast(el("b", {class: "error"}, "Not added: "), wrong);
      dialog.close();
      this.change({conditions: [...this.filter.conditions, values]});
    });
    column.focus();
  }

  save() {
    const name = el("input", {name: "name", maxlength: "60", autocomplete: "off", "aria-label": "name"});
    const form = el("form", {class: "condition"}, name, el("button", {class: "main"}, "Save"));
    const names = Object.keys(savedFilters()).toSorted();
    const dialog = openDialog("saving", el("h2", {}, "Save these filters as"), form,
      names.length ? el("ul", {}, names.map(known => el("li", {}, el("span", {}, known),
        el("button", {class: "quiet", onclick: event => { saveFilter(known, null); event.target.closest("li").remove(); this.draw(); }}, "delete")))) : null,
      el("p", {class: "faint"}, "Filters are saved in this browser. A known name is replaced."));
    form.addEventListener("submit", event => {
      event.preventDefault();
      if (!name.value.trim()) return;
      saveFilter(name.value.trim(), this.filter);
      dialog.close();
      this.draw();
      toast(el("b", {}, name.value.trim()), " saved");
    });
    name.focus();
  }
}

function problem({column, from, to, text}) {
  if (COLUMNS[column][1] === "text") return text ? null : "a text is needed";
  if (!from && !to) return "one end of the range is needed";
  const wrong = COLUMNS[column][1] === "number" ? [from, to].find(end => end && !Number.isFinite(Number(end))) : null;
  return wrong ? `${wrong} is no number` : null;
}
