// A comparison is drawn again while one of its runs goes on.

const names = new Set(new URLSearchParams(location.search).getAll("run"));
const redraw = paced(async () => {
  const next = await fetched(location.pathname + location.search);
  const now = next?.getElementById("compared");
  if (!now) return;
  const put = kept();
  document.getElementById("compared").replaceWith(document.adoptNode(now));
  opened = {};
  await curved();
  await put();
  document.body.dataset.renewed = String(Number(document.body.dataset.renewed ?? 0) + 1);
});
const stood = new Map();
listen("/events", (run, news) => {
  if (!names.has(run) || !news) return "";
  if (stood.has(run) && stood.get(run) !== news.version) redraw();
  stood.set(run, news.version);
  return "";
});
