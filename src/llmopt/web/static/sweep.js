// A sweep: its table, a curve for each method, and the searches it consists of.

const SHAPES = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-4,-4h8v8h-8z", "M0,-5l5,9h-10z", "M0,-5l5,5l-5,5l-5,-5z", "M-5,-4h10l-5,9z"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "4 2", "12 3"];
const FORMS = ["M-4,-1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z", "M-4,-3l1,-1l3,3l3,-3l1,1l-3,3l3,3l-1,1l-3,-3l-3,3l-1,-1l3,-3z"];
SHAPES.push(...FORMS);

// Colours, forms and dashes come back at different numbers, so that all variants differ.
const seriesOf = (n, more = "") => `series series-${n % 5} ${more}`.trim();
const shapeOf = (n) => SHAPES[n % SHAPES.length];
const dashOf = (n) => DASHES[n % DASHES.length];
const sweepState = { axis: "step" };

function drawSweep(sweep) {
  const shares = sweep.measure.shares;
  part("table").replaceChildren(sweep.rows.length ? comparedTable(sweep) : sweep.lines.length ? linesTable(sweep) : make("p", {}, "Nothing is finished yet."),
    ...sweep.notes.map((note) => make("p", { class: "remark" }, note)));
  const tasks = [...new Set(sweep.points.map((p) => p.task))];
  if (sweep.rows.length && new Set(sweep.rows.map((row) => row.task)).size > 1) part("table").prepend(paperTable(sweep));
  part("seeds").replaceChildren(...[...new Set(sweep.cells.map((cell) => cell.task))].map((task) => seedDots(sweep, task)));
  const shown = make("div");
  const show = () => shown.replaceChildren(...tasks.map((task) => convergence(sweep.points.filter((p) => p.task === task), task, shares)));
  part("convergence").replaceChildren(...axisOfSweep(sweep, show), shown);
  show();
  part("cells").replaceChildren(cellsTable(sweep, shares));
}

function tableOf(caption, heads, rows) {
  const table = make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads.map(([name, number]) => make("th", { scope: "col", class: number ? "number" : null }, name)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell, n) =>
      make(n ? "td" : "th", { scope: n ? null : "row", class: heads[n][1] ? "number" : null }, cell ?? "–"))))));
  return make("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 }, table);
}

const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1) + " %");
const signed = (value, shares) => (value > 0 ? "+" : "") + (shares ? (100 * value).toFixed(decimals ?? 1) : amount(value, false));

function comparedTable(sweep) {
  const shares = sweep.measure.shares;
  const sign = sweep.measure.higher_is_better ? 1 : -1;
  const by = (value) => signed(value, shares);
  const heads = [["variant", 0], ["task", 0], ["held out", 1], ["± sd", 1], ["difference", 1], ["p (Holm)", 1], ["it is", 0], ["won–lost", 1], ["mean rank", 1], ["start", 1], ["calls", 1]];
  return tableOf("Winners on held-out items, compared with the first variant", heads, sweep.rows.map((row) => [
    row.variant, row.task, amount(sign * row.mean, shares) + (row.unmeasured ? " (partial)" : ""), row.spread === null ? "–" : shares ? (100 * row.spread).toFixed(decimals ?? 1) : amount(row.spread, false),
    row.difference === null ? "–" : `${by(row.difference)} [${by(row.difference_low)}, ${by(row.difference_high)}]`,
    row.adjusted === null ? "–" : row.adjusted < 1e-4 ? "< 0.0001" : row.adjusted.toFixed(4),
    row.difference === null ? "–" : row.words, row.difference === null ? "–" : `${row.won}–${row.lost}`,
    row.rank.toFixed(2), amount(sign * row.start, shares), grouped(Math.round(row.calls))]));
}

function linesTable(sweep) {
  const sign = sweep.measure.higher_is_better ? 1 : -1;
  const heads = [["variant", 0], ["task", 0], ["searches", 1], ["reached the optimum", 1], ["steps to it", 1], ["tried", 1], ["gap", 1], ["level gap", 1], ["best value", 1]];
  const spread = (value, sd, digits) => (value === null ? "–" : value.toFixed(digits) + (sd === null ? "" : ` ± ${sd.toFixed(digits)}`));
  const said = "How the searches converged: means over the repetitions, ± standard deviation. Gap: how far the best is from the optimum, in % of it; level gap: the same when as many solutions were tried as by the first variant.";
  return tableOf(said, heads, sweep.lines.map((line) => [
    line.variant, line.task || "–", line.cells, line.solved === null ? "–" : `${line.solved} of ${line.cells}`,
    spread(line.steps, line.steps_sd, 1), spread(line.tried, line.tried_sd, 1), percent(line.gap), percent(line.level_gap), line.best === null ? "–" : amount(sign * line.best, sweep.measure.shares)]));
}

