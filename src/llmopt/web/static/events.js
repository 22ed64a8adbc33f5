// News of runs from the server, and drawing anew what they are about: not too often, not while
// nobody looks, and not while somebody is typing.

const SOON = 250; // milliseconds from news to drawing, in which more may come
const SELDOM = 1500; // milliseconds between two drawings, at least
const TYPING = 700; // milliseconds after the last key that count as typing

let typed = 0;
addEventListener("keydown", () => { typed = performance.now(); }, true);
addEventListener("input", () => { typed = performance.now(); }, true);

// Returns a function that has `draw` called soon, and once more where news came meanwhile.
function paced(draw) {
  let [waiting, wanted, last] = [false, false, -SELDOM];
  const quiet = () => !document.hidden && performance.now() - typed > TYPING && performance.now() - last > SELDOM;
  return async () => {
    wanted = true;
    if (waiting) return;
    waiting = true;
    while (wanted) {
      await pause(SOON);
      if (!quiet()) continue;
      wanted = false;
      try {
        await draw();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // the server does not answer; it will be heard of
      }
      last = performance.now();
    }
    waiting = false;
  };
}

// The page that the server would give now, or null where it has none.
async function fetched(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Listens to news; `tell` gets how a run stands, or null where it is gone;
// `then` is called after each lot, the first of which says how all stand.
function listen(address, tell, then = () => {}) {
  const place = document.getElementById("live");
  const say = (text, name) => {
    place.classList.remove("bar-pulse", "bar-lost");
    if (name) place.classList.add(name);
    if (place.textContent !== text) place.textContent = text;
  };
  const source = new EventSource(address);
  source.addEventListener("open", () => say("live", "bar-pulse"));
  source.addEventListener("news", (event) => {
    for (const [run, news] of Object.entries(JSON.parse(event.data))) {
      const text = tell(run, news);
      if (text) say(text, news && news.status === "running" ? "bar-pulse" : "");
    }
    then();
  });
  source.addEventListener("error", () =>
    say(source.readyState === EventSource.CLOSED ? "not live any more: load the page again" : "the server does not answer; trying again", "bar-lost"));
  addEventListener("pagehide", () => source.close());
  return source;
}
