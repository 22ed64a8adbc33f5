// What all parts of the page share: elements, texts, numbers, and the embedded data.
// Texts of models only ever become text nodes.

const SVG = "http://www.w3.org/2000/svg";
const SPELLED = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// Returns a text as nodes; control characters and marks of direction are spelled out.
function said(text) {
  const nodes = document.createDocumentFragment();
  let from = 0;
  for (const found of text.matchAll(SPELLED)) {
    nodes.append(text.slice(from, found.index));
    const code = document.createElement("span");
    code.className = "esc";
    code.textContent = "\\u" + found[0].charCodeAt(0).toString(16).padStart(4, "0");
    nodes.append(code);
    from = found.index + found[0].length;
  }
  nodes.append(text.slice(from));
  return nodes;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null) element.append(child instanceof Node ? child : said(String(child)));
  }
  return element;
}

// An element of HTML, or of a drawing; children are elements or texts.
const make = (name, attributes = {}, ...children) =>
  filled(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

const part = (name) => document.querySelector(`[data-part="${name}"]`);

// Each chunk is taken apart once, when it is first wanted.
let opened = {};
function chunk(name) {
  opened[name] ??= unpacked(document.querySelector(`script[data-name="${name}"]`).textContent);
  return opened[name];
}

async function unpacked(text) {
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length); // filled by hand: that takes a tenth of the time
  for (let n = 0; n < bytes.length; n++) bytes[n] = letters.charCodeAt(n);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// -- numbers as words

const NUMBERS = new Intl.NumberFormat("en-US"); // made once: that is the slow part
const grouped = (number) => NUMBERS.format(number);
const counted = (number, what, many = what + "s") => `${grouped(number)} ${number === 1 ? what : many}`;

let decimals = null; // of scores, where the problem says how many; null: the usual ones

// What is a score says whether it is a share of 1; any other number says nothing.
function amount(value, shares) {
  if (value === null || value === undefined) return "–";
  if (shares) return (100 * value).toFixed(decimals ?? 1) + " %";
  if (shares === false && decimals !== null) {
    return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  }
  const size = Math.abs(value);
  if (size >= 1e4 && size < 1e9) return grouped(Math.round(value));
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toExponential(3);
  return String(Number(value.toPrecision(6)));
}

// Round numbers from low to high, about so many.
function ticks(low, high, many) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, many);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

// A list of names and values.
const listed = (pairs) =>
  make("dl", { class: "keys" }, pairs.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, value))));

function button(label, act, attributes = {}) {
  const made = make("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

// A text of a model as a block; long ones scroll, so they can be reached by keyboard.
function block(label, text) {
  return make("figure", { class: "block" },
    make("figcaption", {}, label),
    make("pre", { tabindex: 0, role: "group", "aria-label": label, dir: "auto" }, text || "(empty)"));
}

// A drawing that is made anew for each width of its place.
function fitted(attributes, build) {
  const holder = make("div", attributes);
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.max(300, Math.round(holder.clientWidth));
    if (now === width || !holder.clientWidth) return;
    width = now;
    holder.replaceChildren(build(width));
  }).observe(holder);
  return holder;
}

// Something that is built when it is first opened.
function onDemand(title, build, attributes = {}) {
  const made = make("details", attributes, make("summary", {}, title));
  made.addEventListener("toggle", async () => {
    if (made.open && made.children.length === 1) made.append(await build());
  });
  return made;
}