function cellsTable(sweep, shares) {
  const heads = [["run", 0], ["variant", 0], ["task", 0], ["seed", 1], ["start", 1], [shares ? "held out" : "best", 1], ["steps", 1], ["calls", 1], ["why it ended", 0]];
  return tableOf("Every finished search, by the name of its run", heads, sweep.cells.map((cell) => [
    cellName(cell.cell), cell.variant, cell.task || "–", cell.seed, amount(cell.start, shares), amount(cell.score, shares) + (cell.unmeasured ? " (partial)" : ""),
    cell.steps, grouped(cell.calls), cell.stopped]));
}

// A page of the run may stand beside this one, as `llmopt report RUN` names it.
const cellName = (name) => make("a", { href: encodeURIComponent(name) + ".html" }, name);

function convergence(points, task, shares, names = null) {
  const variants = [...new Set(points.map((p) => p.variant))];
  const keys = make("ul", { class: "legend" }, variants.map((variant, n) => make("li", {},
    draw("svg", { viewBox: "0 0 34 14", class: seriesOf(n, "long"), "aria-hidden": "true" },
      draw("path", { class: "line", "stroke-dasharray": dashOf(n), d: "M0,7H34" }), draw("path", { class: "mark", d: shapeOf(n), transform: "translate(17,7)" })), variant)));
  const drawing = fitted({ class: "chart" }, (width) => curves(points, variants, task, shares, width, names));
  return make("figure", { class: "drawing full" }, task ? make("figcaption", {}, make("strong", {}, task)) : null, keys, drawing,
    downloads(drawing, [names?.file ?? "history", task].filter(Boolean).join("-"), keys));
}

function curves(points, variants, task, shares, width, names) {
  const [height, box] = [320, { left: 62, right: width - 14, top: 22, bottom: 270 }];
  const axis = points.every((p) => Number.isFinite(p[sweepState.axis])) ? sweepState.axis : "step";
  const last = Math.max(1, ...points.map((p) => p[axis]));
  const x = (value) => box.left + (value / last) * (box.right - box.left);
  const low = (p) => p.mean - (p.sd ?? 0);
  const high = (p) => p.mean + (p.sd ?? 0);
  const straight = scaled(points.flatMap((p) => [low(p), p.mean, high(p)]), box.bottom, box.top, shares);
  const bent = scaled(points.flatMap((p) => [p.mean, high(p)]), box.bottom, box.top, shares);
  const y = bent.log ? bent : straight;
  const at = (step, value) => `${x(step).toFixed(1)},${Math.min(box.bottom, Math.max(box.top, y.at(value))).toFixed(1)}`;
  const spoken = `${names?.spoken ?? "Best so far by step"}${task ? `, ${task}` : ""}: ` + variants.map((v) =>
    `${v} ends at ${amount(points.filter((p) => p.variant === v).at(-1).mean, shares)}`).join("; ");
  const drawn = variants.map((variant, n) => {
    const mine = points.filter((p) => p.variant === variant);
    // On a logarithmic axis a standard deviation downwards may have no place.
    const band = [...mine.map((p) => at(p[axis], high(p))), ...[...mine].reverse().map((p) => at(p[axis], y.log ? p.mean : low(p)))];
    return draw("g", { class: seriesOf(n) },
      draw("path", { class: "band", d: `M${band.join("L")}Z` }),
      draw("path", { class: "line", "stroke-dasharray": dashOf(n), d: "M" + mine.map((p) => at(p[axis], p.mean)).join("L") }),
      mine.map((p) => draw("path", { class: "mark", d: shapeOf(n), transform: `translate(${at(p[axis], p.mean)})` })));
  });
  const name = names ? names.value : shares ? "best score on train" : y.log ? "best value (logarithmic)" : "best value";
  return draw("svg", { class: "convergence", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spoken },
    frame(box, x, y, last, shares, name, axis), drawn);
}

