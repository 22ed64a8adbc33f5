// What the optimizer LLM was asked and what it replied, step by step, and what was refused.

const promptText = (asked, number) => asked.prompts[number].lines.map((line) => asked.lines[line]).join("\n");

function replyBlocks(call, number) {
  const [, reply, reasoning, finish, tokens] = call;
  const about = `Reply ${number}, ended by ${finish || "nothing known"}${tokens ? `, ${grouped(tokens[1])} tokens` : ""}`;
  return [reasoning ? block(`Reasoning ${number}, given apart from the reply`, reasoning) : null, block(about, reply)];
}

// The call whose reply has the text of a candidate in it; all of the step where none is known.
async function askedFor(core, c) {
  const asked = await chunk("asked");
  const at = core.steps.findIndex((step) => step.step === c.step);
  const calls = asked.steps[at] ?? [];
  if (c.call === null || !calls[c.call]) {
    return make("div", {}, make("p", { class: "remark" }, "The text stands in no single reply as it is; these are all of its step."), await stepBlocks(core, at));
  }
  const call = calls[c.call];
  const prompt = call[0] === null ? null : block(`Meta-prompt (${asked.prompts[call[0]].how})`, promptText(asked, call[0]));
  return make("div", {}, prompt, ...replyBlocks(call, c.call + 1));
}

// Everything of a step: each meta-prompt once, with its replies.
async function stepBlocks(core, at) {
  const asked = await chunk("asked");
  const refused = (await chunk("refused")).filter(([step]) => step === core.steps[at].step);
  const found = [];
  let shown = null;
  asked.steps[at].forEach((call, n) => {
    if (call[0] !== null && call[0] !== shown) {
      shown = call[0];
      found.push(block(`Meta-prompt (${asked.prompts[shown].how})`, promptText(asked, shown)));
    }
    found.push(...replyBlocks(call, n + 1));
  });
  for (const [, reason, text] of refused) found.push(block(`Refused: ${reason}`, text));
  return make("div", {}, found);
}

function drawSteps(core) {
  const host = part("steps");
  if (!host) return;
  const steps = core.steps.map((step, at) => [step, at]).filter(([step]) => step.calls);
  const one = ([step, at]) => {
    const made = core.candidates.filter((c) => c.step === step.step).length;
    const more = step.refused ? `, ${grouped(step.refused)} refused` : "";
    return onDemand(`Step ${step.step}: ${counted(step.calls, "call")}, ${grouped(made)} new${more}`, () => stepBlocks(core, at), { class: "step" });
  };
  host.replaceChildren(...inPages(steps, one, 25, "step"));
}

function drawRefused(core) {
  const host = part("refused");
  if (!host) return;
  chunk("refused").then((all) => {
    const reasons = [...groups(all, ([, reason]) => reason)].sort((a, b) => b[1].length - a[1].length);
    host.replaceChildren(...inPages(reasons, ([reason, texts]) =>
      onDemand(`${grouped(texts.length)} × ${reason}`, () => make("div", {}, inPages(texts, ([step, , text]) => block(`Step ${step}`, text), 20, "text"))), 25, "reason"));
  });
}

// A list that shows some of its elements, and a button for more.
function inPages(list, build, size, what, holder = make("div")) {
  let shown = 0;
  const more = button("", () => add(), { class: "more" });
  const add = () => {
    holder.append(...list.slice(shown, shown + size).map(build));
    shown = Math.min(list.length, shown + size);
    more.hidden = shown === list.length;
    more.textContent = `Show more (${counted(list.length - shown, what)} left)`;
  };
  add();
  return [holder, more];
}
