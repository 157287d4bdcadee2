"use strict";
const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll(".row")];
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
});
const reveal = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => rows.forEach((row) => { if (row instanceof HTMLDetailsElement) row.open = true; }));
reveal();
