// Where the winner answers otherwise than the start, item by item.

const KINDS = {
  fixed: ["▲", "fixed", "The winner does better than the start"],
  broken: ["▼", "broken", "The start does better than the winner"],
  both_wrong: ["–", "wrong in both", "Neither gets the full score"],
};
const SPLITS = { test: "held-out items", train: "training items" };

function drawItems(core) {
  const host = part("items");
  if (!host || !Object.keys(core.splits).length) return;
  chunk("items").then((all) => {
    const state = { split: "test" in all ? "test" : "train", kind: "fixed" };
    const first = all[state.split].find((row) => row[3] !== "fixed");
    if (!all[state.split].some((row) => row[3] === "fixed") && first) state.kind = first[3];
    const table = make("div");
    const bars = make("div", { class: "controls" });
    const show = () => {
      const rows = all[state.split].filter((row) => row[3] === state.kind);
      table.replaceChildren(...itemTable(core, rows, state));
      bars.replaceChildren(...choices(core, all, state, show));
    };
    host.replaceChildren(bars, table);
    show();
  });
}

function choices(core, all, state, show) {
  const choose = (key, value, name) => {
    const made = button(name, () => {
      state[key] = value;
      show();
      part("items").querySelector(`[data-choice="${key} ${value}"]`).focus();
    }, { class: "choice", "aria-pressed": String(state[key] === value), "data-choice": `${key} ${value}` });
    return made;
  };
  const splits = Object.keys(SPLITS).filter((split) => split in all);
  const counts = core.splits[state.split];
  const kinds = Object.entries(KINDS).map(([kind, [mark, name]]) => choose("kind", kind, `${mark} ${grouped(counts[kind])} ${name}`));
  const right = make("span", { class: "count" }, `${grouped(counts.both_right)} right in both`);
  return [
    splits.length > 1 ? make("div", { role: "group", "aria-label": "Which items" }, splits.map((split) => choose("split", split, SPLITS[split]))) : null,
    make("div", { role: "group", "aria-label": "What became of them" }, kinds, right),
  ].filter(Boolean);
}

function itemTable(core, rows, state) {
  const [, , what] = KINDS[state.kind];
  if (!rows.length) return [make("p", { class: "remark" }, "None.")];
  const body = make("tbody");
  const [, more] = inPages(rows, (row) => itemRow(core, row), 15, "item", body);
  const table = make("table", { class: "rows items" },
    make("caption", {}, `${what}: ${counted(rows.length, "item")}`),
    make("thead", {}, make("tr", {}, ["input", "expected", "before", "after"].map((name) => make("th", { scope: "col" }, name)))),
    body);
  return [table, more];
}

function itemRow(core, [id, input, target, , before, after]) {
  return make("tr", {},
    make("th", { scope: "row", class: "input" }, /^[0-9a-f]{12}$/.test(id) && input ? null : make("small", { class: "own-id" }, input ? id : `item ${id}`), input ? long(input) : null),
    make("td", { "data-name": "expected" }, target ? long(target) : "–"),
    make("td", { "data-name": "before" }, side(core, before)),
    make("td", { "data-name": "after" }, side(core, after)));
}

function side(core, [score, answer, output, said]) {
  const worth = score === null ? "unmeasured" : core.measure.shares && score === 1 ? "right" : core.measure.shares && score === 0 ? "wrong" : amount(score, core.measure.shares);
  const mark = make("span", { class: `worth worth-${worth === "right" ? "good" : worth === "wrong" ? "bad" : "even"}` }, worth);
  const read = make("span", { class: "prose", dir: "auto" }, answer === null ? "nothing readable" : answer || "(empty)");
  const whole = output !== null && output.trim() !== (answer ?? "").trim()
    ? onDemand("whole answer", () => make("pre", { dir: "auto", tabindex: 0, role: "group", "aria-label": "Whole answer" }, output || "(empty)"))
    : null;
  const feedback = said ? make("p", { class: "prose remark", dir: "auto", "data-name": "feedback" }, said) : null;
  return [read, " ", mark, feedback, whole];
}

// A text that is folded where it is long.
function long(text) {
  const most = 280;
  if (text.length <= most) return make("span", { class: "prose", dir: "auto" }, text);
  return make("span", {}, make("span", { class: "prose", dir: "auto" }, cutText(text, most)),
    onDemand("all of it", () => make("pre", { dir: "auto", tabindex: 0, role: "group", "aria-label": "All of it" }, text)));
}
