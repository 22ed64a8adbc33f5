// What each role of a model had used by the end of each step.

function drawSpending(core) {
  const host = part("spending");
  if (!host) return;
  const known = core.steps.filter((step) => step.spent);
  const roles = [...new Set(known.flatMap((step) => Object.keys(step.spent.roles)))];
  const priced = known.every((step) => Object.values(step.spent.roles).every(([, usd]) => usd !== null)) && roles.some((role) => known.at(-1)?.spent.roles[role]?.[1]);
  const points = roles.flatMap((role) => known.map((step) => ({
    variant: `${role} LLM`, step: step.step, mean: step.spent.roles[role]?.[priced ? 1 : 0] ?? 0, sd: null })));
  const names = { file: "spending", value: priced ? "US dollars" : "calls", spoken: `${priced ? "US dollars" : "Calls"} by the end of each step` };
  host.replaceChildren(convergence(points, "", null, names));
}

// What had been spent by the end of each step, on an axis that the reader chose; null where it is missing.
function spentBy(core, axis) {
  const sums = core.steps.map((step) => {
    if (axis === "step") return step.step;
    if (!step.spent) return null;
    if (axis === "seconds") return step.spent.seconds;
    const parts = Object.values(step.spent.roles).map((used) => used[axis === "usd" ? 1 : 0]);
    return parts.includes(null) ? null : parts.reduce((a, b) => a + b, 0);
  });
  return sums.includes(null) || !(sums.at(-1) > 0) ? null : sums;
}
