// The list: filters at once, keeps what is ticked, and follows the store.

const wanted = document.getElementById("wanted");
const chosen = document.getElementById("chosen");
const compare = document.getElementById("compare");
const ticked = new Set();

const address = () => {
  const query = new URLSearchParams(new FormData(wanted));
  const most = new URLSearchParams(location.search).get("most");
  if (most) query.set("most", most);
  for (const [name, value] of [...query]) if (!value || (name === "order" && value === "new")) query.delete(name);
  return query.size ? `/?${query}` : "/";
};

let asked = 0;
async function fresh() {
  const mine = ++asked;
  const next = await fetched(address());
  if (!next || mine !== asked) return; // a later one is under way
  const put = kept();
  document.getElementById("runs").replaceWith(document.adoptNode(next.getElementById("runs")));
  const count = document.getElementById("count");
  const said = next.getElementById("count").textContent;
  if (count.textContent !== said) count.textContent = said;
  for (const name of ["status", "algorithm", "tag"]) {
    const [here, now] = [document.getElementById(name), next.getElementById(name)];
    if (!here || !now || here === document.activeElement || here.options.length === now.options.length) continue;
    const value = here.value;
    here.replaceChildren(...now.children);
    here.value = value;
  }
  tick();
  fold();
  await put();
  document.body.dataset.renewed = String(Number(document.body.dataset.renewed ?? 0) + 1);
}

// Shows the runs that are folded under those that a reader has opened.
const unfolded = new Set();
function fold() {
  for (const opener of chosen.querySelectorAll(".fold")) opener.setAttribute("aria-expanded", String(unfolded.has(opener.dataset.fold)));
  for (const row of chosen.querySelectorAll("tr.member")) row.hidden = !unfolded.has(row.dataset.of);
}
chosen.addEventListener("click", (event) => {
  const opener = event.target.closest(".fold");
  if (!opener) return;
  const name = opener.dataset.fold;
  if (!unfolded.delete(name)) unfolded.add(name);
  fold();
});

// Ticks what was ticked; runs that are filtered away stay chosen.
function tick() {
  for (const box of chosen.querySelectorAll("input[name=run]")) box.checked = ticked.has(box.value);
  compare.textContent = ticked.size ? `Compare ${counted(ticked.size, "ticked run")}` : "Compare ticked runs";
  compare.setAttribute("aria-disabled", String(ticked.size < 2));
}

let soon = 0;
wanted.addEventListener("input", () => {
  clearTimeout(soon);
  soon = setTimeout(() => {
    history.replaceState(null, "", address());
    fresh();
  }, 200);
});
wanted.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(soon);
  history.replaceState(null, "", address());
  fresh();
});
chosen.addEventListener("change", (event) => {
  if (event.target.name !== "run") return;
  if (event.target.checked) ticked.add(event.target.value);
  else ticked.delete(event.target.value);
  tick();
});
chosen.addEventListener("submit", (event) => {
  event.preventDefault();
  if (ticked.size < 2) {
    document.getElementById("count").textContent = "Tick two runs or more to compare them.";
    return;
  }
  location.assign("/compare?" + new URLSearchParams([...ticked].map((name) => ["run", name])));
});
document.getElementById("apply").hidden = true;
// A browser that comes back to the page may have ticked what was ticked before.
for (const box of chosen.querySelectorAll("input[name=run]:checked")) ticked.add(box.value);
tick();

const follow = paced(fresh);
const known = new Map();
let begun = false;
listen("/events", (run, news) => {
  const now = news ? `${news.version} ${news.calls}` : null;
  // The first news are how all stand, as the page shows it.
  if (begun && known.get(run) !== now) follow();
  known.set(run, now);
  return "";
}, () => { begun = true; });
