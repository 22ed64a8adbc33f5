// Lineage as a tree: which solution was edited into which, and which others were shown with it.

const TREE = { row: 24, column: 96, left: 14, top: 18 };

function drawTree(core) {
  const host = part("lineage");
  if (!host) return;
  const nodes = treeOf(core);
  const panel = make("div", { class: "looked-at" });
  const svg = treeDrawing(core, nodes, panel);
  const said = make("p", { class: "remark" }, `Drawn are ${grouped(nodes.length)} of ${counted(core.candidates.length, "solution")}: the starts, those that others were made from, each new best, and the winner. +n: solutions made from it that nothing was made from. Lines lead from what was edited; dashed lines, for the one that is chosen, from what was shown as well.`);
  host.replaceChildren(make("div", { class: "scroll tree-scroll", role: "region", "aria-label": "Lineage", tabindex: 0 }, svg), panel, said, downloads(svg, "lineage"));
}

// The solutions that are drawn, as nodes with their children, and the row of each.
function treeOf(core) {
  const children = groups(core.candidates.filter((c) => c.parents.length), (c) => c.parents.at(-1));
  const bests = new Set(bestsOf(core).map((c) => c.place));
  const wanted = (c) => !c.parents.length || children.has(c.place) || bests.has(c.place) || c.place === core.best;
  const nodes = new Map(core.candidates.filter(wanted).map((c) => [c.place, { c, children: [], leaves: 0, row: 0, parent: null }]));
  for (const c of core.candidates) {
    const parent = nodes.get(c.parents.at(-1));
    if (!parent) continue;
    const mine = nodes.get(c.place);
    if (mine) {
      mine.parent = parent;
      parent.children.push(mine);
    } else parent.leaves++;
  }
  let row = 0;
  const stack = [...nodes.values()].filter((node) => !node.parent).reverse();
  while (stack.length) { // a child continues the row of its parent where it is the first one
    const node = stack.pop();
    node.row = node.parent && node.parent.children[0] === node ? node.parent.row : row++;
    stack.push(...[...node.children].reverse());
  }
  return [...nodes.values()];
}

function treeDrawing(core, nodes, panel) {
  const steps = [...new Set(nodes.map((node) => node.c.step))].sort((a, b) => a - b);
  const x = (node) => TREE.left + TREE.column * steps.indexOf(node.c.step);
  const y = (node) => TREE.top + 22 + TREE.row * node.row;
  const mates = groups(nodes, (node) => `${node.c.step} ${node.row}`);
  for (const same of mates.values()) same.forEach((node, n) => { node.row += n ? 0.5 : 0; });
  const height = TREE.top + 30 + TREE.row * (1 + Math.max(...nodes.map((node) => node.row)));
  const width = TREE.left + TREE.column * steps.length;
  const shown = draw("g", { class: "shown-lines" });
  const path = (a, b) => `M${x(a)},${y(a)}C${x(a) + 40},${y(a)} ${x(b) - 40},${y(b)} ${x(b)},${y(b)}`;
  const svg = draw("svg", { class: "tree", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Lineage. Arrow keys lead to what a solution was made from and to what was made from it." },
    steps.map((step, n) => draw("text", { class: "tick", x: TREE.left + TREE.column * n, y: 14, "text-anchor": n ? "middle" : "start" }, n ? step : "step " + step)),
    nodes.filter((node) => node.parent).map((node) => draw("path", { class: "edited", d: path(node.parent, node) })), shown);
  const marks = new Map(nodes.map((node) => [node, draw("g", { class: "node", role: "button", tabindex: -1, "aria-label": label(node.c, core.measure.shares) },
    draw("circle", { class: "point" + (node.c.place === core.best ? " winner" : ""), cx: x(node), cy: y(node), r: node.c.place === core.best ? 6.5 : 5 }),
    draw("text", { class: "tick", x: x(node) + 9, y: y(node) - 4 }, amount(node.c.score, core.measure.shares) + (node.leaves ? `  +${node.leaves}` : "")))]));
  svg.append(...marks.values());
  const at = { node: nodes.find((node) => node.c.place === core.best) ?? nodes[0] };
  const reach = (node, focus) => {
    marks.get(at.node).classList.remove("current");
    marks.get(at.node).setAttribute("tabindex", -1);
    at.node = node;
    marks.get(node).classList.add("current");
    marks.get(node).setAttribute("tabindex", 0);
    const others = node.c.parents.slice(0, -1);
    const drawn = nodes.filter((other) => others.includes(other.c.place));
    shown.replaceChildren(...drawn.map((other) => draw("path", { d: path(other, node) })));
    lookAtNode(core, panel, node, others);
    if (focus) marks.get(node).focus();
  };
  for (const [node, mark] of marks) mark.addEventListener("click", () => reach(node, true));
  svg.addEventListener("keydown", (event) => {
    const all = [...nodes].sort((a, b) => a.row - b.row || a.c.place - b.c.place);
    const next = { ArrowLeft: at.node.parent, ArrowRight: at.node.children[0], ArrowDown: all[all.indexOf(at.node) + 1], ArrowUp: all[all.indexOf(at.node) - 1] };
    if (event.key !== "Enter" && !(event.key in next)) return;
    event.preventDefault();
    if (event.key === "Enter") openCandidate(at.node.c.place);
    else if (next[event.key]) reach(next[event.key], true);
  });
  reach(at.node, false);
  return svg;
}

function lookAtNode(core, panel, node, others) {
  const { c, leaves, children, parent } = node;
  const facts = [label(c, core.measure.shares).split(" · ").slice(0, 2).join(" · ")];
  facts.push(parent ? `edited from step ${parent.c.step}` : c.step ? "made without a parent" : "a starting solution");
  if (others.length) facts.push(`${counted(others.length, "other")} shown`);
  facts.push(`${grouped(children.length + leaves)} made from it`);
  panel.replaceChildren(...[
    make("p", { class: "cell-facts" }, facts.join(" · ")),
    make("blockquote", { class: "prose", dir: "auto" }, c.text || "(empty)"),
    button("Open in the trajectory", () => openCandidate(c.place), { class: "quiet" }),
    others.length ? onDemand(`What was shown: ${counted(others.length, "solution")}`, () =>
      make("ul", { class: "plain" }, others.map((place) => make("li", {}, link(core.candidates[place], core.measure.shares))))) : null,
  ].filter(Boolean));
}
