"use strict";
// Filters, copies and opens; the page says everything without it.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const rows = all(".row");
const search = document.getElementById("search");
const status = document.getElementById("shown");
const texts = new Map();
const chips = new Map();
for (const chip of all("a.chip")) chips.set(chip.hash, [...(chips.get(chip.hash) ?? []), chip]);
// A row's own words: those marked `s`, or all it holds.
const textOf = (row) => {
  if (!texts.has(row)) {
    const parts = all(".s", row);
    texts.set(row, (parts.length ? parts.map((part) => part.textContent).join(" ") : row.textContent).toLowerCase());
  }
  return texts.get(row);
};
const chosen = () => {
  const by = {};
  for (const button of all("[data-by][aria-pressed=true]")) (by[button.dataset.by] ??= []).push(button.dataset.is);
  for (const list of all("select[data-by]")) if (list.value) by[list.dataset.by] = [list.value];
  return Object.entries(by);
};
const filter = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const by = chosen();
  let shown = 0;
  for (const row of rows) {
    const hit = by.every(([key, values]) => values.includes(row.dataset[key])) && words.every((word) => textOf(row).includes(word));
    row.hidden = !hit;
    shown += hit;
    for (const chip of chips.get(`#${row.id}`) ?? []) chip.classList.toggle("off", !hit);
  }
  for (const group of all(".group")) group.hidden = !all(".row", group).some((row) => !row.hidden);
  if (status) status.textContent = `${shown} of ${rows.length} shown`;
};
const reset = () => {
  search.value = "";
  for (const button of all("[data-by][aria-pressed]")) button.setAttribute("aria-pressed", "false");
  for (const list of all("select[data-by]")) list.value = "";
  filter();
};
const reveal = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.hidden) reset();
  for (let at = target; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
  target.scrollIntoView();
};
const copied = (button, words) => {
  const before = button.textContent;
  button.textContent = words;
  setTimeout(() => { button.textContent = before; }, 1500);
};
const copy = async (button) => {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    copied(button, "Copied");
  } catch {
    getSelection().selectAllChildren(code);
    copied(button, document.execCommand("copy") ? "Copied" : "Press Ctrl-C");
  }
};
for (const part of all("[data-script]")) part.hidden = false;
if (search) {
  search.addEventListener("input", filter);
  for (const button of all("button[data-by]")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  for (const list of all("select[data-by]")) list.addEventListener("change", filter);
  document.getElementById("reset")?.addEventListener("click", () => { reset(); search.focus(); });
}
for (const button of all("button.copy")) button.addEventListener("click", () => copy(button));
addEventListener("hashchange", reveal);
reveal();
