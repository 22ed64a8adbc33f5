// The curves of the compared runs, drawn by what draws those of a sweep.

async function curved() {
  const core = await chunk("core");
  decimals = core.decimals;
  document.getElementById("curves").replaceChildren(convergence(core.points, "", core.shares));
}

curved().then(() => { document.body.dataset.drawn = "yes"; });
