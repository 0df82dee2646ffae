"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Sorting: a click on a column's head; what has no value comes last.
for (const table of all("table.sortable")) {
  const headers = all("th", table);
  headers.forEach((header, column) => header.addEventListener("click", () => {
    const down = header.getAttribute("aria-sort") === "ascending";
    headers.forEach(other => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column].dataset.sort;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const difference = Number(x) - Number(y);
      return (Number.isNaN(difference) ? x.localeCompare(y) : difference) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...rows);
  }));
}

// Filters: agents and cases by a part of their names, environments by choice.
const field = name => document.getElementById(name);
const wanted = name => field(name).value.trim().toLowerCase();
const shows = (name, value) => value.toLowerCase().includes(wanted(name));
function filter() {
  const environment = field("environment").value;
  for (const section of all("section.env")) section.hidden = environment !== "" && section.dataset.env !== environment;
  for (const row of all("[data-agent]")) row.hidden = !shows("agents", row.dataset.agent);
  for (const part of all("[data-case]")) part.hidden = !shows("cases", part.dataset.case);
  for (const chart of all(".chart")) if (chart.childElementCount) draw(chart);
}
for (const name of ["environment", "agents", "cases"]) field(name).addEventListener("input", filter);

// Light and dark: the system's, until the reader chooses.
field("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// Charts.
const HEIGHT = 400, LEFT = 62, RIGHT = 12, TOP = 10, BOTTOM = 44;
function node(name, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}
const plain = value => Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(0) : String(Number(value.toPrecision(4)));

function scale(low, high, from, to, logarithmic) {
  const f = logarithmic ? Math.log10 : x => x;
  if (high <= low) [low, high] = logarithmic ? [low / 1.1, high * 1.1] : [low - 0.5, high + 0.5];
  const place = value => from + (to - from) * (f(value) - f(low)) / (f(high) - f(low));
  let ticks = [];
  if (logarithmic) {
    const steps = high / low > 1e4 ? [1] : high / low > 30 ? [1, 3] : high / low > 3 ? [1, 2, 3, 5, 7] : null;
    if (steps) for (let power = Math.floor(f(low)); power <= Math.ceil(f(high)); power++) ticks.push(...steps.map(step => step * 10 ** power));
  }
  if (!ticks.length) {
    const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find(multiple => multiple * power >= raw);
    for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  }
  return { place, ticks: ticks.filter(tick => tick >= low * 0.999999 && tick <= high * 1.000001) };
}

function draw(chart) {
  const data = charts[chart.dataset.chart];
  const axis = chart.dataset.axis || "seconds";
  const anytime = data.kind === "anytime", front = data.kind === "front";
  const curves = (anytime ? data.axes[axis] : data.curves).filter(curve => shows("agents", curve.name));
  const off = new Set(JSON.parse(chart.dataset.off || "[]"));
  const seen = curves.filter(curve => !off.has(curve.name));
  const WIDTH = Math.max(chart.clientWidth, 300); // letters keep their size on a phone
  chart.replaceChildren();
  if (anytime) chart.append(buttons("switch", Object.keys(data.axes).map(name => [`by ${name}`, name === axis, () => { chart.dataset.axis = name; draw(chart); }])));
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": data.kind });
  chart.append(svg);
  chart.append(buttons("legend", curves.map(curve => [curve.name, !off.has(curve.name), () => {
    off.has(curve.name) ? off.delete(curve.name) : off.add(curve.name);
    chart.dataset.off = JSON.stringify([...off]);
    draw(chart);
  }, curve.colour])));
  if (!seen.length) return;
  const xs = seen.flatMap(curve => curve.x), lows = seen.flatMap(curve => curve.low || curve.y), highs = seen.flatMap(curve => curve.high || curve.y);
  let [bottom, top] = anytime || front ? [Math.min(...lows), Math.max(...highs)] : [0, 1];
  // Gaps of 0 have no logarithm; far above the best nothing is told apart.
  if (front) { bottom = Math.max(bottom, 0.01, top / 1e5); top = Math.max(top, 2 * bottom); }
  const x = scale(Math.min(...xs), Math.max(...xs), LEFT, WIDTH - RIGHT, true);
  const y = scale(bottom, top, HEIGHT - BOTTOM, TOP, front || (anytime && bottom > 0));
  for (const tick of x.ticks) {
    svg.append(node("line", { class: "grid", x1: x.place(tick), x2: x.place(tick), y1: TOP, y2: HEIGHT - BOTTOM }));
    svg.append(node("text", { x: x.place(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, plain(tick)));
  }
  for (const tick of y.ticks) {
    svg.append(node("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y.place(tick), y2: y.place(tick) }));
    svg.append(node("text", { x: LEFT - 6, y: y.place(tick) + 4, "text-anchor": "end" }, plain(tick)));
  }
  svg.append(node("path", { class: "axis", d: `M${LEFT},${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }));
  svg.append(node("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, anytime ? axis : front ? `${data.x} spent` : "gap, %"));
  if (front) return drawFront(svg, seen, x, y, bottom);
  for (const curve of seen) {
    const point = (value, index) => `${x.place(curve.x[index]).toFixed(1)},${y.place(value).toFixed(1)}`;
    // The best so far stays what it is until something better comes: steps.
    const steps = values => values.map((value, i) => (i ? `${point(values[i - 1], i)}L` : "") + point(value, i)).join("L");
    if (curve.low) {
      const back = steps(curve.low).split("L").reverse().join("L");
      svg.append(node("path", { class: "band", fill: curve.colour, d: `M${steps(curve.high)}L${back}Z` }));
    }
    const line = node("path", { class: "line", stroke: curve.colour, d: `M${steps(curve.y)}` });
    line.append(node("title", {}, `${curve.name}: ${plain(curve.y[curve.y.length - 1])}`));
    svg.append(line);
  }
}

// A point for each budget of an agent, joined; and the steps below which nobody is.
function drawFront(svg, curves, x, y, bottom) {
  const at = (curve, i) => [x.place(curve.x[i]), y.place(Math.max(curve.y[i], bottom))];
  const points = curves.flatMap(curve => curve.x.map((spent, i) => ({ spent, gap: curve.y[i], place: at(curve, i) })));
  points.sort((a, b) => a.spent - b.spent || a.gap - b.gap);
  let best = Infinity;
  const steps = [];
  for (const point of points) if (point.gap < best) { best = point.gap; steps.push(`${steps.length ? `H${point.place[0]}` : ""}${steps.length ? "V" : `M${point.place[0]},`}${point.place[1]}`); }
  svg.append(node("path", { class: "front", d: `${steps.join("")}H${x.place(points[points.length - 1].spent)}` }));
  for (const curve of curves) {
    svg.append(node("path", { class: "line", stroke: curve.colour, d: `M${curve.x.map((_, i) => at(curve, i).join(",")).join("L")}` }));
    curve.x.forEach((spent, i) => {
      const [cx, cy] = at(curve, i), dot = node("circle", { cx, cy, r: 4.5, fill: curve.colour });
      dot.append(node("title", {}, `${curve.name}: ${plain(curve.y[i])} % after ${plain(spent)}`));
      svg.append(dot);
    });
  }
}

function buttons(name, entries) {
  const box = document.createElement("div");
  box.className = name;
  for (const [text, pressed, action, colour] of entries) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", pressed);
    if (colour) {
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.background = colour;
      button.append(dot);
    }
    button.append(text);
    button.addEventListener("click", action);
    box.append(button);
  }
  return box;
}

for (const chart of all(".chart")) if (!chart.closest("details")) draw(chart);
for (const details of all("details.case")) details.addEventListener("toggle", () => {
  for (const chart of all(".chart", details)) if (!chart.childElementCount) draw(chart);
});
addEventListener("resize", () => { for (const chart of all(".chart")) if (chart.childElementCount && chart.clientWidth) draw(chart); });

// Two agents: paired differences with a bootstrap interval over cases (over seeds if there is one case), as placezoo compare.
const costs = JSON.parse(field("costs").textContent);
function resampled(values) {
  let state = 1; // mulberry32: the same interval at each look
  const random = () => { state = (state + 0x6d2b79f5) | 0; let t = Math.imul(state ^ (state >>> 15), 1 | state); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296; };
  const means = Array.from({ length: 2000 }, () => values.reduce(sum => sum + values[Math.floor(random() * values.length)], 0) / values.length).sort((a, b) => a - b);
  const quantile = share => { const i = share * (means.length - 1), low = Math.floor(i); return means[low] + (i - low) * (means[Math.min(low + 1, means.length - 1)] - means[low]); };
  return [quantile(0.025), quantile(0.975)];
}
const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
function paired(mine, theirs) {
  const cases = mine.map((costs, c) => costs.map((cost, s) => [cost, theirs[c][s]]).filter(([a, b]) => a !== null && b !== null).map(([a, b]) => b ? (a - b) / Math.abs(b) : a)).filter(list => list.length);
  if (!cases.length) return null;
  const every = cases.flat(), samples = cases.length === 1 ? cases[0] : cases.map(mean), value = mean(cases.map(mean));
  const [low, high] = samples.length > 1 ? resampled(samples) : [NaN, NaN];
  return { value, low, high, cases: cases.length, pairs: every.length, wins: every.filter(d => d < -1e-9).length, losses: every.filter(d => d > 1e-9).length };
}
function compareAgents() {
  const [one, other] = [field("one").value, field("other").value], box = field("compared"), table = document.createElement("table");
  const share = value => Number.isNaN(value) ? "-" : `${(100 * value).toFixed(1)} %`;
  const line = (parent, tag, texts) => { const row = parent.insertRow(); for (const text of texts) { const td = document.createElement(tag); td.textContent = text; row.append(td); } };
  line(table.createTHead(), "th", ["environment", "budget", "difference", "95 %", "", "better", "worse", "cases"]);
  const body = table.createTBody();
  for (const [env, budgets] of Object.entries(costs)) for (const [budget, agents] of Object.entries(budgets)) {
    const found = one in agents && other in agents ? paired(agents[one], agents[other]) : null;
    if (found) line(body, "td", [env, budget, share(found.value), `${share(found.low)} to ${share(found.high)}`, found.high < 0 ? "better" : found.low > 0 ? "worse" : "open", found.wins, found.losses, found.cases]);
  }
  if (!body.rows.length) line(body, "td", ["they have no case and seed in common"]);
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.append(table);
  box.replaceChildren(scroll);
}
const everyone = [...new Set(Object.values(costs).flatMap(budgets => Object.values(budgets)).flatMap(agents => Object.keys(agents)))];
for (const [i, name] of ["one", "other"].entries()) {
  for (const agent of everyone) field(name).append(new Option(agent, agent));
  if (everyone.length > i) field(name).selectedIndex = i;
  field(name).addEventListener("input", compareAgents);
}
compareAgents();

// A link to a case opens it.
function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", open);
open();
