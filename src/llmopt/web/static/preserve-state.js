// Puts back what a reader has opened, typed, chosen, focused and scrolled to, after something was
// drawn anew.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const home = (el) => el.closest("section, form, header, nav, [data-key]");
const homeKey = (el) => home(el)?.dataset.key ?? home(el)?.id ?? home(el)?.getAttribute("aria-labelledby") ?? "";

// Returns a function that finds an element again, or what stands in its place.
function wayTo(el) {
  if (!el || el === document.body || el === document.documentElement) return () => null;
  if (el.id) return () => document.getElementById(el.id);
  const by = (selector, root = document) => () => root.querySelector(selector);
  if (el.matches("circle.point")) {
    const at = pointsNow().indexOf(el);
    return () => pointsNow()[at];
  }
  if (el.dataset.place) return by(`[data-place="${el.dataset.place}"]`);
  if (el.dataset.choice) return by(`[data-choice="${el.dataset.choice}"]`);
  if (el.matches("input[type=checkbox][value]")) return by(`input[name="${el.name}"][value="${CSS.escape(el.value)}"]`);
  if (el.matches("summary")) {
    const key = keyed("details").find(([, one]) => one === el.parentElement)?.[0];
    return () => keyed("details").find(([name]) => name === key)?.[1].querySelector("summary");
  }
  const row = el.closest("tr")?.querySelector("[data-place]") ?? el.closest("tr.inside")?.previousElementSibling?.querySelector("[data-place]");
  const from = (row && row !== el && el.closest("tr")) || el.closest("[id], [data-key]");
  if (!from) return () => null;
  const path = [];
  for (let one = el; one !== from; one = one.parentElement) path.unshift([...one.parentElement.children].indexOf(one));
  const again = row && from.contains(row) ? () => document.querySelector(`[data-place="${row.dataset.place}"]`)?.closest("tr")
    : from.matches(".inside") ? () => document.querySelector(`[data-place="${row.dataset.place}"]`)?.closest("tr").nextElementSibling
      : from.dataset.key ? () => document.querySelector(`[data-key="${CSS.escape(from.dataset.key)}"]`) : wayTo(from);
  return () => path.reduce((one, at) => one?.children[at], again());
}

const pointsNow = () => [...document.querySelectorAll("svg.points circle.point")];

// Elements with names under which they are found again: where they are, what they say, which they are.
function keyed(selector) {
  const seen = {};
  return [...document.querySelectorAll(selector)].map((el) => {
    const title = (el.querySelector(":scope > summary")?.textContent ?? "").replace(/^[\d,]+ × /, "");
    const row = el.closest("tr.inside")?.previousElementSibling?.querySelector("[data-place]")?.dataset.place ?? "";
    const key = `${homeKey(el)}|${row}|${title}`;
    seen[key] = (seen[key] ?? 0) + 1;
    return [`${key}|${seen[key]}`, el];
  });
}

const listOf = (more) => more.previousElementSibling;
const lengthOf = (more) => listOf(more)?.querySelectorAll("tr:not(.inside), :scope > *").length ?? 0;

// Notes how everything stands; the function that is returned puts it back.
function kept() {
  const root = document.documentElement;
  const active = document.activeElement;
  const fields = [...document.querySelectorAll("main input, main select")].filter((f) => f.id)
    .map((f) => [f.id, f.type === "checkbox" ? f.checked : f.value]);
  const caret = active?.matches("input[type=search]") ? [active.selectionStart, active.selectionEnd] : null;
  const details = new Map(keyed("details").map(([key, el]) => [key, el.open]));
  const openers = [...document.querySelectorAll(".opener[aria-expanded=true]")].map((el) => el.dataset.place);
  const choices = [...document.querySelectorAll(".choice[aria-pressed=true]")].map((el) => el.dataset.choice);
  const lengths = new Map(keyed(".more").map(([key, el]) => [key, lengthOf(el)]));
  const inner = [...document.querySelectorAll("main pre, main .scroll")].filter((el) => el.scrollTop || el.scrollLeft)
    .map((el) => [wayTo(el), el.scrollTop, el.scrollLeft]);
  const point = pointsNow().findIndex((el) => el.matches(".current:not(.winner)"));
  const focus = wayTo(active);
  const seen = active !== document.body && within(active) ? active : document.elementFromPoint(innerWidth / 2, Math.min(120, innerHeight / 2));
  const [anchor, top] = [wayTo(seen), seen?.getBoundingClientRect().top];
  document.body.style.minHeight = `${root.scrollHeight}px`;
  root.style.scrollBehavior = "auto";
  let [asFocused, asScrolled] = [null, null];

  const refocus = () => {
    const now = focus();
    if (!now || (document.activeElement !== document.body && document.activeElement !== asFocused) || now === document.activeElement) return;
    now.focus({ preventScroll: true });
    if (caret && now.setSelectionRange) now.setSelectionRange(...caret);
    asFocused = now;
  };
  const rescroll = () => {
    if (asScrolled !== null && Math.abs(asScrolled - scrollY) > 1) return; // the reader has moved on
    const now = anchor();
    if (now && top !== undefined) scrollBy(0, now.getBoundingClientRect().top - top);
    asScrolled = scrollY;
  };

  return async () => {
    for (const [id, value] of fields) {
      const field = document.getElementById(id);
      if (!field || (field.type === "checkbox" ? field.checked : field.value) === value) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
      field.dispatchEvent(new Event(field.type === "search" ? "input" : "change"));
    }
    refocus();
    rescroll();
    const handled = new Set();
    for (let round = 0; round < 8; round++) {
      let done = false;
      for (const choice of choices) {
        const now = document.querySelector(`[data-choice="${choice}"][aria-pressed=false]`);
        if (!now || handled.has(choice)) continue;
        handled.add(choice);
        now.click();
        now.blur();
        if (document.activeElement?.dataset.choice === choice) document.activeElement.blur();
        done = true;
      }
      for (const [key, more] of keyed(".more")) {
        for (let before = -1; !more.hidden && lengthOf(more) < (lengths.get(key) ?? 0) && lengthOf(more) !== before;) {
          before = lengthOf(more);
          more.click();
          done = true;
        }
      }
      for (const place of openers) {
        const now = document.querySelector(`.opener[data-place="${place}"][aria-expanded=false]`);
        if (!now || handled.has(place)) continue;
        handled.add(place);
        now.click();
        done = true;
      }
      for (const [key, el] of keyed("details")) {
        if (!details.has(key) || handled.has(key)) continue;
        handled.add(key);
        if (el.open === details.get(key)) continue;
        el.open = details.get(key);
        done = true;
      }
      refocus();
      rescroll();
      if (!done && round > 1) break;
      await pause(25);
    }
    for (const [way, up, left] of inner) way()?.scrollTo({ top: up, left, behavior: "instant" });
    if (point >= 0) pointsNow()[point]?.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
    refocus();
    document.body.style.minHeight = "";
    rescroll();
    root.style.scrollBehavior = "";
  };
}

function within(el) {
  const { top, bottom } = el.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
