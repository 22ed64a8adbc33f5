// Draws the parts of the page, and draws them anew when a server has news.

async function drawn() {
  if (typeof DecompressionStream === "undefined") {
    for (const host of document.querySelectorAll("[data-part]")) {
      host.replaceChildren(make("p", { class: "note" }, "This browser is too old for this part of the page."));
    }
    return;
  }
  const core = await chunk("core");
  decimals = core.measure.decimals ?? null;
  if (core.kind === "sweep") {
    drawSweep(core);
    return;
  }
  core.candidates = core.candidates.map(([step, id, text, score, measured, planned, changed, call, parents, why], place) =>
    ({ place, step, id, text, score, measured, planned, changed, call, parents, why, pieces: core.pieces?.[place] ?? null }));
  drawDiff(core);
  drawTrajectory(core);
  drawTree(core);
  drawSpending(core);
  drawChart(core);
  drawFigure(core);
  drawMatrix(core);
  drawItems(core);
  drawSteps(core);
  drawRefused(core);
  const front = document.querySelector("svg.front");
  if (front && !front.parentElement.querySelector(".downloads")) front.after(downloads(front, "front"));
}

// Takes over what a newer version of this page says: its head, its tables and its data.
async function renew(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  for (const name of ["#summary", "#solution .texts", "#evidence", "#cost"]) {
    const [here, there] = [document.querySelector(name), next.querySelector(name)];
    if (here && there) here.replaceWith(document.adoptNode(there));
  }
  for (const script of document.querySelectorAll("script[data-name]")) {
    const there = next.querySelector(`script[data-name="${script.dataset.name}"]`);
    if (there) script.textContent = there.textContent;
  }
  opened = {};
  await drawn();
}

window.llmopt = { renew };
drawn().then(() => { document.body.dataset.drawn = "yes"; });
