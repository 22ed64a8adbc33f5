// The trajectory: a row for each solution, to be filtered, and to be opened.

const FIRST_ROWS = 40;
const MORE_ROWS = 200;
const STRIP = 40; // marks of items in a line

let openCandidate = () => {}; // by position; set when the table is drawn

function drawTrajectory(core) {
  const host = part("trajectory");
  const state = { words: "", refused: null, order: "tried", most: FIRST_ROWS };
  const body = make("tbody");
  const count = make("p", { class: "count", role: "status" });
  const more = button("", () => {
    state.most += MORE_ROWS;
    show();
  }, { class: "more" });
  const table = make("table", { class: "rows" },
    make("caption", { class: "hidden" }, "Every solution that was tried, in order"),
    make("thead", {}, make("tr", {}, ["step", "score", "words changed", core.noun].map((name, n) =>
      make("th", { scope: "col", class: n === 3 ? null : n === 2 ? "number wide" : "number" }, n === 1 && core.function ? "value" : name)))),
    body);
  const show = () => {
    const rows = rowsOf(core, state);
    body.replaceChildren(...rows.slice(0, state.most).map((row) => (row.reason ? refusedRow(row) : candidateRow(core, row))));
    const tried = rows.filter((row) => !row.reason).length;
    count.textContent = tried === core.candidates.length
      ? counted(tried, "solution")
      : `${grouped(tried)} of ${counted(core.candidates.length, "solution")}`;
    if (rows.length > tried) count.textContent += ` and ${counted(rows.length - tried, "refused text")}`;
    more.hidden = rows.length <= state.most;
    more.textContent = `Show more (${grouped(Math.max(0, rows.length - state.most))} left)`;
  };
  host.replaceChildren(controls(core, state, show), count, table, more);
  openCandidate = (place) => {
    state.words = "";
    host.querySelector("input[type=search]").value = "";
    const at = rowsOf(core, state).findIndex((row) => row.place === place);
    state.most = Math.max(state.most, at + 1);
    show();
    const opener = body.querySelector(`button[data-place="${place}"]`);
    if (opener.getAttribute("aria-expanded") === "false") opener.click();
    opener.closest("tr").scrollIntoView({ block: "start" });
    opener.focus({ preventScroll: true });
  };
  show();
}

function controls(core, state, show) {
  const search = make("input", { type: "search", id: "filter", autocomplete: "off", placeholder: "words in the text" });
  search.addEventListener("input", () => {
    state.words = search.value;
    state.most = FIRST_ROWS;
    show();
  });
  const order = make("select", { id: "order" }, make("option", { value: "tried" }, "as tried"), make("option", { value: "best" }, "best first"));
  order.addEventListener("change", () => {
    state.order = order.value;
    show();
  });
  const fields = [
    make("label", { for: "filter" }, "Filter", search),
    make("label", { for: "order" }, "Order", order),
  ];
  if (core.steps.some((step) => step.refused)) {
    const box = make("input", { type: "checkbox", id: "with-refused" });
    box.addEventListener("change", async () => {
      state.refused = box.checked ? await chunk("refused") : null;
      show();
    });
    fields.push(make("label", { for: "with-refused", class: "check" }, box, "with refused texts"));
  }
  return make("div", { class: "controls", role: "search", "aria-label": "Filter the trajectory" }, fields);
}

