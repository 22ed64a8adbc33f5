// What the theme leaves out for readers who use a keyboard or a screen reader.
window.addEventListener("load", () => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap")) {
    wide.tabIndex = 0; // a wide table can be scrolled with the arrow keys
  }
});
