// Pages to read: where one is in the contents, finding a route, and one language for all samples.
"use strict";

// The contents follow the reading.
const listed = [...document.querySelectorAll(".toc a[href^='#']")];
const targets = new Map(
  listed
    .map((link) => [document.getElementById(decodeURIComponent(link.hash.slice(1))), link])
    .filter(([target]) => target),
);
let current = null;
const follow = () => {
  let reached = null;
  for (const [target] of targets) {
    if (target.getBoundingClientRect().top > 120) break;
    reached = target;
  }
  const link = targets.get(reached ?? targets.keys().next().value);
  if (link === current) return;
  current?.removeAttribute("aria-current");
  link?.setAttribute("aria-current", "location");
  const list = link?.closest(".toc");
  if (list?.offsetHeight) list.scrollTop = link.offsetTop - list.clientHeight / 2;
  current = link;
};
let waiting = false;
const scrolled = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    follow();
  });
};
if (targets.size) {
  addEventListener("scroll", scrolled, { passive: true });
  follow();
}

// A list is narrowed by typing: <input data-find="#list">.
addEventListener("input", (event) => {
  const list = event.target.dataset?.find && document.querySelector(event.target.dataset.find);
  if (!list) return;
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of list.children) {
    const items = [...group.querySelectorAll("[data-words]")];
    for (const item of items) item.hidden = !words.every((word) => item.dataset.words.includes(word));
    group.hidden = items.length > 0 && items.every((item) => item.hidden);
  }
});

// Whoever reads Python once reads it everywhere.
const LANGUAGE = "kinetoscope.language";
addEventListener("click", (event) => {
  const tab = event.target.closest?.("[data-sample]");
  if (tab) localStorage.setItem(LANGUAGE, tab.dataset.sample);
});
const chosen = localStorage.getItem(LANGUAGE);
for (const tab of document.querySelectorAll("[data-sample]")) {
  if (tab.dataset.sample !== chosen) continue;
  const tabs = tab.closest(".tabs");
  const show = () => tabs.select(tab);
  if (tabs.select) show();
  else tabs.addEventListener("basecoat:initialized", show, { once: true });
}
