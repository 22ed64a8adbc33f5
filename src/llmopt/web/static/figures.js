// Searches on numbers and tours as what they are: a way through a plane, a round trip.

const FIGURE = 460;

function drawFigure(core) {
  const host = part("figure");
  if (!host || !core.figure) return;
  host.replaceChildren(...(core.figure.kind === "plane" ? plane(core) : tours(core)));
}

// The new bests in order, from the best start on.
function bestsOf(core) {
  const up = core.measure.higher_is_better;
  const found = [];
  for (const c of core.candidates) {
    if (c.score === null) continue;
    const before = found.at(-1);
    if (!before || (up ? c.score > before.score : c.score < before.score)) found.push(c);
  }
  return found;
}

function plane(core) {
  const { names, low, high, values, points, optimum } = core.figure;
  const edge = { left: 54, right: FIGURE - 14, top: 14, bottom: FIGURE - 44 };
  const x = (v) => edge.left + ((v - low[0]) / (high[0] - low[0])) * (edge.right - edge.left);
  const y = (v) => edge.bottom - ((v - low[1]) / (high[1] - low[1])) * (edge.bottom - edge.top);
  const bests = bestsOf(core);
  const way = bests.map((c) => points[c.place]);
  const last = bests.at(-1);
  const solved = optimum !== null && last && Math.abs(last.score - optimum) <= 1e-9 * Math.max(1, Math.abs(optimum));
  const told = `The best so far moved ${counted(bests.length - 1, "time")}, from ${core.candidates[bests[0].place].text} (${amount(bests[0].score, false)}) to ${last.text} (${amount(last.score)}).`;
  const svg = draw("svg", { class: "plane", viewBox: `0 0 ${FIGURE} ${FIGURE}`, role: "img", "aria-label": told },
    contours(values, x, y, low, high),
    ticks(low[0], high[0], 6).map((v) => draw("text", { class: "tick", x: x(v), y: edge.bottom + 20, "text-anchor": "middle" }, amount(v))),
    ticks(low[1], high[1], 6).map((v) => draw("text", { class: "tick", x: edge.left - 8, y: y(v) + 4, "text-anchor": "end" }, amount(v))),
    draw("text", { class: "axis", x: edge.right, y: FIGURE - 6, "text-anchor": "end" }, names[0]),
    draw("text", { class: "axis", x: 4, y: 16 }, names[1]),
    draw("rect", { class: "border", x: edge.left, y: edge.top, width: edge.right - edge.left, height: edge.bottom - edge.top }),
    core.candidates.map((c) => draw("circle", { class: c.step ? "tried" : "tried from", cx: x(points[c.place][0]), cy: y(points[c.place][1]), r: c.step ? 2.2 : 4 })),
    draw("path", { class: "way", d: "M" + way.map(([a, b]) => `${x(a)},${y(b)}`).join("L") }),
    way.map(([a, b], n) => draw("circle", { class: n === way.length - 1 ? "goal" : "stop", cx: x(a), cy: y(b), r: n === way.length - 1 ? 6 : 3.5 })));
  const marks = "Contours: where the value is the same, closer to the lowest further in. Circles: the starts; dots: all that was tried; line: the best so far, to the large dot.";
  return [make("figure", { class: "drawing" }, svg, make("figcaption", {}, told, " ", solved ? "That is the best there is. " : "", marks), downloads(svg, "plane"))];
}

// Lines of equal value, by marching squares; levels are spread over the ranks of the values.
function contours(values, x, y, low, high) {
  const size = values.length;
  const sorted = values.flat().sort((a, b) => a - b);
  const levels = [0.01, 0.03, 0.07, 0.13, 0.21, 0.31, 0.43, 0.56, 0.7, 0.85].map((q) => sorted[Math.floor(q * (sorted.length - 1))]);
  const px = (i) => x(low[0] + (i / (size - 1)) * (high[0] - low[0]));
  const py = (j) => y(low[1] + (j / (size - 1)) * (high[1] - low[1]));
  return draw("g", { "aria-hidden": "true" }, levels.map((level, n) => {
    const pieces = [];
    for (let j = 0; j + 1 < size; j++) {
      for (let i = 0; i + 1 < size; i++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const cuts = [];
        for (let k = 0; k < 4; k++) {
          const [[a, b], [c, d]] = [corners[k], corners[(k + 1) % 4]];
          const [u, v] = [values[b][a], values[d][c]];
          if (u < level === v < level) continue;
          const share = (level - u) / (v - u);
          cuts.push([px(a + share * (c - a)), py(b + share * (d - b))]);
        }
        for (let k = 0; k + 1 < cuts.length; k += 2) {
          pieces.push(`M${cuts[k].map((v) => v.toFixed(1))}L${cuts[k + 1].map((v) => v.toFixed(1))}`);
        }
      }
    }
    return draw("path", { class: "contour", "stroke-opacity": (0.75 - 0.055 * n).toFixed(2), d: pieces.join("") });
  }));
}

function tours(core) {
  const { nodes, optimal, length, proven } = core.figure;
  const best = core.candidates[core.best];
  const made = best.text.split(",").map(Number);
  const found = [tour(nodes, made, "tour", `The best tour found: ${amount(best.score, false)}`)];
  if (optimal) {
    const same = Math.abs(best.score - length) <= 1e-6 * length;
    const more = same ? "the tour found is as short" : `the tour found is ${(100 * (best.score / length - 1)).toFixed(1)} % longer`;
    found.push(tour(nodes, optimal, "shortest", `${proven ? "The shortest tour" : "The shortest tour known"}: ${amount(length, false)}; ${more}`));
  }
  return [make("div", { class: "pair" }, found)];
}

function tour(nodes, order, name, caption) {
  const size = 320;
  const low = [0, 1].map((k) => Math.min(...nodes.map((p) => p[k])));
  const high = [0, 1].map((k) => Math.max(...nodes.map((p) => p[k])));
  const span = Math.max(high[0] - low[0], high[1] - low[1]) || 1;
  const at = ([a, b]) => [20 + ((a - low[0]) / span) * (size - 40), size - 20 - ((b - low[1]) / span) * (size - 40)];
  const places = nodes.map(at);
  const line = "M" + order.map((n) => places[n].map((v) => v.toFixed(1)).join(",")).join("L") + "Z";
  const svg = draw("svg", { class: "tour", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `${caption}. ${order.join(", ")}` },
    draw("path", { class: "way", d: line }),
    places.map(([a, b], n) => draw("circle", { class: n === order[0] ? "goal" : "stop", cx: a, cy: b, r: n === order[0] ? 5 : 3 })),
    nodes.length <= 30 ? places.map(([a, b], n) => draw("text", { class: "tick", x: a + 6, y: b - 5 }, n)) : null);
  return make("figure", { class: "drawing" }, svg, make("figcaption", {}, caption), downloads(svg, name));
}
