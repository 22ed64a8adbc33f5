// Every solution as a point by step, and what is behind the point that is looked at.

const HEIGHT = 340;
const EDGE = { left: 62, right: 18, top: 14, bottom: 40 };
const RADIUS = 3.5;
const CROWD = 300;
const NEAR = 18; // pixels from a point within which the pointer is at it

const AXES = { step: "step", calls: "calls", usd: "US dollars", seconds: "seconds" };
const chart = { axis: "step", scale: "auto" }; // what the reader chose

// Returns the positions of values on a line of pixels; logarithmic where values differ widely.
function scaled(values, from, to, shares, scale = "auto") {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const log = low > 0 && (scale === "log" || (scale === "auto" && !shares && high / low > 50));
  const bend = log ? Math.log10 : (v) => v;
  const room = (bend(high) - bend(low) || Math.abs(bend(high)) || 1) * 0.06;
  let [first, last] = [bend(low) - room, bend(high) + room];
  if (shares && !log) [first, last] = [Math.max(0, first), Math.min(1, last)];
  const at = (v) => from + ((bend(v) - first) / (last - first)) * (to - from);
  const marks = log
    ? ticks(first, last, 5).filter(Number.isInteger).map((power) => 10 ** power)
    : ticks(first, last, 6);
  if (log && marks.length < 2) { // less than a power of ten: round values between the ends
    return { at, log, marks: ticks(low, high, 5).filter((v) => v > 0) };
  }
  return { at, log, marks: marks.length > 1 ? marks : [low, high] };
}

// Draws the frame of a chart: lines across, numbers at their left, steps below.
function frame(box, x, y, steps, shares, name, axis = "step") {
  const lines = y.marks.map((value) => [
    draw("line", { class: "rule", x1: box.left, x2: box.right, y1: y.at(value), y2: y.at(value) }),
    draw("text", { class: "tick", x: box.left - 8, y: y.at(value) + 4, "text-anchor": "end" },
      shares ? Math.round(1e5 * value) / 1e3 + " %" : y.log ? power(value) : amount(value)),
  ]);
  const most = Math.min(axis === "step" ? Math.min(10, steps) : 6, (box.right - box.left) / 70);
  const marks = ticks(0, steps, most).filter((v) => axis !== "step" || Number.isInteger(v)).map((step) =>
    draw("text", { class: "tick", x: x(step), y: box.bottom + 20, "text-anchor": "middle" }, axis === "step" ? step : amount(step)));
  return draw("g", { "aria-hidden": "true" }, lines, marks,
    draw("text", { class: "axis", x: box.right, y: box.bottom + 36, "text-anchor": "end" }, AXES[axis] ?? axis),
    draw("text", { class: "axis", x: 0, y: 10 }, name));
}

// A power of ten as people write it.
function power(value) {
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(value / 10 ** exponent - 1) > 1e-9 || (exponent >= -2 && exponent <= 3)) return amount(value);
  return "10" + (exponent < 0 ? "⁻" : "") + [...String(Math.abs(exponent))].map((d) => digits[d]).join("");
}

