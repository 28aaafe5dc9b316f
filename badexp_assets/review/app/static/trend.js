// A small plot of a number through a night, with one exposure marked.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240, HEIGHT = 62, LEFT = 4, RIGHT = 6, TOP = 20, BOTTOM = 6; // of the drawing, in its own units

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * Return the plot of `name` (a column of `night`, whose rows are in time), or null if no exposure has a value.
 * Exposures in the band of `expnum` are bright; a click on any opens it.
 */
export function trend(night, expnum, name, words, unit, digits, open) {
  const rows = night.filter(row => row[name] !== null && row.mjd_obs !== null);
  if (!rows.length) return null;
  const own = night.find(row => row.expnum === expnum);
  const band = rows.filter(row => row.filter === own?.filter);
  const text = value => `${value.toFixed(digits)}${unit === "″" || !unit ? unit : ` ${unit}`}`;
  const values = rows.map(row => row[name]);
  const [low, high] = name === "p_bad" ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const [first, last] = [rows[0].mjd_obs, rows.at(-1).mjd_obs];
  const x = row => LEFT + (WIDTH - LEFT - RIGHT) * (last > first ? (row.mjd_obs - first) / (last - first) : 0.5);
  const y = row => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (high > low ? (row[name] - low) / (high - low) : 0.5);
  const here = own && own[name] !== null ? text(own[name]) : "unknown";
  const usual = band.length > 1 ? `, median in ${own.filter} ${text(median(band.map(row => row[name])))}` : "";
  const points = rows.map(row => {
    const title = svg("title", {});
    title.textContent = `${row.expnum} ${row.filter}: ${text(row[name])}`;
    const kind = row.expnum === expnum ? "point here" : row.filter === own?.filter ? "point" : "point other";
    const point = svg("circle", {class: kind, cx: x(row), cy: y(row), r: row.expnum === expnum ? 4 : 2.2}, title);
    point.addEventListener("click", () => row.expnum !== expnum && open(row.expnum));
    return point;
  });
  points.sort((a, b) => a.classList.contains("here") - b.classList.contains("here")); // on top
  const label = svg("text", {x: LEFT, y: 12, class: "label"});
  label.append(words, " ", svg("tspan", {class: "value"}, here));
  const range = svg("text", {x: WIDTH - RIGHT, y: 12, class: "range", "text-anchor": "end"});
  range.textContent = name === "p_bad" ? "0 to 1" : `${low.toFixed(digits)} to ${text(high)}`;
  const line = own?.mjd_obs != null && own[name] !== null ? [svg("line", {x1: x(own), x2: x(own), y1: TOP - 4, y2: HEIGHT - BOTTOM + 4})] : [];
  return svg("svg", {class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `${words} through the night: here ${here}${usual}; from ${text(low)} to ${text(high)}`}, label, range, ...line, ...points);
}