function rowsOf(core, state) {
  const refused = (state.refused ?? []).map(([step, reason, text]) => ({ step, reason, text }));
  const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...core.candidates, ...refused].filter((row) => {
    const text = `${row.text} ${row.reason ?? ""} ${row.id ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (state.order === "tried") return rows.sort((a, b) => a.step - b.step);
  const sign = core.measure.higher_is_better ? -1 : 1;
  const worth = (row) => (row.score === null || row.reason ? Infinity : sign * row.score);
  return rows.sort((a, b) => (worth(a) === worth(b) ? 0 : worth(a) - worth(b)));
}

const refusedRow = (row) => make("tr", { class: "refused-row" },
  make("th", { scope: "row", class: "number" }, row.step),
  make("td", { colspan: 2 }, "refused: ", row.reason),
  make("td", { class: "prose", dir: "auto" }, row.text || "(empty)"));

function candidateRow(core, c) {
  const shares = core.measure.shares;
  const opener = button("", () => {}, { class: "opener", "aria-expanded": "false", "data-place": c.place });
  opener.append(make("span", { class: "prose", dir: "auto" }, c.text || "(empty)"));
  const score = c.score === null ? "unmeasured" : amount(c.score, shares);
  const kept = c.measured < c.planned && c.score !== null ? make("small", {}, ` (partial) on ${grouped(c.measured)} of ${grouped(c.planned)}`) : null;
  const by = core.steps.find((step) => step.step === c.step)?.by; // where several methods take turns
  const row = make("tr", { class: c.place === core.best ? "winner" : null },
    make("th", { scope: "row", class: "number" }, c.step, by ? make("small", {}, ` ${by}`) : null),
    make("td", { class: "number" }, score, kept),
    make("td", { class: "number wide" }, c.changed === null ? "–" : c.changed),
    make("td", {}, opener, c.place === core.best ? make("span", { class: "tag" }, core.finished ? "winner" : "best so far") : null));
  let inside = null;
  opener.addEventListener("click", () => {
    const open = opener.getAttribute("aria-expanded") === "true";
    opener.setAttribute("aria-expanded", String(!open));
    inside ??= make("tr", { class: "inside" }, make("td", { colspan: 4 }, insideOf(core, c)));
    if (open) inside.remove();
    else row.after(inside);
  });
  return row;
}

// What is behind a row: where it came from, what was changed, what it got item by item.
function insideOf(core, c) {
  const shares = core.measure.shares;
  const parent = c.parents.length ? core.candidates[c.parents.at(-1)] : null;
  const found = [make("p", { class: "remark" }, `Step ${c.step}, id ${c.id}${c.why ? `; unmeasured: ${c.why}` : ""}`)];
  if (parent) {
    const items = make("div");
    if (!core.figure) found.push(make("h4", {}, "Changed from its last parent"), changedFrom(parent, c), items);
    Promise.all([chunk("outcomes"), chunk("train")]).then(([outcomes, train]) =>
      items.append(...itemStrip({ core, outcomes, items: train }, parent.place, c.place)));
    found.push(make("h4", {}, "Lineage"), lineage(core, c));
    const others = c.parents.slice(0, -1).map((place) => core.candidates[place]);
    if (others.length) {
      found.push(onDemand(`Also shown when it was asked for: ${counted(others.length, "solution")}`, () =>
        make("ul", { class: "plain" }, others.map((o) => make("li", {}, link(o, shares))))));
    }
  } else {
    found.push(make("p", {}, c.step ? "It was made without a parent." : "A starting solution."));
  }
  if (core.steps[c.step]?.calls) found.push(onDemand("The meta-prompt and the reply that it came from", () => askedFor(core, c)));
  return found;
}

// The line of last parents, from the beginning on.
function lineage(core, c) {
  const line = [c];
  while (line[0].parents.length && line.length < 1000) line.unshift(core.candidates[line[0].parents.at(-1)]);
  return make("ol", { class: "lineage" }, line.map((one) =>
    make("li", {}, one === c ? make("span", {}, label(one, core.measure.shares)) : link(one, core.measure.shares))));
}

const label = (c, shares) => `${c.score === null ? "unmeasured" : amount(c.score, shares)}${c.score !== null && c.measured < c.planned ? " (partial)" : ""} · step ${c.step} · ${c.text.slice(0, 140) || "(empty)"}`;
const link = (c, shares) => button(label(c, shares), () => openCandidate(c.place), { class: "link", dir: "auto" });

// One mark per train item: what the parent got, and what came of it. Pointer and arrow keys lead to
// what is behind a mark.
function itemStrip(world, parent, place) {
  const [before, after] = [world.outcomes[parent], world.outcomes[place]];
  if (typeof before !== "string" || typeof after !== "string" || !after) return [];
  const kinds = { 11: "kept", "00": "wrong", "01": "fixed", 10: "broken" };
  const words = { kept: "right in both", wrong: "wrong in both", fixed: "fixed", broken: "broken", untried: "not tried by both" };
  const marks = [...after].map((now, n) => kinds[(before[n] ?? "-") + now] ?? "untried");
  const many = (kind) => marks.filter((mark) => mark === kind).length;
  const shapes = { kept: "M1,1h6v6h-6z", wrong: "M1,7h6", fixed: "M4,0l4,8h-8z", broken: "M0,0h8l-4,8z", untried: "M3,4h2" };
  const rows = Math.ceil(marks.length / STRIP);
  const frame = draw("rect", { class: "strip-at", width: 10, height: 10, x: -20, y: 0 });
  const svg = draw("svg", { class: "strip", viewBox: `-1 -1 ${10 * STRIP + 2} ${10 * rows + 2}`, "aria-hidden": "true" }, marks.map((mark, n) =>
    draw("path", { class: mark, d: shapes[mark], transform: `translate(${10 * (n % STRIP)},${10 * Math.floor(n / STRIP)})` })), frame);
  const panel = make("div", { class: "looked-at cell-panel", hidden: true });
  const holder = make("div", { class: "strip-holder", tabindex: 0, role: "slider", "aria-label": "Training items", "aria-valuemin": 1,
    "aria-valuemax": marks.length, "aria-valuenow": 1, "aria-valuetext": "none is chosen" }, svg);
  let at = -1;
  const go = async (n) => {
    if (n < 0 || n >= marks.length || n === at) return;
    at = n;
    frame.setAttribute("x", 10 * (n % STRIP) - 1);
    frame.setAttribute("y", 10 * Math.floor(n / STRIP) - 1);
    holder.setAttribute("aria-valuenow", n + 1);
    holder.setAttribute("aria-valuetext", `${itemName(world.items[n] ?? [""], n)}: ${words[marks[n]]}`);
    const blocks = await cellBlocks(world, place, n);
    if (at !== n) return;
    panel.hidden = false;
    panel.replaceChildren(...blocks.slice(0, -1));
  };
  holder.addEventListener("click", (event) => {
    const area = svg.getBoundingClientRect();
    const size = area.width / (STRIP + 0.2);
    go(Math.floor((event.clientX - area.left) / size) + STRIP * Math.floor((event.clientY - area.top) / size));
  });
  holder.addEventListener("keydown", (event) => {
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + STRIP, ArrowUp: at - STRIP, Home: 0, End: marks.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    go(Math.max(0, next));
  });
  return [
    make("p", { class: "remark" }, `Training items against that parent: ${many("fixed")} fixed (▲), ${many("broken")} broken (▼), ${many("kept")} right in both (■), ${many("wrong")} wrong in both (–). Choose one to read its answer.`),
    holder, panel,
  ];
}