const stairs = (points) =>
  points.map(([x, y], n) => (n ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)},${y.toFixed(1)}`)).join("");

function drawChart(core) {
  const host = part("search");
  const known = core.candidates.filter((c) => c.score !== null);
  if (!known.length) {
    host.replaceChildren(make("p", {}, "Nothing is measured yet."));
    return;
  }
  const panel = make("div", { class: "looked-at" });
  const unmeasured = core.candidates.length - known.length;
  const best = core.candidates[core.best];
  const state = { at: best && best.score !== null ? core.best : known[0].place };
  const drawing = make("div");
  const show = () => drawing.replaceChildren(fitted({ class: "chart" }, (width) => chartOf(core, known, width, state, panel)));
  const keys = legend(core);
  host.replaceChildren(axesOf(core, show), keys, drawing, panel, downloads(drawing, "history", keys));
  show();
  if (unmeasured) host.append(make("p", { class: "remark" }, `${counted(unmeasured, "solution")} without any measured item are not drawn.`));
  look(core, panel, state.at);
}

// The choice of the axes; only what is known can be chosen.
function axesOf(core, show) {
  const axes = Object.keys(AXES).filter((axis) => spentBy(core, axis));
  const choice = (name, id, key, options) => {
    const made = make("select", { id }, options.map(([value, said]) => make("option", { value, selected: chart[key] === value }, said)));
    made.addEventListener("change", () => {
      chart[key] = made.value;
      show();
    });
    return make("label", { for: id }, name, made);
  };
  return make("div", { class: "controls" },
    axes.length > 1 ? choice("By", "chart-axis", "axis", axes.map((axis) => [axis, AXES[axis]])) : null,
    choice("Scale", "chart-scale", "scale", [["auto", "automatic"], ["linear", "linear"], ["log", "logarithmic"]]));
}

function chartOf(core, known, width, state, panel) {
  const shares = core.measure.shares;
  const tests = core.tests.filter((line) => line.label === "start" || line.label === "best");
  const box = { left: EDGE.left, right: width - EDGE.right - (tests.length ? 84 : 0),
    top: EDGE.top + 8, bottom: HEIGHT - EDGE.bottom };
  const axis = spentBy(core, chart.axis) ? chart.axis : "step";
  const sums = spentBy(core, axis) ?? [0];
  const most = Math.max(...sums, axis === "step" ? 1 : 0);
  const pitch = (box.right - box.left - 12) / (most + (axis === "step" ? 0.7 : 0));
  const along = (value) => box.left + 6 + pitch * (value + (axis === "step" ? 0.35 : 0));
  const x = (step) => along(sums[step] ?? step);
  const spread = axis === "step" ? pitch : (box.right - box.left) / core.steps.length;
  const values = [...known.map((c) => c.score), ...core.curve.flatMap((p) => (p.validation ? [p.validation.mean] : [])),
    ...tests.flatMap((line) => [line.test.interval.low, line.test.interval.high])];
  const y = scaled(values, box.bottom, box.top, shares, chart.scale);
  const name = (core.function ? "value" : "score") + (y.log ? " (logarithmic)" : "");
  const svg = draw("svg", { class: "points", viewBox: `0 0 ${width} ${HEIGHT}`, role: "group",
    "aria-label": `${core.function ? "Value" : "Score"} by step, one point for each of ${counted(known.length, "solution")}. Arrow keys go from point to point, Enter opens the one that is reached in the table.` });
  svg.append(frame(box, along, y, most, shares, name, axis));
  const points = placed(core, known, x, y, spread);
  const bests = points.filter((p) => p.leads).map((p) => [p.x, p.y]);
  if (bests.length) svg.append(draw("path", { class: "best-line", d: stairs([...bests, [box.right, bests.at(-1)[1]]]) }));
  svg.append(...marksOf(core, points), validations(core, x, y), heldOut(tests, box, y));
  walk(svg, points, core, state, panel, width);
  return svg;
}

// Places the points; those of one step stand side by side.
function placed(core, known, x, y, pitch) {
  const bySteps = groups(known, (c) => c.step);
  let best = null;
  const up = core.measure.higher_is_better;
  return known.map((c) => {
    const mates = bySteps.get(c.step);
    const gap = Math.min(9, (0.8 * pitch) / mates.length);
    const cx = x(c.step) + gap * (mates.indexOf(c) - (mates.length - 1) / 2);
    const leads = c.measured === c.planned && (best === null || (up ? c.score > best : c.score < best));
    if (leads) best = c.score;
    return { c, mark: null, leads, x: cx, y: y.at(c.score), side: mates.indexOf(c) };
  });
}

// The mark of a point, made when it is first wanted.
function markOf(core, p) {
  const kind = (p.leads ? " leads" : "") + (p.c.measured < p.c.planned ? " partial" : "") + (p.c.place === core.best ? " winner" : "");
  p.mark ??= draw("circle", { class: "point" + kind, tabindex: -1, cx: p.x.toFixed(1), cy: p.y.toFixed(1), r: p.c.place === core.best ? 6 : p.leads ? 4.5 : RADIUS });
  return p.mark;
}

// Where there are very many points, plain ones are a single path for all first ones of their steps,
// one for all second ones, and so on: a browser draws that many times faster.
function marksOf(core, points) {
  const alone = (p) => points.length <= CROWD || p.leads || p.c.place === core.best || p.c.measured < p.c.planned;
  const crowd = groups(points.filter((p) => !alone(p)), (p) => p.side);
  const circle = (p) => `M${(p.x - RADIUS).toFixed(1)},${p.y.toFixed(1)}a${RADIUS},${RADIUS} 0 1,0 ${2 * RADIUS},0a${RADIUS},${RADIUS} 0 1,0 ${-2 * RADIUS},0`;
  return [...[...crowd.values()].map((some) => draw("path", { class: "point", d: some.map(circle).join("") })), ...points.filter(alone).map((p) => markOf(core, p))];
}

function groups(list, key) {
  const found = new Map();
  for (const one of list) {
    if (!found.has(key(one))) found.set(key(one), []);
    found.get(key(one)).push(one);
  }
  return found;
}

const spoken = (core, c) =>
  `Step ${c.step}, ${amount(c.score, core.measure.shares)}${c.measured < c.planned ? " (partial)" : ""}${c.place === core.best ? ", the winner" : ""}: ${c.text.slice(0, 120) || "(empty)"}`;

function validations(core, x, y) {
  const found = core.curve.filter((p) => p.validation);
  const at = found.map((p) => [x(p.step), y.at(p.validation.mean)]);
  return draw("g", { "aria-hidden": "true", class: "validation" },
    at.length > 1 ? draw("path", { d: "M" + at.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join("L") }) : null,
    at.map(([a, b]) => draw("path", { class: "diamond", d: `M${a},${b - 6}l6,6l-6,6l-6,-6z` })));
}

// Whether a score is partial; those of older runs do not say it.
const lacks = (score) => score.planned !== undefined && score.n < score.planned;

// The held-out scores of start and winner, with their intervals, at the right edge.
function heldOut(tests, box, y) {
  const means = tests.map((line) => y.at(line.test.mean));
  const close = means.length > 1 && Math.abs(means[0] - means[1]) < 15;
  const away = (n) => (close ? (means[n] <= means[1 - n] && (means[0] !== means[1] || n) ? -8 : 8) : 0);
  return draw("g", { "aria-hidden": "true", class: "held-out" }, tests.map((line, n) => {
    const at = box.right + 18 + 12 * n;
    return [
      draw("line", { x1: at, x2: at, y1: y.at(line.test.interval.low), y2: y.at(line.test.interval.high) }),
      draw("rect", { x: at - 4, y: means[n] - 4, width: 8, height: 8 }),
      draw("text", { class: "tick", x: box.right + 40, y: means[n] + 4 + away(n) }, (line.label === "best" ? "winner" : "start") + (lacks(line.test) ? " *" : "")),
    ];
  }));
}

function legend(core) {
  const mark = (name, ...shapes) => make("li", {}, draw("svg", { viewBox: "0 0 18 14", "aria-hidden": "true" }, shapes), name);
  const items = [
    mark(core.function ? "a solution" : "a solution on train", draw("circle", { class: "point", cx: 9, cy: 7, r: 3.5 })),
    mark("a new best", draw("circle", { class: "point leads", cx: 9, cy: 7, r: 4.5 })),
    mark(core.finished ? "the winner" : "the best so far", draw("circle", { class: "point winner", cx: 9, cy: 7, r: 5.5 })),
    mark("best so far", draw("path", { class: "best-line", d: "M0,11H9V4H18" })),
  ];
  if (core.candidates.some((c) => c.score !== null && c.measured < c.planned)) items.push(mark("partial: on some items only", draw("circle", { class: "point partial", cx: 9, cy: 7, r: 3.5 })));
  if (core.curve.length) items.push(mark("on validation" + (core.curve.some((p) => p.validation && lacks(p.validation)) ? ", in part partial" : ""), draw("g", { class: "validation" }, draw("path", { class: "diamond", d: "M9,1l6,6l-6,6l-6,-6z" }))));
  if (core.tests.length) items.push(mark("held out, with interval" + (core.tests.some((line) => lacks(line.test)) ? " (*: partial)" : ""), draw("g", { class: "held-out" }, draw("line", { x1: 9, x2: 9, y1: 0, y2: 14 }), draw("rect", { x: 5, y: 3, width: 8, height: 8 }))));
  return make("ul", { class: "legend" }, items);
}

// Pointer and arrow keys lead from point to point; one point at a time is in the tab order.
function walk(svg, points, core, state, panel, width) {
  const byPlace = new Map(points.map((p) => [p.c.place, p]));
  const steps = [...new Set(points.map((p) => p.c.step))];
  const columns = new Map(steps.map((s) => [s, points.filter((p) => p.c.step === s).sort((a, b) => b.y - a.y)]));
  const reach = (p, focus) => {
    const left = byPlace.get(state.at)?.mark;
    left?.classList.remove("current");
    left?.setAttribute("tabindex", -1);
    state.at = p.c.place;
    if (!markOf(core, p).parentNode) svg.append(p.mark);
    for (const [name, value] of Object.entries({ tabindex: 0, role: "button", "aria-label": spoken(core, p.c) })) p.mark.setAttribute(name, value);
    p.mark.classList.add("current");
    look(core, panel, state.at);
    if (focus) p.mark.focus({ preventScroll: true });
  };
  const beside = (p, way) => {
    const next = columns.get(steps[steps.indexOf(p.c.step) + way]);
    return next?.reduce((a, b) => (Math.abs(a.y - p.y) <= Math.abs(b.y - p.y) ? a : b));
  };
  const within = (p, way) => columns.get(p.c.step)[columns.get(p.c.step).indexOf(p) + way];
  const moves = {
    ArrowRight: (p) => beside(p, 1), ArrowLeft: (p) => beside(p, -1),
    ArrowUp: (p) => within(p, 1), ArrowDown: (p) => within(p, -1),
    Home: () => points[0], End: () => points.at(-1),
  };
  svg.addEventListener("keydown", (event) => {
    const here = byPlace.get(state.at);
    if (event.key in moves) {
      event.preventDefault();
      const next = moves[event.key](here);
      if (next) reach(next, true);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      openCandidate(state.at);
    }
  });
  const nearest = (event) => {
    const area = svg.getBoundingClientRect();
    const [px, py] = [(event.clientX - area.left) * (width / area.width), (event.clientY - area.top) * (HEIGHT / area.height)];
    let [found, least] = [null, NEAR ** 2];
    for (const p of points) {
      const far = (p.x - px) ** 2 + (p.y - py) ** 2;
      if (far < least) [found, least] = [p, far];
    }
    return found;
  };
  svg.addEventListener("pointermove", (event) => {
    const found = nearest(event);
    if (found && found.c.place !== state.at) reach(found, false);
  });
  svg.addEventListener("click", (event) => {
    const found = nearest(event);
    if (found) reach(found, true);
  });
  svg.addEventListener("focusin", (event) => {
    const found = points.find((p) => p.mark === event.target);
    if (found && found.c.place !== state.at) reach(found, false);
  });
  reach(byPlace.get(state.at) ?? points[0], false);
}

// Shows what is behind a point.
function look(core, panel, place) {
  const c = core.candidates[place];
  const shares = core.measure.shares;
  const facts = [`Step ${c.step}`, core.function ? `value ${amount(c.score, shares)}` : `${amount(c.score, shares)} of ${counted(c.measured, "item")}`];
  if (c.measured < c.planned) facts.push(`partial: ${grouped(c.planned)} items are planned`);
  if (c.changed !== null && !core.figure) facts.push(`${counted(c.changed, "word")} from its last parent`);
  if (c.place === core.best) facts.push(core.finished ? "the winner" : "the best so far");
  panel.replaceChildren(
    make("p", { class: "looked-at-facts" }, facts.join(" · ")),
    make("blockquote", { class: "prose", dir: "auto" }, c.text || "(empty)"),
    button("Open in the trajectory", () => openCandidate(place), { class: "quiet" }));
}