// The choice between steps and calls, where the calls of every step are known.
function axisOfSweep(sweep, show) {
  if (!sweep.points.length || !sweep.points.every((p) => Number.isFinite(p.calls) && p.calls > 0)) return [];
  const choice = make("select", { id: "sweep-axis" }, ["step", "calls"].map((axis) => make("option", { value: axis, selected: axis === sweepState.axis }, AXES[axis])));
  choice.addEventListener("change", () => {
    sweepState.axis = choice.value;
    show();
  });
  return [make("div", { class: "controls" }, make("label", { for: "sweep-axis" }, "By", choice))];
}

// Methods by tasks, as papers print it.
function paperTable(sweep) {
  const { rows, measure } = sweep;
  const sign = measure.higher_is_better ? 1 : -1;
  const tasks = [...new Set(rows.map((row) => row.task))].sort((a, b) => (a === "all") - (b === "all"));
  const variants = [...new Set(rows.map((row) => row.variant))];
  const marks = { better: " ▲", worse: " ▼" };
  const cell = (row) => {
    if (!row) return "–";
    const spread = row.spread === null ? "" : ` ± ${measure.shares ? (100 * row.spread).toFixed(decimals ?? 1) : amount(row.spread, false)}`;
    return amount(sign * row.mean, measure.shares) + spread + (row.difference === null ? "" : marks[row.words] ?? "");
  };
  return tableOf(`Methods by tasks: means over the repetitions ± standard deviation; ▲ better, ▼ worse than ${variants[0]}`,
    [["method", 0], ...tasks.map((task) => [task, 1])],
    variants.map((variant) => [variant, ...tasks.map((task) => cell(rows.find((row) => row.variant === variant && row.task === task)))]));
}

// The winner of every search as a mark, a line for each variant.
function seedDots(sweep, task) {
  const cells = sweep.cells.filter((cell) => cell.task === task && cell.score !== null);
  const variants = [...new Set(sweep.cells.map((cell) => cell.variant))];
  const means = new Map(sweep.means.filter((mean) => mean.task === task).map((mean) => [mean.variant, mean]));
  const drawing = fitted({ class: "dots" }, (width) => dotsOf(sweep, cells, variants, means, width));
  return make("figure", { class: "drawing full" }, task ? make("figcaption", {}, make("strong", {}, task)) : null, drawing,
    downloads(drawing, ["seeds", task].filter(Boolean).join("-")));
}

function dotsOf(sweep, cells, variants, means, width) {
  const { shares } = sweep.measure;
  const [left, right, row] = [Math.min(width / 2.2, 34 + 7 * Math.max(...variants.map((v) => v.length))), width - 28, 26];
  const bottom = 8 + row * variants.length;
  const ends = [...means.values()].flatMap((mean) => (mean.low === null ? [] : [mean.low, mean.high]));
  const x = scaled([...cells.map((cell) => cell.score), ...ends], left, right, shares);
  const spoken = variants.map((variant) => `${variant}: ${cells.filter((c) => c.variant === variant).map((c) => amount(c.score, shares)).join(", ")}`).join("; ");
  return draw("svg", { class: "dotted", viewBox: `0 0 ${width} ${bottom + 26}`, role: "img", "aria-label": spoken },
    x.marks.map((value) => [draw("line", { class: "rule", x1: x.at(value), x2: x.at(value), y1: 4, y2: bottom }),
      draw("text", { class: "tick", x: x.at(value), y: bottom + 18, "text-anchor": "middle" }, amount(value, shares))]),
    variants.map((variant, n) => {
      const mine = cells.filter((cell) => cell.variant === variant);
      const y = 8 + row * (n + 0.5);
      const mean = means.get(variant);
      return draw("g", { class: seriesOf(n) },
        draw("text", { class: "tick", x: left - 14, y: y + 4, "text-anchor": "end" }, variant.length > left / 7 ? variant.slice(0, left / 7 - 1) + "…" : variant),
        mean ? draw("path", { class: "line", d: `M${x.at(mean.mean)},${y - 10}v20` + (mean.low === null ? "" : `M${x.at(mean.low)},${y}H${x.at(mean.high)}`) }) : null,
        mine.map((cell) => draw("path", { class: "mark", d: shapeOf(n), transform: `translate(${x.at(cell.score).toFixed(1)},${y})` }, draw("title", {}, `seed ${cell.seed}: ${amount(cell.score, shares)}`))));
    }));
}
