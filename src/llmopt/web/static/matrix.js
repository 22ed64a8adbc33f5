// What each solution got on each training item: a table of marks, and what is behind a mark.

const COLUMNS = 10; // solutions at a time
const MATRIX_ROWS = 25;
const MARKS = { right: ["✓", "good"], wrong: ["✗", "bad"], "not tried": ["·", "none"] };
const matrix = { kind: "all", words: "", which: "bests", from: 0, most: MATRIX_ROWS, at: null };

// The score of a candidate on an item, or null; see `outcomes` of the payload.
function scoreOn(outcome, n) {
  const found = outcome[n];
  if (typeof outcome === "string") return found === "1" ? 1 : found === "0" ? 0 : null;
  return found ?? null;
}

function worthOf(core, score) {
  if (score === null) return "not tried";
  if (core.measure.shares && score === 1) return "right";
  if (core.measure.shares && score === 0) return "wrong";
  return amount(score, core.measure.shares);
}

// An id that the user gave, or a number where it was made of the row's content.
const itemName = (item, n) => (/^[0-9a-f]{12}$/.test(item[0]) ? `item ${n + 1}` : item[0]);

// What of a long text says most: the question at its end where there is one, else its beginning.
function cutText(text, most) {
  if (text.length <= most) return text;
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const at = lines.findLastIndex((line) => /\?["”»)]?$/.test(line) || /^(question|query|q|user|customer)\s*:/i.test(line));
  if (at <= 0) return text.slice(0, most).trimEnd() + "…";
  const asked = lines[at];
  return "… " + (asked.length > most ? asked.slice(0, most).trimEnd() + "…" : asked) + (at < lines.length - 1 ? " …" : "");
}

// The cells of a candidate: from the page, or from the server that gave it; null: neither has them.
const rowsOfCells = new Map();
function cellsOf(core, c) {
  const name = `cells-${c.place}`;
  if (document.querySelector(`script[data-name="${name}"]`)) return chunk(name);
  const run = document.querySelector(".bar")?.dataset.run;
  if (run === undefined) return Promise.resolve(null);
  if (!rowsOfCells.has(c.id)) {
    const row = fetch(`/run/${encodeURIComponent(run)}/cells/${c.place}.json`).then((answer) => (answer.ok ? answer.json() : null));
    rowsOfCells.set(c.id, row);
    row.catch(() => rowsOfCells.delete(c.id));
  }
  return rowsOfCells.get(c.id);
}

function drawMatrix(core) {
  const host = part("matrix");
  if (!host) return;
  Promise.all([chunk("outcomes"), chunk("train")]).then(([outcomes, items]) => {
    const world = { core, outcomes, items, kinds: kindsOfItems(core, outcomes, items) };
    const [bars, table] = [make("div", { class: "controls" }), make("div")];
    const panel = make("div", { class: "looked-at cell-panel", role: "status" });
    const show = () => {
      bars.replaceChildren(...matrixControls(world, show));
      table.replaceChildren(...matrixTable(world, panel, show));
    };
    host.replaceChildren(bars, make("div", { class: "matrix-pair" }, table, panel));
    show();
    if (matrix.at) lookAtCell(world, panel, ...matrix.at);
    else panel.replaceChildren(make("p", { class: "cell-facts" }, "No cell is chosen."));
  });
}

// What became of each item between start and winner, and which nobody got right.
function kindsOfItems(core, outcomes, items) {
  const up = core.measure.higher_is_better ? 1 : -1;
  const [start, best] = [outcomes[core.start] ?? "", outcomes[core.best] ?? ""];
  return items.map((_, n) => {
    const [before, after] = [scoreOn(start, n), scoreOn(best, n)];
    const change = before === null || after === null ? 0 : up * (after - before);
    const never = core.measure.shares && !outcomes.some((outcome) => scoreOn(outcome, n) === 1);
    return { fixed: change > 0, broken: change < 0, never, all: true };
  });
}

function matrixControls(world, show) {
  const { core, kinds } = world;
  const names = { all: "all", fixed: "▲ fixed", broken: "▼ broken", ...(core.measure.shares ? { never: "never right" } : {}) };
  const filters = Object.entries(names).map(([kind, name]) =>
    button(`${name} ${grouped(kinds.filter((k) => k[kind]).length)}`, () => {
      matrix.kind = kind;
      matrix.most = MATRIX_ROWS;
      show();
      part("matrix").querySelector(`[data-choice="matrix ${kind}"]`).focus();
    }, { class: "choice", "aria-pressed": String(matrix.kind === kind), "data-choice": `matrix ${kind}` }));
  const which = make("select", { id: "matrix-which" }, [["bests", "start, new bests, winner"], ["best", "best first"], ["tried", "as tried"]].map(([value, name]) =>
    make("option", { value, selected: matrix.which === value }, name)));
  which.addEventListener("change", () => {
    matrix.which = which.value;
    matrix.from = 0;
    show();
    document.getElementById("matrix-which").focus();
  });
  const all = columnsOf(core).length;
  const move = (label, by, there) => button(label, () => {
    matrix.from += by;
    show();
  }, { class: "quiet", disabled: !there });
  return [
    make("div", { role: "group", "aria-label": "Which items" }, filters),
    make("label", { for: "matrix-which" }, "Solutions", which),
    all > COLUMNS ? make("div", { role: "group", "aria-label": "Further solutions" },
      move("← earlier", -COLUMNS, matrix.from > 0), move("later →", COLUMNS, matrix.from + COLUMNS < all),
      make("span", { class: "count" }, `${matrix.from + 1} to ${Math.min(all, matrix.from + COLUMNS)} of ${grouped(all)}`)) : null,
  ].filter(Boolean);
}

// The solutions of the table's columns, in their order.
function columnsOf(core) {
  const known = core.candidates.filter((c) => c.score !== null);
  const up = core.measure.higher_is_better ? -1 : 1;
  if (matrix.which === "tried") return known;
  if (matrix.which === "best") return known.sort((a, b) => up * (a.score - b.score));
  const ends = [core.start, core.best].map((place) => core.candidates[place]).filter(Boolean);
  return [...new Set([...ends, ...bestsOf(core)])].sort((a, b) => a.place - b.place);
}

function matrixTable(world, panel, show) {
  const { core, items, kinds } = world;
  const shown = columnsOf(core).slice(matrix.from, matrix.from + COLUMNS);
  const rows = items.map((item, n) => n).filter((n) => kinds[n][matrix.kind]);
  if (!rows.length) return [make("p", { class: "remark" }, "None.")];
  const heads = shown.map((c) => make("th", { scope: "col", class: c.place === core.best ? "winner" : null },
    button(amount(c.score, core.measure.shares), () => openCandidate(c.place), { class: "link", title: c.text.slice(0, 200) }),
    make("small", {}, c.place === core.best ? "winner" : c.place === core.start ? "start" : `step ${c.step}`)));
  const body = make("tbody", {}, rows.slice(0, matrix.most).map((n) => matrixRow(world, shown, n, panel)));
  walkCells(body);
  const more = button(`Show more (${counted(rows.length - matrix.most, "item")} left)`, () => {
    matrix.most += 4 * MATRIX_ROWS;
    show();
  }, { class: "more", hidden: rows.length <= matrix.most });
  const table = make("table", { class: "matrix" },
    make("caption", {}, `${counted(rows.length, "item")}. ✓ right, ✗ wrong, · not tried. A heading opens its solution.`),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "item"), heads)), body);
  return [make("div", { class: "scroll", role: "region", "aria-label": "Solutions by item", tabindex: 0 }, table), more];
}

