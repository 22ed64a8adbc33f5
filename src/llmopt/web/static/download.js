// Drawings as files: a drawing is copied with the styles that it has on the page.

const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin", "font-size", "font-family", "font-weight", "text-anchor"];

// Returns a button that saves the drawing below an element as an SVG file.
function downloadOf(host, name) {
  return button("Download as SVG", () => {
    const svg = host.querySelector("svg.points, svg.tree, svg.convergence, svg.front");
    if (!svg) return;
    const copy = svg.cloneNode(true);
    const [from, to] = [svg, copy].map((one) => [one, ...one.querySelectorAll("*")]);
    from.forEach((one, n) => {
      const style = getComputedStyle(one);
      for (const key of STYLES) to[n].setAttribute(key, style.getPropertyValue(key));
      for (const key of ["class", "tabindex", "role"]) to[n].removeAttribute(key);
    });
    const [, , width, height] = svg.getAttribute("viewBox").split(" ");
    const paper = draw("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor });
    copy.prepend(paper);
    for (const [key, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(key, value);
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
    const link = make("a", { href: URL.createObjectURL(file), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, { class: "quiet download" });
}

// Puts the button below every drawing of the page.
function drawDownloads(core) {
  for (const id of ["search", "lineage", "spending"]) {
    const host = part(id);
    if (host?.querySelector("svg, .chart")) host.append(downloadOf(host, `${core.run}-${id}.svg`));
  }
}
