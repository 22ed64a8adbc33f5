// Drawings as files: a drawing is copied with the styles that it has on the page, with its legend.

const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin", "font-size", "font-family", "font-weight", "text-anchor"];
const SHARPNESS = 2; // pixels of a PNG for one of the page
const MOST_PIXELS = 8000; // along a side; browsers draw nothing on a larger canvas

// Returns buttons that save the drawing in an element as a file named after the run and the part.
function downloads(holder, name, legend = null) {
  const file = [document.title.split(" · ")[0], name].filter(Boolean).join("-").replace(/[^\p{L}\p{N}._-]+/gu, "-");
  const saver = (kind, save) => button(kind, () => {
    const svg = holder.matches("svg") ? holder : holder.querySelector("svg");
    if (svg) save(aloneOf(svg, legend), `${file}.${kind.toLowerCase()}`);
  }, { class: "quiet", "aria-label": `Download ${name || "the drawing"} as ${kind}` });
  return make("div", { class: "downloads" }, "Download", saver("SVG", (svg, as) => saved(svgFile(svg), as)), saver("PNG", savedAsPng));
}

// Names may hold what XML has no place for.
const svgFile = (svg) => new Blob([new XMLSerializer().serializeToString(svg).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "")], { type: "image/svg+xml" });

function saved(file, name) {
  const link = make("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The browser draws the file on a canvas.
async function savedAsPng(svg, name) {
  const [width, height] = ["width", "height"].map((side) => Number(svg.getAttribute(side)));
  const scale = Math.min(SHARPNESS, MOST_PIXELS / Math.max(width, height));
  const canvas = make("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const image = new Image();
  image.src = URL.createObjectURL(svgFile(svg));
  await image.decode();
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((file) => saved(file, name), "image/png");
}

// A copy that needs nothing of the page.
function styled(svg) {
  const copy = svg.cloneNode(true);
  const [from, to] = [svg, copy].map((one) => [one, ...one.querySelectorAll("*")]);
  from.forEach((one, n) => {
    const style = getComputedStyle(one);
    for (const key of STYLES) to[n].setAttribute(key, style.getPropertyValue(key));
    for (const key of ["class", "tabindex", "role"]) to[n].removeAttribute(key);
  });
  return copy;
}

function aloneOf(svg, legend) {
  const copy = styled(svg);
  const [, , width, top] = svg.getAttribute("viewBox").split(" ").map(Number);
  const rows = keysOf(legend, width, top);
  const height = top + rows.height;
  copy.prepend(draw("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor }));
  copy.append(...rows.marks);
  for (const [key, value] of Object.entries({ xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` })) copy.setAttribute(key, value);
  return copy;
}

// The keys of a legend side by side below the drawing, in as many rows as they need.
function keysOf(legend, width, top) {
  let [x, y] = [8, top + 20];
  const marks = [];
  for (const key of legend?.children ?? []) {
    const sign = key.querySelector("svg");
    const area = sign.getBoundingClientRect();
    const words = key.textContent;
    const room = area.width + 30 + 7 * words.length;
    if (x > 8 && x + room > width) [x, y] = [8, y + 20];
    const mark = styled(sign);
    for (const [name, value] of Object.entries({ x, y: y - 11, width: area.width, height: area.height })) mark.setAttribute(name, value);
    const style = getComputedStyle(key);
    marks.push(mark, draw("text", { x: x + area.width + 8, y, fill: style.color, "font-size": 12, "font-family": style.fontFamily }, words));
    x += room;
  }
  return { marks, height: marks.length ? y + 14 - top : 0 };
}