function matrixRow(world, shown, n, panel) {
  const { core, outcomes, items } = world;
  const name = itemName(items[n], n);
  const cells = shown.map((c) => {
    const worth = worthOf(core, scoreOn(outcomes[c.place] ?? "", n));
    const [mark, kind] = MARKS[worth] ?? [worth, "even"];
    const chosen = matrix.at && matrix.at[0] === c.place && matrix.at[1] === n;
    return make("td", {}, button(mark, (event) => {
      for (const other of part("matrix").querySelectorAll(".cell[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
      event.currentTarget.setAttribute("aria-pressed", "true");
      lookAtCell(world, panel, c.place, n);
    }, { class: `cell cell-${kind}`, tabindex: -1, "aria-pressed": String(Boolean(chosen)), "aria-label": `${name}, step ${c.step}: ${worth}` }));
  });
  const text = items[n][1] ? make("small", { dir: "auto" }, cutText(items[n][1], 70)) : null;
  return make("tr", {}, make("th", { scope: "row" }, name, text), cells);
}

// Arrow keys lead from cell to cell; one of them is in the tab order.
function walkCells(body) {
  const cell = (row, column) => row?.querySelectorAll(".cell")[column];
  cell(body.rows[0], 0)?.setAttribute("tabindex", "0");
  body.addEventListener("focusin", (event) => {
    if (!event.target.matches(".cell")) return;
    for (const old of body.querySelectorAll(".cell[tabindex='0']")) old.setAttribute("tabindex", "-1");
    event.target.setAttribute("tabindex", "0");
  });
  body.addEventListener("keydown", (event) => {
    const way = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!way || !event.target.matches(".cell")) return;
    event.preventDefault();
    const row = event.target.closest("tr");
    const column = [...row.querySelectorAll(".cell")].indexOf(event.target);
    const next = cell(body.rows[row.sectionRowIndex + way[0]], column + way[1]);
    next?.focus();
  });
}

async function lookAtCell(world, panel, place, n) {
  matrix.at = [place, n];
  const blocks = await cellBlocks(world, place, n);
  if (matrix.at[0] === place && matrix.at[1] === n) panel.replaceChildren(...blocks);
}

// Everything that is known of one answer of one solution.
async function cellBlocks({ core, outcomes, items }, place, n) {
  const c = core.candidates[place];
  const score = scoreOn(outcomes[place] ?? "", n);
  const cells = await cellsOf(core, c).catch(() => null);
  const [answer, output, said, why, tokens, seconds] = cells?.[n] ?? [];
  const right = outcomes.filter((outcome) => scoreOn(outcome, n) === 1).length;
  const tried = outcomes.filter((outcome) => scoreOn(outcome, n) !== null).length;
  const facts = [itemName(items[n], n), `step ${c.step}`, worthOf(core, score)];
  if (tokens) facts.push(`${grouped(tokens[0])} tokens in, ${grouped(tokens[1])} out`);
  if (seconds) facts.push(`${seconds} s`);
  if (core.measure.shares) facts.push(`right in ${grouped(right)} of ${counted(tried, "solution")}`);
  const known = cells && cells[n];
  const line = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  return [
    make("p", { class: "cell-facts" }, facts.join(" · ")),
    make("dl", { class: "behind" },
      items[n][1] ? line("input", long(items[n][1])) : null,
      items[n][2] ? line("expected", long(items[n][2])) : null,
      known ? line("answer", answer === null ? "nothing readable" : long(answer || "(empty)")) : null,
      output ? line("whole answer", long(output)) : null,
      said ? line("feedback", long(said)) : null,
      why ? line("unmeasured", why) : null),
    known || score === null ? null : make("p", { class: "remark" }, "The answers of this solution are not on this page; llmopt view shows them."),
    button("Open the solution", () => openCandidate(place), { class: "quiet" }),
  ].filter(Boolean);
}
