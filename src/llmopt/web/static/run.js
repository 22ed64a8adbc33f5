// Keeps the page of a run as it stands now. Stands in one room with the page's own script.

const bar = document.querySelector(".bar");

// Takes over what has come: sections that were not there, texts and tables, data for the drawings.
async function taken(next) {
  const sections = [...next.querySelectorAll("main > section")];
  const before = new Set(Object.keys(opened));
  for (const script of next.querySelectorAll("script[data-name]")) {
    const here = document.querySelector(`script[data-name="${script.dataset.name}"]`);
    if (here) here.textContent = script.textContent;
    else document.body.append(document.adoptNode(script));
  }
  opened = {};
  for (const name of ["core", ...before]) await chunk(name); // what follows waits for nothing
  const put = kept();
  const main = document.getElementById("main");
  const there = new Set(sections.map((section) => section.id));
  for (const section of main.querySelectorAll(":scope > section")) if (!there.has(section.id)) section.remove();
  sections.forEach((section, at) => {
    const here = document.getElementById(section.id);
    const parts = [...section.querySelectorAll("[data-part]")];
    if (!here) {
      main.insertBefore(document.adoptNode(section), main.querySelectorAll(":scope > section")[at] ?? null);
    } else if (!parts.length && here.innerHTML !== section.innerHTML) {
      here.replaceWith(document.adoptNode(section));
    } else if (section.querySelector(".texts")) {
      here.querySelector(".texts").replaceWith(document.adoptNode(section.querySelector(".texts")));
    }
  });
  for (const name of ["#summary", ".contents"]) {
    const [here, now] = [document.querySelector(name), next.querySelector(name)];
    if (here && now && here.innerHTML !== now.innerHTML) here.replaceWith(document.adoptNode(now));
  }
  document.body.dataset.kind = next.body.dataset.kind;
  bar.dataset.version = next.querySelector(".bar").dataset.version ?? "";
  await drawn();
  await put();
}

let drawnCalls = null;

function followed() {
  const draw = paced(async () => {
    const next = await fetched(location.pathname);
    if (next) await taken(next);
    document.body.dataset.renewed = String(Number(document.body.dataset.renewed ?? 0) + 1);
  });
  let ended = true;
  listen("/events?run=" + encodeURIComponent(bar.dataset.run), (run, news) => {
    if (!news) return "this run is not in the store any more";
    drawnCalls ??= news.calls;
    // Validation and tests are no steps, but spend calls; the page is drawn for them now and then.
    if (news.version !== bar.dataset.version || news.calls > 1.2 * drawnCalls + 20) {
      drawnCalls = news.calls;
      draw();
    }
    if (news.status !== "running" && !ended) document.getElementById("told").textContent = `The run has ended: ${news.status}.`;
    ended = news.status !== "running";
    const words = [news.status, counted(news.steps, "step"), news.calls ? counted(news.calls, "call") : "", news.tokens ? counted(news.tokens, "token") : ""];
    return words.filter(Boolean).join(" · ");
  });
}

followed();
