// What was changed between two texts, word by word.

const MOST_CELLS = 6e6; // of the table of the longest common sequence; beyond, all is new

// Words and single signs, each with the white space behind it.
const wordsOf = (text) => text.match(/^\s+|(?:[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_])\s*/gu) ?? [];

// Returns pairs of -1, 0 or 1 (taken out, kept, put in) and a piece of text, in order.
function wordDiff(before, after) {
  const [old, now] = [wordsOf(before), wordsOf(after)];
  const same = (i, j) => old[i].trim() === now[j].trim();
  let head = 0;
  while (head < old.length && head < now.length && same(head, head)) head++;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head
    && same(old.length - 1 - tail, now.length - 1 - tail)) tail++;
  const [n, m] = [old.length - head - tail, now.length - head - tail];
  const pieces = now.slice(0, head).map((word) => [0, word]);
  if (n * m > MOST_CELLS) {
    pieces.push(...old.slice(head, head + n).map((w) => [-1, w]));
    pieces.push(...now.slice(head, head + m).map((w) => [1, w]));
  } else {
    pieces.push(...common(n, m, (i, j) => same(head + i, head + j))
      .map(([kind, at]) => [kind, kind < 0 ? old[head + at] : now[head + at]]));
  }
  pieces.push(...now.slice(now.length - tail).map((word) => [0, word]));
  return merged(pieces);
}

// Returns the steps through two sequences that share as much as can be, what goes out first.
function common(n, m, same) {
  const width = m + 1;
  const best = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      best[i * width + j] = same(i, j)
        ? best[(i + 1) * width + j + 1] + 1
        : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < n || j < m) {
    if (i < n && j < m && same(i, j)) {
      found.push([0, j]);
      i++;
      j++;
    } else if (i < n && (j === m || best[(i + 1) * width + j] >= best[i * width + j + 1])) {
      found.push([-1, i++]);
    } else {
      found.push([1, j++]);
    }
  }
  return found;
}

function merged(pieces) {
  const found = [];
  for (const [kind, text] of pieces) {
    const last = found.at(-1);
    if (last && last[0] === kind) last[1] += text;
    else found.push([kind, text]);
  }
  return found;
}

const KEPT_SIGNS = 160; // of a long stretch that did not change, at each of its ends

// A long stretch without changes: its ends, and its middle on demand.
function unchanged(text) {
  const inner = text.slice(KEPT_SIGNS, -KEPT_SIGNS);
  const open = button(`… ${grouped(wordsOf(inner).length)} unchanged …`, () => open.replaceWith(make("span", {}, inner)), { class: "link unchanged" });
  return [make("span", {}, text.slice(0, KEPT_SIGNS)), open, make("span", {}, text.slice(-KEPT_SIGNS))];
}

// Folds the solutions that are longer than a screen's third.
function clampTexts() {
  for (const box of document.querySelectorAll(".text > .prose")) {
    if (box.nextElementSibling || box.textContent.length < 1200) continue;
    box.classList.add("clamped");
    const open = button("Show all of it", () => {
      const folded = box.classList.toggle("clamped");
      open.textContent = folded ? "Show all of it" : "Show less";
      open.setAttribute("aria-expanded", String(!folded));
    }, { class: "quiet", "aria-expanded": "false" });
    box.after(open);
  }
}

// The two texts as one, with what went out struck through and what came in underlined.
function diffed(before, after) {
  const names = { "-1": "del", 0: "span", 1: "ins" };
  const pieces = wordDiff(before, after).flatMap(([kind, text]) => {
    const bare = kind ? text.trimEnd() : text;
    if (!kind && text.length > 3 * KEPT_SIGNS) return unchanged(text);
    return [make(names[kind], {}, bare), text.slice(bare.length) || (kind < 0 ? " " : "")];
  });
  return make("blockquote", { class: "prose diff", dir: "auto" }, pieces);
}

// What became of demonstrations, [row, input, answer, reasoning] each: those of the new solution in
// their order, then those that are gone. Rows that kept their order among those in both stayed.
function changedPairs(old, now) {
  const both = (list, other) => list.filter(([id]) => other.some((pair) => pair[0] === id));
  const [before, after] = [both(old, now), both(now, old)];
  const steps = common(before.length, after.length, (i, j) => before[i][0] === after[j][0]);
  const stayed = new Set(steps.filter(([kind]) => kind === 0).map(([, at]) => after[at][0]));
  const place = (id) => old.findIndex((pair) => pair[0] === id);
  const made = now.map((pair) => {
    const was = place(pair[0]);
    if (was < 0) return ["added", pair];
    if (!stayed.has(pair[0])) return [`moved from ${was + 1}`, pair];
    return [String(old[was]) === String(pair) ? "same" : "other answer", pair];
  });
  return [...made, ...old.filter(([id]) => !now.some((pair) => pair[0] === id)).map((pair) => ["removed", pair])];
}

// One demonstration: what became of it, its input and answer; the model's reasoning is folded.
function pairLine([change, [id, input, answer, reasoning]]) {
  return make("li", { class: `shot-${change.split(" ")[0]}` },
    make("small", {}, `${change}, row ${id}`), " ",
    make("span", { class: "prose", dir: "auto" }, input || "(the row is not kept)"), " ",
    make("strong", { class: "prose", dir: "auto" }, answer || "(no answer)"),
    reasoning ? make("details", {}, make("summary", {}, "The model's own answer, with its reasoning"),
      make("blockquote", { class: "prose", dir: "auto" }, reasoning)) : null);
}

// How one solution became another: part by part where solutions have demonstrations.
function changedFrom(before, after) {
  if (!before.pieces?.length || !after.pieces?.length) return diffed(before.text, after.text);
  return make("div", {}, after.pieces.map(([name, piece], n) => {
    const old = before.pieces[n][1];
    const same = JSON.stringify(old) === JSON.stringify(piece);
    const lists = Array.isArray(old) && Array.isArray(piece);
    return make("div", {}, make("h4", {}, same ? `${name}: unchanged` : name),
      same ? null : lists ? make("ul", { class: "shots" }, changedPairs(old, piece).map(pairLine)) : diffed(String(old), String(piece)));
  }));
}

// The change of the solution, below the two texts.
function drawDiff(core) {
  clampTexts();
  const host = part("diff");
  if (!host || core.figure || core.start === null || core.start === core.best) return;
  const [start, best] = [core.candidates[core.start], core.candidates[core.best]];
  const changed = onDemand(best.pieces ? "Part by part" : "Word by word", () => changedFrom(start, best), { class: "change" });
  changed.open = true;
  host.replaceChildren(changed);
}
